"""WGAN-GP (Gulrajani et al. 2017) with residual networks at 64x64, on CelebA with the usual 108-pixel centre crop.

  python -m experiments.main --config=configs/wgan_gp_celeba.py --workdir=runs/wgan_gp_celeba --config.data.path=DIR

DIR holds img_align_celeba.zip, its unpacked folder, or a prepared tfds copy. Gradient penalty 10, layer norm in the
critic, five updates of the critic a step, Adam 1e-4 with beta1 0 and beta2 0.9, 200,000 steps of 5 x 64 images. The
generator has 12.2 million parameters, the critic 10.1 million.

Published: FID 30.3 (by Lucic et al. 2018, after a search, with their network).

Cost: an accelerator.
Not run: no copy of CelebA was at hand; the networks are tested layer by layer.
"""

from deconv.configs import base


def get_config(variant=''):
  """Returns the config."""
  config = base.get_config(model='resnet_gan')
  config.data.source = 'celeba'
  config.data.image_size = 64
  config.data.channels = 3
  config.data.crop = 108
  config.data.workers = 16
  config.model.gen_width = 64
  config.model.disc_width = 64
  config.model.disc_norm = 'layer'
  config.model.disc_spectral_norm = False
  config.objective.name = 'wasserstein'
  config.objective.penalty = 'wgan_gp'
  config.objective.disc_updates = 5
  config.optimizer.learning_rate = 1e-4
  config.optimizer.beta1 = 0.0
  config.optimizer.beta2 = 0.9
  config.train.batch_size = 64
  config.train.steps = 200_000
  config.checkpoint.every = 1000
  config.samples.every = 1000
  return base.finish(
    config,
    variant,
    smoke={
      'data.source': 'digits',
      'data.path': '',
      'data.crop': 0,
      'objective.disc_updates': 2,
      'model.gen_width': 1,
      'model.disc_width': 1,
    },
  )
