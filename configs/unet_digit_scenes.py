"""U-Net on real handwritten digits pasted on real photographs; both come with scikit-learn, nothing to download.

  python -m experiments.main --config=configs/unet_digit_scenes.py --workdir=runs/unet_digit_scenes

Eleven classes: the photograph and the ten digits. Otherwise as unet_scenes, but turned by up to 10 degrees and not
mirrored.

Cost: 0.204 s a step on one core of an AMD EPYC (Zen 3) virtual machine, the other one in use by others.
Measured after the 1,000 steps (seed 0, 500 test scenes, averaged parameters): mIoU 0.076, boundary IoU 0.048, accuracy
  of pixels 0.833: all is named photo yet. FCN-8s with the same encoder has 0.384 by then (FCN-16s 0.336, FCN-32s 0.198;
  SegNet and DeconvNet 0.076). Longer was not run.
"""
from configs import base, unet_scenes

VARIANTS = {'long': {'train.steps': 6000, 'eval.every': 2000}}


def get_config(variant=''):
  """Returns the config."""
  config = unet_scenes.get_config()
  config.data.source = 'digit_scenes'
  config.data.class_names = ('photo', *'0123456789')
  config.augment.flip = False
  config.augment.rotate_degrees = 10.
  config.train.steps = 2000
  return base.finish(config, variant, VARIANTS, smoke=unet_scenes.SMOKE)
