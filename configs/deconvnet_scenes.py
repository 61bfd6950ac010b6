"""DeconvNet (Noh et al. 2015) on scenes of textured shapes: see unet_scenes, but for the network.

  python -m experiments.main --config=configs/deconvnet_scenes.py --workdir=runs/deconvnet_scenes

The encoder is U-Net's, then fc6 and fc7 as convolutions; the decoder mirrors it and unpools by switches.

Cost: 2 min 47 s from the first written file to the end on one core of an AMD EPYC (Zen 3) virtual machine, the other
  one in use by others (56 images/s).
Measured after the 1,000 steps (seed 0, 500 test scenes, averaged parameters): mIoU 0.261, boundary IoU 0.152, accuracy
  of pixels 0.774: it has found the shapes and begins to name them.
"""
from configs import base, unet_scenes


def get_config(variant=''):
  """Returns the config."""
  config = unet_scenes.get_config()
  base.set_model(config, 'deconvnet')
  config.model.convs = unet_scenes.CONVS
  return base.finish(config, variant, unet_scenes.VARIANTS, smoke={**unet_scenes.SMOKE, 'model.fc_width': 16})
