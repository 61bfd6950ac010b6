"""DeconvNet (Noh et al. 2015) on scenes of textured shapes: as unet_scenes, with another network.

  python -m experiments.main --config=configs/deconvnet_scenes.py --workdir=runs/deconvnet_scenes

The encoder is U-Net's, then fc6 and fc7 as convolutions; the decoder mirrors it and unpools by switches.

Cost: minutes on two cores.
Results: docs/results.md#segmentation. They are those of configs/sweeps/segmentation_decoders.py; this config by itself
was not run.
"""

from deconv.configs import base, unet_scenes


def get_config(variant=''):
  """Returns the config."""
  config = unet_scenes.get_config()
  base.set_model(config, 'deconvnet')
  config.model.convs = unet_scenes.CONVS
  return base.finish(config, variant, unet_scenes.VARIANTS, smoke={**unet_scenes.SMOKE, 'model.fc_width': 16})
