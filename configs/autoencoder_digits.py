"""A convolutional autoencoder of scikit-learn's handwritten digits: 32x32 pixels in 64 numbers; no download.

  python -m experiments.main --config=configs/autoencoder_digits.py --workdir=runs/autoencoder_digits

Three strided convolutions reduce a digit to 4x4 pixels with four channels, and three deconvolutions restore it. The
loss is the mean squared error. 1,500 digits train the network, 297 test it. `:denoise` also removes Gaussian noise of
sigma 50, and is measured beside the noisy input.

Cost: minutes on two cores, estimated.
Not run to the end.
"""

from deconv.configs import base


def get_config(variant=''):
  """Returns the config."""
  config = base.get_config(model='autoencoder', task='restoration')
  config.data.source = 'digits'
  config.data.image_size = 32
  config.objective.colour = 'grey'
  config.model.width = 16
  config.model.code = 4
  config.optimizer.learning_rate = 1e-3
  config.optimizer.beta1 = 0.9
  config.optimizer.schedule = 'cosine'
  config.train.batch_size = 50
  config.train.epochs = 60.0
  config.train.ema_decay = 0.99
  config.eval.every = 600
  config.samples.every = 150
  return base.finish(
    config,
    variant,
    variants={'denoise': {'degrade.noise_sigma': 50.0}},
    smoke={'model.width': 8, 'data.image_size': 16, 'model.depth': 2},
  )
