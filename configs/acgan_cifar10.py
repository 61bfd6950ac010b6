"""A GAN with an auxiliary classifier (Odena et al. 2017) on CIFAR-10: the supervised WGAN-GP of Gulrajani et al. 2017.

  python -m scripts.prepare_tfds cifar10
  python -m experiments.main --config=configs/acgan_cifar10.py --workdir=runs/acgan_cifar10

Residual networks of 128 channels, batch norm by class in the generator, none in the critic, which also has to name the
class: with weight 1 in its own loss and 0.1 in the generator's. Gradient penalty 10, five updates of the critic a step,
Adam 2e-4 with beta1 0 and beta2 0.9, the learning rate falling to zero over 100,000 steps of 5 x 64 images.

Published: inception score 8.42 +- 0.10 (Gulrajani et al. 2017, table 3; AC-GAN itself has 8.25 +- 0.07 there).

Cost: an accelerator.
Not run: CIFAR-10 was not at hand; the networks are tested layer by layer.
"""

from deconv.configs import base


def get_config(variant=''):
  """Returns the config."""
  config = base.get_config(model='resnet_gan')
  config.data.source = 'tfds'
  config.data.name = 'cifar10'
  config.data.channels = 3
  config.model.gen_width = 128
  config.model.disc_spectral_norm = False
  config.model.num_classes = 10
  config.model.gen_label = 'norm'
  config.model.disc_label = 'auxiliary'
  config.objective.name = 'wasserstein'
  config.objective.penalty = 'wgan_gp'
  config.objective.disc_updates = 5
  config.objective.auxiliary_gen_weight = 0.1
  config.optimizer.beta1 = 0.0
  config.optimizer.beta2 = 0.9
  config.optimizer.schedule = 'linear'
  config.train.batch_size = 64
  config.train.steps = 100_000
  config.checkpoint.every = 1000
  config.samples.every = 1000
  return base.finish(
    config,
    variant,
    smoke={
      'data.source': 'digits',
      'data.name': '',
      'objective.disc_updates': 2,
      'model.gen_width': 4,
      'model.disc_width': 4,
    },
  )
