"""A perceptron GAN on 25 Gaussians in a grid: the test of whether a game loses modes.

  python -m experiments.main --config=configs/gan_grid.py --workdir=runs/gan_grid

`modes` counts the Gaussians with at least 10 of 2,500 samples within three standard deviations, `good_samples` is the
share of the samples that lie so near to one of them.

Cost: minutes on two cores.
Results: docs/results.md#gaussians.
"""

from deconv.configs import base


def get_config(variant=''):
  """Returns the config."""
  return base.finish(of_points('gaussian_grid'), variant, smoke={'model.hidden': 8})


def of_points(source):
  """Returns the config of a perceptron GAN on a source of points."""
  config = base.get_config(model='mlp_gan')
  config.data.source = source
  config.data.image_size = 1
  config.data.channels = 2
  config.model.latent_size = 2
  config.model.hidden = 128
  config.model.depth = 3
  config.model.leak = 0.0  # rectifiers
  config.model.output = 'linear'
  # The weight is small, because the discriminator needs slopes of about 1 / 0.05 to see the Gaussians.
  config.objective.penalty = 'r1'
  config.objective.r1_weight = 0.3
  config.optimizer.learning_rate = 3e-3
  config.optimizer.beta1 = 0.0
  config.optimizer.beta2 = 0.99
  config.optimizer.schedule = 'cosine'
  config.train.batch_size = 256
  config.train.steps = 15_000
  config.train.steps_per_call = 250
  config.train.ema_decay = 0.999
  config.eval.batch_size = 2500
  config.eval.num_samples = 2500  # as VEEGAN and PacGAN
  config.eval.evaluators = ('modes',)
  config.samples.every = 1000
  config.samples.num = 2500
  config.checkpoint.every = 5000
  config.log.every = 250
  return config
