"""SegNet (Badrinarayanan et al. 2017) on scenes of textured shapes: see unet_scenes, but for the network.

  python -m experiments.main --config=configs/segnet_scenes.py --workdir=runs/segnet_scenes

The encoder is U-Net's; the decoder unpools by the switches of its poolings.

Cost: 2 min 20 s from the first written file to the end on one core of an AMD EPYC (Zen 3) virtual machine, the other
  one in use by others (65 images/s).
Measured after the 1,000 steps (seed 0, 500 test scenes, averaged parameters): mIoU 0.543, boundary IoU 0.333, accuracy
  of pixels 0.879.
"""
from configs import base, unet_scenes


def get_config(variant=''):
  """Returns the config."""
  config = unet_scenes.get_config()
  base.set_model(config, 'segnet')
  config.model.convs = unet_scenes.CONVS
  return base.finish(config, variant, unet_scenes.VARIANTS, smoke=unet_scenes.SMOKE)
