"""A convolutional VAE on scikit-learn's 1,797 handwritten digits at 16x16: the embedded default, no download.

  python -m experiments.main --config=configs/vae_digits.py --workdir=runs/vae_digits

1,500 digits to train, 297 to test, pixels binarised dynamically. `:plane` has two latents and draws their plane.

Cost: 71 s of processor time, start and compilation included; 108 s on two cores of an AMD EPYC (Zen 3) virtual machine
  that others were using.
Measured after 1,800 steps, seed 0, averaged parameters, 297 test images, dynamic binarisation: -ELBO 87.7 nats an
  image, -log p(x) 86.4 with 100 importance samples.
Variants, one run each (seed 0, one core of an AVX-512 AMD EPYC, 80 to 110 s): `:warmup` lets the weight of the KL
  divergence rise over 600 steps: 88.4 and 86.7 nats per image. `:free_bits` has 0.5 nats of each latent for nothing:
  88.3 and 86.6. All eight latents are active either way, so that neither has anything to mend here.
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
