"""A convolutional VAE with a deconvolution decoder on MNIST: 28x28, binarised dynamically, for a low likelihood.

  python -m experiments.main --config=configs/conv_vae_mnist.py --workdir=runs/conv_vae_mnist --config.data.path=DIR
  python -m experiments.evaluate --workdir=runs/conv_vae_mnist --config.eval.importance_samples=500

DIR holds the four idx files (plain or .gz). 60,000 images train the network, 10,000 test it. Parameters are averaged,
and the learning rate falls to zero along a cosine. The network works at 28x28 without padding: see `halvings` in
deconv/models/vae.py. `--config.model.upsample=resize_nearest` selects another operator to double the resolution.

Cost: an hour on two cores; importance sampling takes half as long again.
Results: docs/results.md#autoencoders.
"""

from deconv.configs import base


def get_config(variant=''):
  """Returns the config."""
  config = base.get_config(model='vae_conv', task='vae')
  config.data.source = 'mnist'
  config.data.image_size = 28
  config.model.latent_size = 32
  config.model.width = 32
  config.model.hidden = 512
  config.model.activation = 'silu'
  config.optimizer.learning_rate = 1e-3
  config.optimizer.beta1 = 0.9
  config.optimizer.schedule = 'cosine'
  config.train.batch_size = 100
  config.train.epochs = 50.0
  config.train.ema_decay = 0.999
  config.eval.every = 3000  # five epochs
  config.eval.batch_size = 100
  config.samples.every = 3000
  config.checkpoint.every = 600  # an epoch
  return base.finish(
    config,
    variant,
    smoke={
      'data.source': 'digits',
      'data.path': '',
      'model.width': 8,
      'model.hidden': 16,
      'optimizer.schedule': 'constant',
      'eval.importance_samples': 4,
    },
  )
