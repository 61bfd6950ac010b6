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
  # Faster than the paper's 2e-4, with a slower discriminator, which soon knows 1,500 images by heart; the decay to zero
  # lets the film end on a steady picture.
  config.optimizer.learning_rate = 5e-4
  config.optimizer.schedule = 'linear'
  config.objective.disc_learning_rate_scale = 0.5
  config.train.batch_size = 32
  config.train.steps = 2500
  config.train.ema_decay = 0.995
  config.samples.every = 100       # a film of twenty-five frames
  return base.finish(config, variant, smoke={'model.width': 8})
