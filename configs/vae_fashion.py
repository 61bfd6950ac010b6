"""A convolutional VAE on Fashion-MNIST, read from a prepared tensorflow-datasets copy without TensorFlow.

  python -m scripts.prepare_tfds fashion_mnist
  python -m experiments.main --config=configs/vae_fashion.py --workdir=runs/vae_fashion

28x28 grey levels under a discretised mixture of logistics: nats per image, and bits per dimension.

Cost: an hour on two cores, estimated.
Not run: Fashion-MNIST was not at hand.
"""

from deconv.configs import base


def get_config(variant=''):
  """Returns the config."""
  config = base.get_config(model='vae_conv', task='vae')
  config.data.source = 'tfds'
  config.data.name = 'fashion_mnist'
  config.data.image_size = 28
  config.objective.likelihood = 'logistic_mixture'
  config.objective.binarization = 'grey'
  config.optimizer.learning_rate = 1e-3
  config.optimizer.beta1 = 0.9
  config.train.batch_size = 128
  config.train.epochs = 30.0
  config.train.ema_decay = 0.999
  config.eval.every = 2340  # five epochs
  config.samples.every = 468
  config.checkpoint.every = 468
  return base.finish(
    config, variant, smoke={'data.source': 'digits', 'data.name': '', 'model.width': 8, 'model.hidden': 16}
  )
