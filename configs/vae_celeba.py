"""A convolutional VAE on CelebA at 64x64x3, likelihood a mixture of discretised logistics: nats and bits per dimension.

  python -m experiments.main --config=configs/vae_celeba.py --workdir=runs/vae_celeba --config.data.path=DIR

DIR holds img_align_celeba.zip, its unpacked folder, or a prepared tfds copy; train and test are the official splits.
`:mlp` is the perceptron 64x64x3-400-32 instead. `:gaussian` has one learned standard deviation per channel (Dai & Wipf
2019) instead of the mixture.

Cost: an accelerator.
Not run: no copy of CelebA was at hand.
"""

from deconv.configs import base


def get_config(variant=''):
  """Returns the config."""
  config = base.get_config(model='vae_conv', task='vae')
  config.data.source = 'celeba'
  config.data.image_size = 64
  config.data.channels = 3
  config.data.crop = 140  # of 178x218: the face with its hair
  config.data.workers = 16
  config.model.latent_size = 64
  config.model.width = 64
  config.objective.likelihood = 'logistic_mixture'
  config.objective.binarization = 'grey'
  config.optimizer.learning_rate = 5e-4
  config.optimizer.beta1 = 0.9
  config.train.batch_size = 128
  config.train.epochs = 30.0
  config.train.ema_decay = 0.999
  config.eval.every = 6000
  config.eval.batch_size = 128
  config.samples.every = 1000
  config.checkpoint.every = 1000
  if 'mlp' in variant.split(','):
    base.set_model(config, 'vae_mlp')
    config.model.hidden = 400
    config.model.latent_size = 32
  return base.finish(
    config,
    variant,
    variants={'mlp': {}, 'gaussian': {'objective.likelihood': 'gaussian_learned'}},
    smoke={
      'data.source': 'digits',
      'data.path': '',
      'data.crop': 0,
      'model.hidden': 16,
      **({} if 'mlp' in variant else {'model.width': 8}),
    },
  )
