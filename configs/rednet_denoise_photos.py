"""RED-Net (Mao et al. 2016) takes Gaussian noise of sigma 25 off the photographs inside scikit-learn and scikit-image.

  python -m experiments.main --config=configs/rednet_denoise_photos.py --workdir=runs/rednet_denoise_photos

RED10 with 32 channels on grey patches 48x48 of fourteen photographs, measured on six others beside the noisy input.
`:paper` is RED30 with 64 channels, patches 50x50 and a learning rate of 1e-4. `:fast` halves the size inside (section
4.4). `:blind` draws the sigma of each image from 5 to 50.

Cost: 18 min 24 s for the last 2,500 steps and the evaluations, on one core of an AMD EPYC (Zen 3) virtual machine, the
  other one in use by others (40 images/s).
Measured after the 3,000 steps on the six whole test photographs (seed 0; mean of their PSNR, levels rounded and
  clipped; averaged parameters): 29.86 dB, noisy input 20.42, median filter 3x3 26.14, scikit-image's non-local means as
  it comes 28.21, the same told the noise (h = 0.8 sigma) 29.41; SSIM 0.824, 0.315, 0.573, 0.790, 0.806. (29.52 after
  1,000 steps, 29.80 after 2,000.) Averaged over eight turns (`--config.eval.flips --config.eval.quarter_turns`) 30.08.
Other degradations, 500 steps, one run each (seed 0, one core of an AVX-512 AMD EPYC, 4 to 5 min), PSNR of the six whole
  photographs before and after: `:jpeg` (quality 10 to 40) 31.25 and 32.03 dB; `:photons` (30 at white) 18.59 and 27.86;
  `:salt_pepper` (a tenth of the pixels) 15.18 and 31.20, median filter 30.98; `:deblur` (a blur of 1.6 pixels, noise of
  2 levels) 27.42 and 30.40. With the absolute error `:salt_pepper` leaves its input as it is: most pixels are right.
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
