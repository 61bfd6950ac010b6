"""The 28x28 transposed-convolution GAN on MNIST, from the four idx files (plain or .gz) in a folder.

  python -m experiments.main --config=configs/dcgan_mnist.py --workdir=runs/dcgan_mnist --config.data.path=DIR

The generator has 1.03 million parameters, the discriminator 0.21 million.

Cost: an hour on two cores.
Results: docs/results.md#generative-adversarial-networks. The five epochs were not run to the end.
"""

from deconv.configs import base


def get_config(variant=''):
  """Returns the config."""
  config = base.get_config(model='gan28')
  config.data.source = 'mnist'
  config.data.image_size = 28
  config.train.batch_size = 128
  config.train.epochs = 5.0
  config.train.ema_decay = 0.999
  config.samples.every = 234  # half an epoch
  config.checkpoint.every = 468  # an epoch
  return base.finish(config, variant, smoke={'data.source': 'digits', 'data.path': '', 'model.width': 8})
