"""DeconvNet (Noh et al. 2015) on scenes of textured shapes: see unet_scenes, but for the network.

  python -m experiments.main --config=configs/deconvnet_scenes.py --workdir=runs/deconvnet_scenes

The encoder is U-Net's, then fc6 and fc7 as convolutions; the decoder mirrors it and unpools by switches.

Cost: 0.17 s a step with the Lovasz loss on one core of an AMD EPYC (Zen 3) virtual machine, the other one in use.
Measured after 1,000 steps with the Lovasz loss (seeds 0, 1, 2; 500 test scenes, averaged parameters): mIoU 0.602, 0.451
  and 0.329, boundary IoU 0.374, 0.260 and 0.196, still learning (configs/sweeps/segmentation_decoders.py). The 600
  steps of this config by itself: not run.
"""

from deconv.configs import base, unet_scenes


def get_config(variant=''):
  """Returns the config."""
  config = unet_scenes.get_config()
  base.set_model(config, 'deconvnet')
  config.model.convs = unet_scenes.CONVS
  return base.finish(config, variant, unet_scenes.VARIANTS, smoke={**unet_scenes.SMOKE, 'model.fc_width': 16})
