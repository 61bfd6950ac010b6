"""U-Net on real handwritten digits pasted on real photographs; both come with scikit-learn, nothing to download.

  python -m experiments.main --config=configs/unet_digit_scenes.py --workdir=runs/unet_digit_scenes

Eleven classes: the photograph and the ten digits. Otherwise as unet_scenes, but turned by up to 10 degrees, not
mirrored, and for 2,000 steps. `:long` is three times as long.

Cost: 0.204 s a step on one core of an AMD EPYC (Zen 3) virtual machine, the other one in use by others: 7 min.
Measured after the 2,000 steps (500 test scenes, averaged parameters; seeds 0, 1, 2): mIoU 0.704, 0.678 and 0.684,
  boundary IoU 0.592, 0.571 and 0.573. Without deep supervision (1,000 steps, learning rate 0.002) mIoU 0.076, all named
  photo. `:long` was not run. Other decoders: configs/sweeps/segmentation_decoders.py.
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
