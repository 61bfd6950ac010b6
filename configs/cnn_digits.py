"""A convolutional classifier on scikit-learn's 1,797 handwritten digits: the embedded default, no download.

  python -m experiments.main --config=configs/cnn_digits.py --workdir=runs/cnn_digits

Cost: minutes on two cores.
Results: docs/results.md#classification.
"""

from deconv.configs import base


def get_config(variant=''):
  """Returns the config."""
  config = base.get_config(model='cnn', task='classification')
  config.data.source = 'digits'
  config.data.image_size = 16
  config.model.widths = (32, 64)
  config.model.pool = 'average'
  config.model.hidden = (128,)
  config.model.dropout = 0.5
  config.augment.shift = 1
  config.augment.rotate_degrees = 10.0
  config.augment.elastic_sigma = 0.7
  config.augment.scale_min = 0.9
  config.augment.scale_max = 1.1
  config.optimizer.learning_rate = 2e-3
  config.optimizer.beta1 = 0.9
  config.optimizer.schedule = 'cosine'
  config.objective.label_smoothing = 0.1
  config.train.batch_size = 50
  config.train.epochs = 15.0
  config.train.ema_decay = 0.99
  config.samples.every = 150
  return base.finish(config, variant, smoke={'model.widths': (8, 8), 'model.hidden': (8,)})
