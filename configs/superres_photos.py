"""Twice the resolution, on the photographs inside scikit-learn and scikit-image: the embedded default, no download.

  python -m experiments.main --config=configs/superres_photos.py --workdir=runs/superres_photos
  python -m experiments.sample --workdir=runs/superres_photos --image=FILE --out=FILE.png

FSRCNN(56, 12, 4) on grey patches 48x48 of fourteen photographs, measured on six others, patch by patch ('psnr') and
whole ('whole_psnr'), beside bicubic interpolation. Not the paper's: the network adds to the bicubic enlargement
(`--config.model.residual=none`: learns it), and Adam. Red, green and blue of a coloured picture are enlarged apart.
`:subpixel` and `:resize` enlarge by a 5x5 sub-pixel convolution and by nearest-neighbour resizing with a 9x9
convolution instead of the 9x9 deconvolution.

Cost: 4 min 10 s from the command to the end, two evaluations of 2,103 patches included, on one core of an AMD EPYC
  (Zen 3) virtual machine, the other one in use by others (330 images/s).
Measured after the 2,000 steps on the six whole test photographs (mean of their PSNR, levels rounded and clipped, 2
  pixels shaved; averaged parameters; mean and standard deviation of seeds 0, 1, 2): deconvolution 32.50 +- 0.19 dB,
  `:subpixel` 32.38 +- 0.24, `:resize` 31.93 +- 0.24, bicubic 31.22; SSIM 0.920, 0.918, 0.910 and 0.899. Seed by seed:
  32.38, 32.72, 32.41; 32.14, 32.61, 32.39; 31.74, 31.87, 32.19. Patch by patch, seed 0: 36.23, 35.74, 35.11, bicubic
  35.21.
Other losses, one run each (seed 0, one core of an AVX-512 AMD EPYC that others were using), PSNR and SSIM on the six
  whole photographs; the squared error has 32.38 dB there, see above. `:charbonnier` 32.64 dB and 0.923, `:ssim` (SSIM
  and L1, weights of Zhao et al. 2017) 32.33 dB and 0.921. `:area` averages instead of the antialiased bicubic: 32.01
  dB, bicubic enlargement 31.37.
"""

from deconv.configs import base


def get_config(variant=''):
  """Returns the config."""
  config = base.get_config(model='fsrcnn', task='restoration')
  config.data.source = 'photos'
  config.data.fit = 'patches'
  config.data.image_size = 48
  config.data.patch_stride = 24
  config.augment.turns = True
  config.degrade.scale = 2
  config.objective.colour = 'grey'
  config.model.residual = 'bicubic'
  config.optimizer.learning_rate = 2e-3
  config.optimizer.beta1 = 0.9
  config.optimizer.schedule = 'cosine'
  config.train.batch_size = 32
  config.train.steps = 2000
  config.train.ema_decay = 0.99
  config.eval.every = 1000
  config.eval.batch_size = 64
  config.eval.whole_images = 6
  config.samples.every = 250
  return base.finish(
    config,
    variant,
    variants={
      'subpixel': {'model.upsample': 'subpixel', 'model.kernel_size': 5},
      'resize': {'model.upsample': 'resize_nearest'},
      'area': {'degrade.down': 'area'},
      'ssim': {'objective.l2': 0.0, 'objective.l1': 0.16, 'objective.ssim': 0.84},
      'charbonnier': {'objective.l2': 0.0, 'objective.charbonnier': 1.0, 'objective.charbonnier_eps': 1e-2},
    },
    smoke={'data.patch_stride': 0, 'data.image_size': 96, 'model.width': 8, 'model.depth': 1, 'eval.whole_images': 1},
  )
