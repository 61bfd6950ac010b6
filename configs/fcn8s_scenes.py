"""FCN-8s (Long et al. 2015) on scenes of textured shapes: as unet_scenes, with another network.

  python -m experiments.main --config=configs/fcn8s_scenes.py --workdir=runs/fcn8s_scenes

The encoder is U-Net's. `--config.model.skips=1` is FCN-16s, `=0` FCN-32s. There are four poolings instead of five, so
these upsample by 4, 8 and 16. `--config.model.learned=True` trains the bilinear kernels on.

Cost: minutes on two cores.
Results: docs/results.md#segmentation. They are those of configs/sweeps/segmentation_decoders.py; this config by itself
was not run.
"""

from deconv.configs import base, unet_scenes


def get_config(variant=''):
  """Returns the config."""
  config = unet_scenes.get_config()
  base.set_model(config, 'fcn')
  config.model.convs = unet_scenes.CONVS
  config.objective.deep_supervision = 0.0  # its scores are of coarse maps anyway
  return base.finish(
    config, variant, unet_scenes.VARIANTS, smoke={**unet_scenes.SMOKE, 'model.skips': 1, 'model.fc_width': 16}
  )
