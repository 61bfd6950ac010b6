"""DCGAN on MNIST, from the four idx files (plain or .gz) in a folder.

  python -m experiments.main --config=configs/dcgan_mnist.py --workdir=runs/dcgan_mnist --config.data.path=DIR
  python -m experiments.sample --workdir=runs/dcgan_mnist --num=64 --enlarge=2 --out=docs/images/dcgan_mnist.png

The images are resized from 28x28 to 32x32 pixels, a size that the DCGAN makes. The learning rates fall to zero, that of
the discriminator from half of the generator's. `:gan28` trains the networks for 28x28 pixels that tutorials of Keras
and TensorFlow use; their generator has no batch norm. `:gan28` was not run to its end.

Cost: an hour on two cores.
Results: docs/results.md#generative-adversarial-networks.
"""

from deconv.configs import base


def get_config(variant=''):
  """Returns the config."""
  model = 'gan28' if 'gan28' in variant.split(',') else 'dcgan'
  config = base.get_config(model=model)
  config.data.source = 'mnist'
  config.data.image_size = 28 if model == 'gan28' else 32
  if model == 'dcgan':
    config.model.width = 32
    config.model.kernel_size = 4  # divides evenly by the stride: no checkerboard from the window
  config.optimizer.learning_rate = 4e-4
  config.optimizer.schedule = 'linear'
  config.objective.disc_learning_rate_scale = 0.5
  config.train.batch_size = 64
  config.train.epochs = 10.0
  config.train.ema_decay = 0.999
  config.samples.every_epochs = 0.5
  config.checkpoint.every = 500
  return base.finish(
    config, variant, variants={'gan28': {}}, smoke={'data.source': 'digits', 'data.path': '', 'model.width': 8}
  )
