"""SNGAN: the residual networks with spectral norm of Miyato et al. 2018 on CIFAR-10, from a prepared tfds copy.

  python -m scripts.prepare_tfds cifar10
  python -m experiments.main --config=configs/sngan_cifar10.py --workdir=runs/sngan_cifar10

Hinge loss, five updates of the discriminator a step, Adam 2e-4 with beta1 0 and beta2 0.9, the learning rate falling to
zero over 50,000 steps of 5 x 64 images. The authors' generator is updated on 128 latents, ours on 64. The generator has
4.28 million parameters, the discriminator 1.05 million. `:sndcgan` trains the convolutional networks of table 3.

Published: FID 21.7 (residual, 5,000 samples), 29.3 (convolutional).

Cost: an accelerator.
Not run: CIFAR-10 was not at hand; the networks are tested layer by layer.
"""

from deconv.configs import base


def get_config(variant=''):
  """Returns the config."""
  model = 'sndcgan' if 'sndcgan' in variant.split(',') else 'resnet_gan'
  config = base.get_config(model=model)
  config.data.source = 'tfds'
  config.data.name = 'cifar10'
  config.data.channels = 3
  config.objective.name = 'hinge'
  config.objective.disc_updates = 5
  config.optimizer.beta1 = 0.0
  config.optimizer.beta2 = 0.9
  config.optimizer.schedule = 'linear'
  config.train.batch_size = 64
  config.train.steps = 50_000
  config.checkpoint.every = 1000
  config.samples.every = 1000
  small = {'model.gen_width': 4, 'model.disc_width': 4} if model == 'resnet_gan' else {'model.width': 4}
  return base.finish(
    config,
    variant,
    variants={'sndcgan': {}},
    smoke={'data.source': 'digits', 'data.name': '', 'objective.disc_updates': 2, **small},
  )
