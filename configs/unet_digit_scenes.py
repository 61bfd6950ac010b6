"""U-Net on real handwritten digits pasted on real photographs; both come with scikit-learn, nothing to download.

  python -m experiments.main --config=configs/unet_digit_scenes.py --workdir=runs/unet_digit_scenes

Eleven classes: the photograph and the ten digits. Otherwise as unet_scenes, but not turned or mirrored: a 6 would be
a 9.

Cost: not measured.
Not run to the end.
"""
from configs import base, unet_scenes


def get_config(variant=''):
  """Returns the config."""
  config = unet_scenes.get_config()
  config.data.source = 'digit_scenes'
  config.data.class_names = ('photo', *'0123456789')
  config.augment.flip = False
  config.augment.rotate_degrees = 10.
  return base.finish(config, variant, unet_scenes.VARIANTS, smoke=unet_scenes.SMOKE)
