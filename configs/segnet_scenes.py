"""SegNet (Badrinarayanan et al. 2017) on scenes of textured shapes: see unet_scenes, but for the network.

  python -m experiments.main --config=configs/segnet_scenes.py --workdir=runs/segnet_scenes

The encoder is U-Net's; the decoder unpools by the switches of its poolings.

Cost: 0.16 s a step with the Lovasz loss on one core of an AMD EPYC (Zen 3) virtual machine, the other one in use.
Measured after 1,000 steps with the Lovasz loss (seeds 0, 1, 2; 500 test scenes, averaged parameters): mIoU 0.785 +-
  0.015, boundary IoU 0.542 +- 0.021 (configs/sweeps/segmentation_decoders.py; with other upsampling:
  segmentation_upsampling.py). The 600 steps of this config by itself: not run.
"""

from deconv.configs import base, unet_scenes


def get_config(variant=''):
  """Returns the config."""
  config = unet_scenes.get_config()
  base.set_model(config, 'segnet')
  config.model.convs = unet_scenes.CONVS
  return base.finish(config, variant, unet_scenes.VARIANTS, smoke=unet_scenes.SMOKE)
