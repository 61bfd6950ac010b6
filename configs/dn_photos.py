"""The deconvolutional network of Zeiler et al. (2010) on the photographs of scikit-learn and scikit-image.

  python -m experiments.main --config=configs/dn_photos.py --workdir=runs/dn_photos

Two layers of 9 and 45 maps learn from fourteen grey photographs of 96x96 pixels with normalised contrast, one layer
after the other, and explain six others; the maps are found by FISTA. `:paper` has the four layers, p = 0.8 and the
growing beta of the paper, and filters that follow all images together. `:code` differs as the authors' code does: p = 1
in the upper layers, and filters that follow every single image, for 7, 1, 1 and 5 epochs. Both are for images of
100x100, and random in the connections of layers 3 and 4.

Cost: minutes on two cores; `:paper` and `:code` hours, estimated.
Results: docs/results.md#sparse-coding. `:paper` and `:code` were not run.
"""

from deconv.configs import base

_IMAGES = 14
_AUTHORS = {
  'model.maps': (9, 45, 150, 150),
  'model.kernel_sizes': (7, 7, 9, 9),
  'model.connectivity': ('full', 'singles_and_doubles', 'random_doubles', 'random_doubles'),
  'objective.inference': 'continuation',
  'objective.iterations': 100,
  'objective.data_weight': (1.0,),
  'data.image_size': 100,
}


def get_config(variant=''):
  """Returns the config."""
  config = base.get_config(model='deconvolutional_network', task='sparse_coding')
  config.data.source = 'photos'
  config.data.image_size = 96
  config.model.maps = (9, 45)
  config.model.kernel_sizes = (7, 7)
  config.model.connectivity = ('full', 'singles_and_doubles')
  config.objective.num_images = _IMAGES
  config.objective.data_weight = (1.0, 20.0)  # few maps below; above, what they say is kept
  config.objective.inference = 'fista'
  config.objective.iterations = 10
  config.objective.repeats = 5
  config.objective.layer_steps = (100,)
  config.train.batch_size = 7
  config.train.steps = 140
  config.checkpoint.every = 50
  config.samples.every = 50
  config.samples.first = 2
  config.log.every = 5
  config.eval.batch_size = 6
  return base.finish(
    config,
    variant,
    variants={
      'paper': {
        **_AUTHORS,
        'objective.power': (0.8,),
        'objective.layer_steps': (5, 5, 5),
        'train.batch_size': _IMAGES,
        'train.steps': 20,
      },
      'code': {
        **_AUTHORS,
        'objective.power': (0.8, 0.8, 1.0, 1.0),
        'objective.layer_steps': (7 * _IMAGES, _IMAGES, _IMAGES),
        'train.batch_size': 1,
        'train.steps': 14 * _IMAGES,
        'eval.batch_size': 1,
      },
    },
    smoke={
      'data.image_size': 16,
      'model.maps': (2, 3),
      'model.kernel_sizes': (3, 3),
      'model.connectivity': ('full', 'singles_and_doubles'),
      'objective.layer_steps': (2,),
    },
  )
