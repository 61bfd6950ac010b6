"""SNDCGAN (Miyato et al. 2018, table 3) with the hinge loss on scikit-learn's 1,797 handwritten digits: no download.

  python -m experiments.main --config=configs/sndcgan_digits.py --workdir=runs/sndcgan_digits

The networks at a quarter of their width. Spectral norm keeps the discriminator smooth; DiffAugment by translation keeps
it from learning 1,500 images by heart.

Cost: minutes on two cores.
Results: docs/results.md#generative-adversarial-networks.
"""

from deconv.configs import base


def get_config(variant=''):
  """Returns the config."""
  config = base.get_config(model='sndcgan')
  config.data.source = 'digits'
  config.data.image_size = 32
  config.model.width = 16
  config.model.latent_size = 64
  config.objective.name = 'hinge'
  config.objective.diff_augment = ('translation',)
  config.optimizer.learning_rate = 5e-4
  config.optimizer.schedule = 'linear'
  config.train.batch_size = 32
  config.train.steps = 2500
  config.train.ema_decay = 0.995
  config.samples.every = 100  # a film of twenty-five frames
  return base.finish(config, variant, smoke={'model.width': 4})
