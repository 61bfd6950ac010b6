"""The 28x28 transposed-convolution GAN on MNIST, from the four idx files (plain or .gz) in a folder.

  python -m experiments.main --config=configs/dcgan_mnist.py --workdir=runs/dcgan_mnist --config.data.path=DIR

Cost: 1.03 and 0.21 million parameters, 2,340 steps of 128 images; about 160 images a second on two cores of an AMD EPYC
(Zen 3) virtual machine when nothing else ran, so some half an hour.
Measured after one epoch of the five (`--config.train.epochs=1`, 468 steps, seed 0; 1,000 samples of the averaged
generator, running statistics, against 8,000 images of split train): all ten classes covered, entropy 2.13 nats of at
most 2.30, by a classifier that is right on 96.3 % of 2,000 held-out images; mean distance to the nearest image 0.236
(held-out images: 0.170), and 1 % lie closer to their neighbour than it to its own (held-out images: 37 %). Most samples
can be read as digits, some are broken strokes. The five epochs were not run.
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
