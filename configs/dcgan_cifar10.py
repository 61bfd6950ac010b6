"""DCGAN at 32x32 on CIFAR-10, read from a prepared tensorflow-datasets copy without TensorFlow.

  python -m scripts.prepare_tfds cifar10
  python -m experiments.main --config=configs/dcgan_cifar10.py --workdir=runs/dcgan_cifar10

The paper's layers (5x5, 128 channels next to the image) with three transposed convolutions instead of four.

Cost: an accelerator.
Not run: CIFAR-10 was not at hand.
"""

from deconv.configs import base


def get_config(variant=''):
  """Returns the config."""
  config = base.get_config(model='dcgan')
  config.data.source = 'tfds'
  config.data.name = 'cifar10'
  config.data.image_size = 32
  config.data.channels = 3
  config.train.batch_size = 128
  config.train.steps = 50_000
  config.train.ema_decay = 0.999
  config.checkpoint.every = 1000
  config.samples.every = 1000
  return base.finish(config, variant, smoke={'data.source': 'digits', 'data.name': '', 'model.width': 8})
