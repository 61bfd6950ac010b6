"""U-Net on real handwritten digits pasted on real photographs; both come with scikit-learn, nothing to download.

  python -m experiments.main --config=configs/unet_digit_scenes.py --workdir=runs/unet_digit_scenes

There are eleven classes: the photograph and the ten digits. The config is that of unet_scenes, but it turns images by
up to 10 degrees, does not mirror them, and trains for 2,000 steps. `:long` is three times as long. Without deep
supervision the network names no digit after 1,000 steps.

Cost: minutes on two cores.
Results: docs/results.md#segmentation. `:long` was not run.
"""

from deconv.configs import base, unet_scenes

VARIANTS = {'long': {'train.steps': 6000, 'eval.every': 2000}}


def get_config(variant=''):
  """Returns the config."""
  config = unet_scenes.get_config()
  config.data.source = 'digit_scenes'
  config.data.class_names = ('photo', *'0123456789')
  config.augment.flip = False
  config.augment.rotate_degrees = 10.0
  config.train.steps = 2000
  return base.finish(config, variant, VARIANTS, smoke=unet_scenes.SMOKE)
