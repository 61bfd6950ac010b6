"""A convolutional VAE on scikit-learn's 1,797 handwritten digits at 16x16: the embedded default, no download.

  python -m experiments.main --config=configs/vae_digits.py --workdir=runs/vae_digits

1,500 digits train the network, 297 test it; pixels are binarised dynamically. `:plane` has two latents and draws their
plane. `:warmup` lets the weight of the KL divergence rise over 600 steps. `:free_bits` does not count the first 0.5
nats of each latent. Both fight inactive latents, but all eight latents are active here anyway.

Cost: minutes on two cores.
Results: docs/results.md#autoencoders.
"""

from deconv.configs import base


def get_config(variant=''):
  """Returns the config."""
  config = base.get_config(model='vae_conv', task='vae')
  config.data.source = 'digits'
  config.data.image_size = 16
  config.model.latent_size = 8
  config.model.width = 16
  config.model.hidden = 128
  config.optimizer.learning_rate = 1e-3
  config.optimizer.beta1 = 0.9
  config.train.batch_size = 50
  config.train.epochs = 60.0
  config.train.ema_decay = 0.99
  config.eval.every = 600
  config.eval.importance_samples = 100
  config.samples.every = 150  # a film of twelve frames
  return base.finish(
    config,
    variant,
    variants={
      'plane': {'model.latent_size': 2},
      'warmup': {'objective.warmup_steps': 600},
      'free_bits': {'objective.free_bits': 0.5},
    },
    smoke={'model.width': 8, 'eval.importance_samples': 4},
  )
