"""FSRCNN(56, 12, 4) (Dong et al. 2016), 2 times the resolution, on the luminance: trained on T91, judged on Set5.

  python -m experiments.main --config=configs/fsrcnn_x2.py --config.data.path=T91 --config.data.eval_path=SET5

T91 and SET5 are folders of pictures, see docs/data.md#super-resolution-and-denoising. The paper's network, loss (mean
squared error; the deconvolution learns at a tenth of the rate of the convolutions, 1e-3) and data: the 91 images, and
four copies of each at 0.9 to 0.6 of its size, each turned by quarters. Here they are also mirrored, the optimizer is
Adam with a cosine in place of SGD, and a patch has 24x24 pixels of the small image in place of 10x10, because our
convolutions keep the size. What is judged is the average of the parameters. 'whole_psnr' is the published number, and
'whole_psnr_baseline' that of bicubic enlargement; if the latter is not 33.66 dB, the pictures are not those of Set5,
and nothing is measured: `--config.eval.published_baseline=0` is for other pictures.

Published on Set5: 36.94 dB trained on T91, 37.00 with General-100 besides; bicubic 33.66. `:photos` trains on the
photographs inside scikit-learn and scikit-image, without a download.

Cost: hours on two cores, estimated.
Results: docs/results.md#super-resolution-as-published. Its network is results/weights/fsrcnn_x2.safetensors.
"""

from deconv.configs import base

BICUBIC_SET5 = {2: 33.66, 3: 30.39, 4: 28.42}  # dB
# The photographs inside scikit-learn and scikit-image, judged on three others.
PHOTOS = {
  'data.source': 'photos',
  'data.patch_scales': (),
  'data.eval_split': 'test',
  'eval.whole_images': 3,
  'eval.published_baseline': 0.0,
}


def published(config, scale, smallest):
  """Sets what super-resolution from T91 to Set5 has in common.

  Args:
    config: ConfigDict of task restoration.
    scale: times the resolution.
    smallest: side of a patch before it is enlarged, in pixels.
  """
  config.data.source = 'folder'
  config.data.eval_split = 'all'
  config.data.fit = 'patches'
  config.data.image_size = smallest * scale
  config.data.channels = 3
  config.degrade.scale = scale
  config.objective.colour = 'y'
  config.objective.shave = scale
  config.optimizer.beta1 = 0.9
  config.optimizer.schedule = 'cosine'
  config.train.ema_decay = 0.999
  config.train.batch_size = 32
  config.train.steps = 100_000
  config.eval.every = 5000
  config.samples.every = 10_000
  config.checkpoint.every = 2500
  config.eval.batch_size = 64
  config.eval.whole_images = 5
  config.eval.published_baseline = BICUBIC_SET5[scale]


def get_config(variant='', scale=2):
  """Returns the config; `scale` times the resolution."""
  config = base.get_config(model='fsrcnn', task='restoration')
  published(config, scale, 24)
  config.data.patch_stride = 12 * scale
  config.data.patch_scales = (0.9, 0.8, 0.7, 0.6)
  config.augment.turns = True
  config.objective.last_learning_rate_scale = 0.1
  config.optimizer.learning_rate = 1e-3
  return base.finish(
    config,
    variant,
    variants={'photos': PHOTOS},
    smoke={
      **PHOTOS,
      'data.image_size': 24 * scale,
      'data.patch_stride': 0,
      'model.width': 8,
      'model.depth': 1,
      'eval.whole_images': 0,
    },
  )
