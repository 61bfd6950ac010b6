"""SegNet (Badrinarayanan et al. 2017) on scenes of textured shapes: as unet_scenes, with another network.

  python -m experiments.main --config=configs/segnet_scenes.py --workdir=runs/segnet_scenes

The encoder is U-Net's; the decoder unpools by the switches of its poolings.

Cost: minutes on two cores.
Results: docs/results.md#segmentation. They are those of configs/sweeps/segmentation_decoders.py and
segmentation_upsampling.py; this config by itself was not run.
"""

from deconv.configs import base, unet_scenes


def get_config(variant=''):
  """Returns the config."""
  config = unet_scenes.get_config()
  base.set_model(config, 'segnet')
  config.model.convs = unet_scenes.CONVS
  return base.finish(config, variant, unet_scenes.VARIANTS, smoke=unet_scenes.SMOKE)
