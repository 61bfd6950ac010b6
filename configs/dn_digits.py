"""Convolutional sparse coding of two hundred of scikit-learn's handwritten digits: strokes, no download.

  python -m experiments.main --config=configs/dn_digits.py --workdir=runs/dn_digits

One layer of 16 filters of 7x7 pixels on images of 16x16, p = 1. The maps are found by FISTA; `:continuation` and
`:admm` do so by the other two algorithms. `:two` learns 32 maps on top of them. The evaluation also trains a linear
classifier on the maps, and one on the pixels.

Cost: minutes on two cores.
Results: docs/results.md#sparse-coding. `:continuation` and `:admm` were not run.
"""

from deconv.configs import base


def get_config(variant=''):
  """Returns the config."""
  config = base.get_config(model='deconvolutional_network', task='sparse_coding')
  config.data.source = 'digits'
  config.data.image_size = 16
  config.data.per_class = 20
  config.model.maps = (16,)
  config.model.kernel_sizes = (7,)
  config.model.connectivity = ('full',)
  config.objective.num_images = 200
  config.objective.contrast = 'global'
  config.objective.data_weight = (2.0,)
  config.objective.inference = 'fista'
  config.objective.iterations = 10
  config.objective.repeats = 5
  config.train.batch_size = 50
  config.train.epochs = 25.0
  config.checkpoint.every = 50
  config.samples.every = 50
  config.samples.first = 4
  config.log.every = 4
  config.eval.batch_size = 60
  config.eval.evaluators = ('sparse_restoration', 'linear_readout')
  return base.finish(
    config,
    variant,
    variants={
      'two': {
        'model.maps': (16, 32),
        'model.kernel_sizes': (7, 5),
        'model.connectivity': ('full', 'full'),
        'objective.data_weight': (2.0, 20.0),
        'objective.layer_steps': (60,),
        'train.epochs': 35.0,
      },
      'continuation': {'objective.inference': 'continuation', 'objective.iterations': 100},
      'admm': {'objective.inference': 'admm', 'objective.iterations': 20},
    },
    smoke={'data.per_class': 1, 'objective.num_images': 10, 'model.maps': (4,), 'model.kernel_sizes': (5,)},
  )
