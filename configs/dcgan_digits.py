"""DCGAN on scikit-learn's 1,797 handwritten digits: the embedded default, no download.

  python -m experiments.main --config=configs/dcgan_digits.py --workdir=runs/dcgan_digits

The generator has 370 thousand parameters, the discriminator 167 thousand; 2,500 steps are 54 epochs. `:minimax` shows
why nobody trains the generator on log(1 - D): the discriminator is soon right about every image, the gradient of the
generator vanishes, and the samples stay noise.

Cost: minutes on two cores.
Results: docs/results.md#generative-adversarial-networks.
"""

from deconv.configs import base


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
  config.samples.every = 100  # a film of twenty-five frames
  return base.finish(config, variant, variants={'minimax': {'objective.name': 'minimax'}}, smoke={'model.width': 8})
