"""FSRCNN(56, 12, 4) (Dong et al. 2016), 2 times the resolution, on the luminance.

  python -m experiments.main --config=configs/fsrcnn_x2.py --workdir=runs/fsrcnn_x2

The paper's network and loss (mean squared error; the deconvolution learns at a tenth of the rate of the convolutions).
Adam stands in place of SGD, and patches have 48x48 pixels. The training data are the coloured photographs inside
scikit-learn and scikit-image; the paper's are the 91 images and General-100: `--config.data.source=folder
--config.data.path=DIR`, with subfolders train and test. Published: 37.00 dB on Set5, bicubic 33.66.

Cost: hours on two cores, estimated.
Not run to the end.
"""

from deconv.configs import base


def get_config(variant='', scale=2):
  """Returns the config; `scale` times the resolution."""
  config = base.get_config(model='fsrcnn', task='restoration')
  config.data.source = 'photos'
  config.data.fit = 'patches'
  config.data.image_size = 48
  config.data.patch_stride = 24
  config.data.channels = 3
  config.augment.turns = True
  config.degrade.scale = scale
  config.objective.colour = 'y'
  config.objective.shave = scale
  config.objective.last_learning_rate_scale = 0.1
  config.optimizer.learning_rate = 1e-3
  config.optimizer.beta1 = 0.9
  config.train.batch_size = 64
  config.train.steps = 50_000
  config.train.ema_decay = 0.999
  config.eval.every = 5000
  config.eval.batch_size = 64
  config.eval.whole_images = 3
  return base.finish(
    config,
    variant,
    smoke={
      'data.source': 'digits',
      'data.path': '',
      'data.fit': 'crop',
      'data.patch_stride': 0,
      'model.width': 8,
      'model.depth': 1,
      'eval.whole_images': 0,
    },
  )
