"""The multilayer-perceptron GAN on MNIST, from the four idx files (plain or .gz) in a folder: no convolution at all.

  python -m experiments.main --config=configs/gan_mnist.py --workdir=runs/gan_mnist --config.data.path=DIR

Cost: 131 and 117 thousand parameters, 23,400 steps; on two busy CPU cores up to 8,700 images a second, so minutes.
Measured (one run, seed 0; 1,000 samples of the averaged generator against 8,000 images of split train): all ten classes
covered, entropy 2.27 nats of at most 2.30, by a classifier that is right on 96.3 % of 2,000 held-out images; mean
distance to the nearest image 0.183 (held-out images: 0.170), and 16 % lie closer to their neighbour than it to its own
(held-out images: 37 %). The digits can be read but are speckled: no convolution ties a pixel to its neighbours.
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
