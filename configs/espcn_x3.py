"""ESPCN (Shi et al. 2016), three times the resolution, on the luminance.

  python -m experiments.main --config=configs/espcn_x3.py --workdir=runs/espcn_x3

The paper's network (5x5 of 64 and 3x3 of 32 with tanh, 3x3 sub-pixel convolution), loss (mean squared error) and patch
(17 pixels before, 51 after). The data are not the paper's 91 images, or 50,000 of ImageNet, but the coloured
photographs inside scikit-learn and scikit-image. `:deconv` is the deconvolution with as many weights, 9x9. Published:
33.13 dB on Set5, bicubic 30.39.

Cost: hours on two cores, estimated.
Not run to the end.
"""

from deconv.configs import base


def get_config(variant=''):
  """Returns the config."""
  config = base.get_config(model='espcn', task='restoration')
  config.data.source = 'photos'
  config.data.fit = 'patches'
  config.data.image_size = 51
  config.data.patch_stride = 17
  config.data.channels = 3
  config.augment.turns = True
  config.degrade.scale = 3
  config.objective.colour = 'y'
  config.objective.shave = 3
  config.model.upsample = 'subpixel'
  config.optimizer.learning_rate = 1e-3
  config.optimizer.beta1 = 0.9
  config.optimizer.schedule = 'cosine'
  config.train.batch_size = 64
  config.train.steps = 50_000
  config.train.ema_decay = 0.999
  config.eval.every = 5000
  config.eval.batch_size = 64
  config.eval.whole_images = 3
  return base.finish(
    config,
    variant,
    variants={'deconv': {'model.upsample': 'deconv', 'model.kernel_size': 9}},
    smoke={
      'data.source': 'digits',
      'data.path': '',
      'data.fit': 'crop',
      'data.patch_stride': 0,
      'data.image_size': 48,
      'model.widths': (8, 4),
      'eval.whole_images': 0,
    },
  )
