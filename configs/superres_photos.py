"""Twice the resolution, on the photographs inside scikit-learn and scikit-image: the embedded default, no download.

  python -m experiments.main --config=configs/superres_photos.py --workdir=runs/superres_photos
  python -m experiments.sample --workdir=runs/superres_photos --image=FILE --out=FILE.png

FSRCNN(56, 12, 4) on grey patches 48x48 of fourteen photographs, measured on six others, patch by patch ('psnr') and
whole ('whole_psnr'), beside bicubic interpolation. Two things differ from the paper: the optimizer is Adam, and the
network adds to the bicubic enlargement (`--config.model.residual=none`: it makes the whole image). Red, green and blue
of a coloured picture are enlarged separately. `:subpixel` and `:resize` enlarge by a 5x5 sub-pixel convolution, and by
nearest-neighbour resizing with a 9x9 convolution, instead of the 9x9 deconvolution. `:charbonnier` and `:ssim` (SSIM
and L1, weights of Zhao et al. 2017) have another loss. `:area` reduces by averages instead of the antialiased bicubic.

Cost: minutes on two cores.
Results: docs/results.md#restoration.
"""

from deconv.configs import base


def get_config(variant=''):
  """Returns the config."""
  config = base.get_config(model='fsrcnn', task='restoration')
  config.data.source = 'photos'
  config.data.fit = 'patches'
  config.data.image_size = 48
  config.data.patch_stride = 24
  config.augment.turns = True
  config.degrade.scale = 2
  config.objective.colour = 'grey'
  config.model.residual = 'bicubic'
  config.optimizer.learning_rate = 2e-3
  config.optimizer.beta1 = 0.9
  config.optimizer.schedule = 'cosine'
  config.train.batch_size = 32
  config.train.steps = 2000
  config.train.ema_decay = 0.99
  config.eval.every = 1000
  config.eval.batch_size = 64
  config.eval.whole_images = 6
  config.samples.every = 250
  return base.finish(
    config,
    variant,
    variants={
      'subpixel': {'model.upsample': 'subpixel', 'model.kernel_size': 5},
      'resize': {'model.upsample': 'resize_nearest'},
      'area': {'degrade.down': 'area'},
      'ssim': {'objective.l2': 0.0, 'objective.l1': 0.16, 'objective.ssim': 0.84},
      'charbonnier': {'objective.l2': 0.0, 'objective.charbonnier': 1.0, 'objective.charbonnier_eps': 1e-2},
    },
    smoke={'data.patch_stride': 0, 'data.image_size': 96, 'model.width': 8, 'model.depth': 1, 'eval.whole_images': 1},
  )
