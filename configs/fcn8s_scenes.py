"""FCN-8s (Long et al. 2015) on scenes of textured shapes: see unet_scenes, but for the network.

  python -m experiments.main --config=configs/fcn8s_scenes.py --workdir=runs/fcn8s_scenes

The encoder is U-Net's. `--config.model.skips=1` is FCN-16s, `=0` FCN-32s; with four poolings instead of five these
upsample by 4, 8 and 16. `--config.model.learned=True` trains the bilinear kernels on.

Cost: 1 min 57 s from the first written file to the end on one core of an AMD EPYC (Zen 3) virtual machine, the other
  one in use by others (92 images/s).
Measured after the 1,000 steps (seed 0, 500 test scenes, averaged parameters): mIoU 0.556, boundary IoU 0.276, accuracy
  of pixels 0.848; FCN-16s 0.583, 0.284 and 0.857, FCN-32s 0.509, 0.210 and 0.811.
"""
from configs import base, unet_scenes


def get_config(variant=''):
  """Returns the config."""
  config = unet_scenes.get_config()
  base.set_model(config, 'fcn')
  config.model.convs = unet_scenes.CONVS
  config.objective.deep_supervision = 0.  # its scores are of coarse maps anyway
  return base.finish(config, variant, unet_scenes.VARIANTS,
                     smoke={**unet_scenes.SMOKE, 'model.skips': 1, 'model.fc_width': 16})
