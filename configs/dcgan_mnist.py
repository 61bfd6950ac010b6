"""DCGAN on MNIST, 28x28, from the four idx files (plain or .gz) in a folder.

  python -m experiments.main --config=configs/dcgan_mnist.py --workdir=runs/dcgan_mnist --config.data.path=DIR
  python -m experiments.sample --workdir=runs/dcgan_mnist --num=64 --enlarge=2 --out=docs/images/dcgan_mnist.png

The networks of the DCGAN authors' MNIST code without its labels, with windows of 4x4, a gain and a bias in batch norm,
and the rates of InfoGAN: the generator learns five times as fast as the discriminator, and both rates fall to zero.
`:hinge` plays by the hinge loss with spectral norm in the discriminator in place of batch norm (Miyato et al. 2018),
both at one rate. `:gan28` trains the networks that tutorials of Keras and TensorFlow use; their generator has no batch
norm. `:gan28` was not run to its end.

Cost: an hour on two cores.
Results: docs/results.md#generative-adversarial-networks.
"""

from deconv.configs import base


def get_config(variant=''):
  """Returns the config."""
  model = 'gan28' if 'gan28' in variant.split(',') else 'dcgan28'
  config = base.get_config(model=model)
  config.data.source = 'mnist'
  config.data.image_size = 28
  if model == 'dcgan28':
    config.model.kernel_size = 4  # divides evenly by the stride: no checkerboard from the window
    config.model.norm_affine = True
    config.model.leak = 0.1
  config.optimizer.learning_rate = 1e-3
  config.optimizer.schedule = 'linear'
  config.objective.disc_learning_rate_scale = 0.2
  config.train.batch_size = 128
  config.train.epochs = 8.0
  config.train.ema_decay = 0.999
  config.samples.every_epochs = 0.5
  config.checkpoint.every = 468  # an epoch
  config.eval.every = 936
  return base.finish(
    config,
    variant,
    variants={
      'gan28': {
        'optimizer.learning_rate': 4e-4,
        'objective.disc_learning_rate_scale': 0.5,
        'train.batch_size': 64,
        'checkpoint.every': 500,
      },
      'hinge': {
        'objective.name': 'hinge',
        'model.disc_norm': 'none',
        'model.disc_spectral_norm': True,
        'optimizer.learning_rate': 4e-4,
        'objective.disc_learning_rate_scale': 1.0,
      },
    },
    smoke={'data.source': 'digits', 'data.path': '', 'model.width': 4},
  )
