"""DCGAN on scikit-learn's 1,797 handwritten digits: the embedded default, no download.

  python -m experiments.main --config=configs/dcgan_digits.py --workdir=runs/dcgan_digits

Cost: minutes on two cores.
Not run to the end yet.
"""
from configs import base


def get_config(variant=''):
  """Returns the config."""
  config = base.get_config(model='dcgan')
  config.data.source = 'digits'
  config.data.image_size = 32
  config.model.width = 32
  config.model.kernel_size = 4
  config.train.batch_size = 32
  config.train.steps = 1500
  config.train.ema_decay = 0.99
  config.samples.every = 50        # a film of thirty frames
  return base.finish(config, variant, smoke={'model.width': 8})
