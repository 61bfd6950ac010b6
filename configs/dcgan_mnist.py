"""The 28x28 transposed-convolution GAN on MNIST, from the four idx files (plain or .gz) in a folder.

  python -m experiments.main --config=configs/dcgan_mnist.py --workdir=runs/dcgan_mnist --config.data.path=DIR

Cost: 1.03 and 0.21 million parameters, 2,340 steps of 128 images; not timed on a quiet machine.
Not run to the end yet.
"""
from configs import base


def get_config(variant=''):
  """Returns the config."""
  config = base.get_config(model='gan28')
  config.data.source = 'mnist'
  config.data.image_size = 28
  config.train.batch_size = 128
  config.train.epochs = 5.
  config.train.ema_decay = 0.999
  config.samples.every = 234      # half an epoch
  config.checkpoint.every = 468   # an epoch
  return base.finish(config, variant, smoke={'data.source': 'digits', 'data.path': '', 'model.width': 8})
