"""The multilayer-perceptron GAN on MNIST, from the four idx files (plain or .gz) in a folder: no convolution at all.

  python -m experiments.main --config=configs/gan_mnist.py --workdir=runs/gan_mnist --config.data.path=DIR

The generator has 131 thousand parameters, the discriminator 117 thousand; 50 epochs are 23,400 steps. The digits can be
read but are speckled: no convolution ties a pixel to its neighbours.

Cost: minutes on two cores.
Results: docs/results.md#generative-adversarial-networks.
"""

from deconv.configs import base


def get_config(variant=''):
  """Returns the config."""
  config = base.get_config(model='mlp_gan')
  config.data.source = 'mnist'
  config.data.image_size = 28
  config.train.batch_size = 128
  config.train.epochs = 50.0
  config.train.ema_decay = 0.999
  config.samples.every = 468  # an epoch
  config.checkpoint.every = 2340
  return base.finish(config, variant, smoke={'data.source': 'digits', 'data.path': ''})
