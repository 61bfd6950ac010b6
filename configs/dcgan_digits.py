"""DCGAN on scikit-learn's 1,797 handwritten digits: the embedded default, no download.

  python -m experiments.main --config=configs/dcgan_digits.py --workdir=runs/digits
"""
from configs import base


def get_config(variant=''):
  """Returns the config."""
  config = base.get_config(model='dcgan')
  config.data.source = 'digits'
  config.data.image_size = 32
  config.model.width = 32
  config.model.kernel_size = 4
  config.train.batch_size = 64
  config.train.steps = 2000
  config.train.ema_decay = 0.99
  return base.finish(config, variant)
