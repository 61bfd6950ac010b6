"""The multilayer-perceptron GAN on MNIST, from the four idx files (plain or .gz) in a folder: no convolution at all.

  python -m experiments.main --config=configs/gan_mnist.py --workdir=runs/gan_mnist --config.data.path=DIR

Cost: not measured on an accelerator.
Not run to the end yet.
"""
from configs import base


def get_config(variant=''):
  """Returns the config."""
  config = base.get_config(model='mlp_gan')
  config.data.source = 'mnist'
  config.data.image_size = 28
  config.train.batch_size = 128
  config.train.epochs = 50.
  config.train.ema_decay = 0.999
  config.samples.every = 468      # an epoch
  config.checkpoint.every = 2340
  return base.finish(config, variant, smoke={'data.source': 'digits', 'data.path': ''})
