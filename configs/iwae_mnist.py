"""The importance-weighted autoencoder with 50 samples on MNIST, binarised dynamically (Burda et al. 2016).

  python -m experiments.main --config=configs/iwae_mnist.py --workdir=runs/iwae_mnist --config.data.path=DIR
  python -m experiments.evaluate --workdir=runs/iwae_mnist --config.eval.importance_samples=5000

The one-layer network of the paper: 784-200-200-50, tanh, batches of 20. The paper trains 3,280 epochs with a learning
rate that falls from 0.001 to 0.0001 and reports 84.78 nats with 50 samples and 86.76 as a VAE (5,000 samples an
image); here 10 epochs at 0.001, Adam with eps 1e-4 as there. `:vae` is the same with one sample, that is the ELBO.

DIR holds the four idx files (plain or .gz).

Cost: some 15 processor-minutes, put together from the parts of an interrupted run, on a core of an AMD EPYC (Zen 3)
virtual machine in use by others; `:vae` less.
Measured after the 10 epochs, seed 0, 10,000 test images, dynamic binarisation, last parameters: -log p(x) 96.7 nats an
image with 50 samples and 97.9 as `:vae` (500 importance samples both). -ELBO 118.3 and 106.0: the bound that IWAE
trains is not the ELBO; -ELBO of `:vae` epoch by epoch 131.2, 119.3, 113.8, 110.9, 109.6, 108.0, 106.7, 106.6, 106.3,
106.0, of IWAE 144.2, 130.5, 124.3, 121.3, 121.8, 120.1, 120.1, 119.9, 118.4, 118.3.
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
