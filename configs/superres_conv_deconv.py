"""Four times the resolution in colour by the plain pair: two convolutions, two deconvolutions, squared error.

  python -m experiments.main --config=configs/superres_conv_deconv.py --workdir=runs/superres_conv_deconv

Convolutions 3x3 of 32 and 64 channels, deconvolutions 3x3 of stride 2 of 32 and 3 channels. The network is trained on
patches 64x64 of the seven coloured photographs inside scikit-learn and scikit-image, and measured on three others
beside bicubic interpolation. `:residual` adds to the bicubic enlargement. Other data: `--config.data.source=folder
--config.data.path=DIR`, and `--config.data.source=tfds --config.data.name=div2k/bicubic_x4` with
`--config.data.eval_split=validation`.

Cost: an hour on two cores, estimated.
Not run to the end.
"""

from deconv.configs import base


def get_config(variant=''):
  """Returns the config."""
  config = base.get_config(model='conv_deconv', task='restoration')
  config.data.source = 'photos'
  config.data.fit = 'patches'
  config.data.image_size = 64
  config.data.patch_stride = 32
  config.data.channels = 3
  config.augment.turns = True
  config.degrade.scale = 4
  config.optimizer.learning_rate = 1e-3
  config.optimizer.beta1 = 0.9
  config.optimizer.schedule = 'cosine'
  config.train.batch_size = 32
  config.train.steps = 10_000
  config.train.ema_decay = 0.999
  config.eval.every = 2000
  config.eval.batch_size = 64
  config.eval.whole_images = 3
  return base.finish(
    config,
    variant,
    variants={'residual': {'model.residual': 'bicubic'}},
    smoke={
      'data.source': 'digits',
      'data.path': '',
      'data.fit': 'crop',
      'data.patch_stride': 0,
      'data.image_size': 32,
      'model.widths': (4, 8, 4),
      'eval.whole_images': 0,
    },
  )
