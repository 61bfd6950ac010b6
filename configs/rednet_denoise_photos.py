"""RED-Net (Mao et al. 2016) removes Gaussian noise of sigma 25 from the photographs of scikit-learn and scikit-image.

  python -m experiments.main --config=configs/rednet_denoise_photos.py --workdir=runs/rednet_denoise_photos

RED10 with 32 channels on grey patches 48x48 of fourteen photographs, measured on six others beside the noisy input.
`:paper` is RED30 with 64 channels, patches 50x50 and a learning rate of 1e-4. `:fast` halves the size inside (section
4.4). `:blind` draws the sigma of each image from 5 to 50. `--config.eval.flips --config.eval.quarter_turns` averages
eight turns.

Other degradations, 500 steps: `:jpeg` (quality 10 to 40), `:photons` (30 at white), `:salt_pepper` (a tenth of the
pixels), `:deblur` (a blur of 1.6 pixels, noise of 2 levels). With the absolute error `:salt_pepper` would leave its
input as it is, because most pixels are right.

Cost: minutes on two cores; `:paper` an accelerator.
Results: docs/results.md#restoration. `:paper`, `:fast` and `:blind` were not run.
"""

from deconv.configs import base

_SHORT = {'train.steps': 500}


def get_config(variant=''):
  """Returns the config."""
  config = base.get_config(model='rednet', task='restoration')
  config.data.source = 'photos'
  config.data.fit = 'patches'
  config.data.image_size = 48
  config.data.patch_stride = 24
  config.augment.turns = True
  config.degrade.noise_sigma = 25.0
  config.objective.colour = 'grey'
  config.model.depth = 10
  config.model.width = 32
  config.optimizer.learning_rate = 1e-3
  config.optimizer.beta1 = 0.9
  config.optimizer.schedule = 'cosine'
  config.train.batch_size = 16
  config.train.steps = 3000
  config.train.ema_decay = 0.99
  config.eval.every = 1000
  config.eval.batch_size = 64
  config.eval.whole_images = 6
  return base.finish(
    config,
    variant,
    variants={
      'paper': {
        'model.depth': 30,
        'model.width': 64,
        'data.image_size': 50,
        'optimizer.learning_rate': 1e-4,
        'optimizer.schedule': 'constant',
        'train.steps': 200_000,
      },
      'fast': {'model.stride': 2},
      'blind': {'degrade.noise_sigma': 5.0, 'degrade.noise_sigma_max': 50.0},
      'jpeg': {'degrade.noise_sigma': 0.0, 'degrade.jpeg_quality': 10, 'degrade.jpeg_quality_max': 40, **_SHORT},
      'photons': {'degrade.noise_sigma': 0.0, 'degrade.poisson_peak': 30.0, **_SHORT},
      'salt_pepper': {'degrade.noise_sigma': 0.0, 'degrade.salt_pepper': 0.1, **_SHORT},
      'deblur': {'degrade.noise_sigma': 2.0, 'degrade.blur_sigma': 1.6, 'degrade.levels': 'rounded', **_SHORT},
    },
    smoke={
      'data.source': 'digits',
      'data.path': '',
      'data.fit': 'crop',
      'data.patch_stride': 0,
      'data.image_size': 16,
      'model.depth': 6,
      'model.width': 8,
      'eval.whole_images': 1,
    },
  )
