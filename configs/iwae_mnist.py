"""The importance-weighted autoencoder with 50 samples on MNIST, binarised dynamically (Burda et al. 2016).

  python -m experiments.main --config=configs/iwae_mnist.py --workdir=runs/iwae_mnist --config.data.path=DIR
  python -m experiments.evaluate --workdir=runs/iwae_mnist --config.eval.importance_samples=5000

The one-layer network of the paper: 784-200-200-50, tanh, batches of 20. The paper trains 3,280 epochs with a learning
rate that falls from 0.001 to 0.0001 and reports 84.78 nats with 50 samples and 86.76 as a VAE (5,000 samples per
image). This config trains 10 epochs at 0.001, with Adam and eps 1e-4 as there. `:vae` is the same with one sample, that
is the ELBO. The bound that IWAE trains is not the ELBO.

DIR holds the four idx files (plain or .gz).

Cost: minutes on two cores.
Results: docs/results.md#autoencoders.
"""

from deconv.configs import base


def get_config(variant=''):
  """Returns the config."""
  config = base.get_config(model='vae_mlp', task='vae')
  config.data.source = 'mnist'
  config.data.image_size = 28
  config.model.latent_size = 50
  config.model.hidden = 200
  config.model.depth = 2
  config.model.activation = 'tanh'
  config.objective.name = 'iwae'
  config.objective.samples = 50
  config.optimizer.learning_rate = 1e-3
  config.optimizer.beta1 = 0.9
  config.optimizer.eps = 1e-4
  config.train.batch_size = 20
  config.train.epochs = 10.0
  config.eval.every = 3000  # an epoch
  config.eval.batch_size = 100
  config.samples.every = 3000
  config.checkpoint.every = 3000
  return base.finish(
    config,
    variant,
    variants={'vae': {'objective.name': 'elbo', 'objective.samples': 1}},
    smoke={
      'data.source': 'digits',
      'data.path': '',
      'model.hidden': 16,
      'objective.samples': 5,
      'eval.importance_samples': 4,
    },
  )
