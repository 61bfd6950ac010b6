"""A convolutional classifier on CIFAR-10, through tensorflow-datasets.

  python -m scripts.prepare_tfds cifar10
  python -m experiments.main --config=configs/cnn_cifar10.py --workdir=runs/cnn_cifar10

Cost: hours on two cores, estimated.
Not run.
"""

from deconv.configs import base


def get_config(variant=''):
  """Returns the config."""
  config = base.get_config(model='cnn', task='classification')
  config.data.source = 'tfds'
  config.data.name = 'cifar10'
  config.data.channels = 3
  config.model.widths = (64, 128, 256)
  config.model.hidden = ()
  config.model.global_pool = True
  config.augment.flip = True
  config.augment.shift = 4
  config.objective.label_smoothing = 0.1
  config.optimizer.name = 'adamw'
  config.optimizer.learning_rate = 2e-3
  config.optimizer.beta1 = 0.9
  config.optimizer.weight_decay = 0.05
  config.optimizer.schedule = 'cosine'
  config.optimizer.warmup_steps = 400
  config.train.batch_size = 128
  config.train.epochs = 30.0
  config.train.ema_decay = 0.999
  config.eval.every = 390 * 5  # five epochs
  config.samples.every = 390 * 5
  config.checkpoint.every = 390 * 5
  smoke = {'data.source': 'digits', 'data.name': '', 'model.widths': (8, 8, 8), 'optimizer.warmup_steps': 1}
  return base.finish(config, variant, smoke=smoke)
