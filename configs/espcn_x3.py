"""ESPCN (Shi et al. 2016), three times the resolution, on the luminance: trained on T91, judged on Set5.

  python -m experiments.main --config=configs/espcn_x3.py --config.data.path=T91 --config.data.eval_path=SET5

T91 and SET5 are folders of pictures, see docs/data.md#super-resolution-and-denoising. The paper's network (5x5 of 64
and 3x3 of 32 with tanh, 3x3 sub-pixel convolution), loss (mean squared error) and patch (17 pixels before, 51 after).
The paper's best network saw 50,000 pictures of ImageNet; here the 91 images are scaled and turned as for FSRCNN. Adam
and a cosine stand in place of its schedule from 0.01 to 0.0001, and all layers learn at one rate, where the paper's
last one is ten times slower. The paper makes small images by a Gaussian blur; here they are bicubic, as in the tables
that quote it. Published on Set5: 32.55 dB trained on T91, 33.13 trained on ImageNet; bicubic 30.39.

`:deconv` is the deconvolution with as many weights, 9x9. `:photos` trains on the photographs inside scikit-learn and
scikit-image, without a download.

Cost: hours on two cores, estimated.
Results: docs/results.md#super-resolution-as-published.
"""

from deconv.configs import base, fsrcnn_x2


def get_config(variant=''):
  """Returns the config."""
  config = base.get_config(model='espcn', task='restoration')
  fsrcnn_x2.published(config, 3, 17)
  config.data.patch_stride = 17
  config.data.patch_scales = (0.9, 0.8, 0.7, 0.6)
  config.augment.turns = True
  config.model.upsample = 'subpixel'
  config.optimizer.learning_rate = 1e-3
  return base.finish(
    config,
    variant,
    variants={'deconv': {'model.upsample': 'deconv', 'model.kernel_size': 9}, 'photos': fsrcnn_x2.PHOTOS},
    smoke={**fsrcnn_x2.PHOTOS, 'data.patch_stride': 0, 'model.widths': (8, 4), 'eval.whole_images': 0},
  )
