"""A convolutional classifier on MNIST, from the four idx files (plain or .gz) in a folder: five epochs.

  python -m experiments.main --config=configs/cnn_mnist.py --workdir=runs/cnn_mnist --config.data.path=DIR

Cost: minutes on two cores.
Results: docs/results.md#classification.
"""

from deconv.configs import base


def get_config(variant=''):
  """Returns the config."""
  config = base.get_config(model='cnn', task='classification')
  config.data.source = 'mnist'
  config.data.image_size = 28
  config.model.widths = (24, 48)
  config.model.hidden = (128,)
  config.model.dropout = 0.3
  config.augment.shift = 2
  config.optimizer.learning_rate = 2e-3
  config.optimizer.beta1 = 0.9
  config.optimizer.schedule = 'cosine'
  config.train.batch_size = 100
  config.train.epochs = 5.0
  config.train.ema_decay = 0.995
  config.eval.every = 600  # an epoch
  config.samples.every = 600
  config.checkpoint.every = 600
  smoke = {'data.source': 'digits', 'data.path': '', 'model.widths': (8, 8), 'model.hidden': (8,)}
  return base.finish(config, variant, smoke=smoke)
