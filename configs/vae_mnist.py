"""The MLP VAE on MNIST, from the four idx files (plain or .gz) in a folder: 784-500-20, binarised dynamically.

  python -m experiments.main --config=configs/vae_mnist.py --workdir=runs/vae_mnist --config.data.path=DIR
  python -m experiments.evaluate --workdir=runs/vae_mnist --config.eval.importance_samples=5000

The network of Kingma & Welling 2014 with ReLU and Adam instead of tanh and Adagrad. 60,000 images train it, 10,000 test
it. `:grey` is the usual example of other libraries: 784-400-20, Adam 1e-3, batches of 128, 10 epochs, and the
cross-entropy of grey targets, which is not a likelihood. `:plane` has two latents and draws their plane.

Cost: minutes on two cores.
Results: docs/results.md#autoencoders.
"""

from deconv.configs import base


def get_config(variant=''):
  """Returns the config."""
  config = base.get_config(model='vae_mlp', task='vae')
  config.data.source = 'mnist'
  config.data.image_size = 28
  config.optimizer.learning_rate = 1e-3
  config.optimizer.beta1 = 0.9
  config.train.batch_size = 128
  config.train.epochs = 10.0
  config.train.ema_decay = 0.999
  config.eval.every = 468  # an epoch
  config.eval.batch_size = 500
  config.samples.every = 468
  config.checkpoint.every = 2340  # five epochs
  return base.finish(
    config,
    variant,
    variants={'grey': {'model.hidden': 400, 'objective.binarization': 'grey'}, 'plane': {'model.latent_size': 2}},
    smoke={'data.source': 'digits', 'data.path': '', 'model.hidden': 16, 'eval.importance_samples': 4},
  )
