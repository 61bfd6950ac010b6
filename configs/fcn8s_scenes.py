"""FCN-8s (Long et al. 2015) on scenes of textured shapes: see unet_scenes, but for the network.

  python -m experiments.main --config=configs/fcn8s_scenes.py --workdir=runs/fcn8s_scenes

The encoder is U-Net's. `--config.model.skips=1` is FCN-16s, `=0` FCN-32s; with four poolings instead of five these
upsample by 4, 8 and 16. `--config.model.learned=True` trains the bilinear kernels on.

Cost: not measured.
Not run to the end.
"""
from configs import base, unet_scenes


def get_config(variant=''):
  """Returns the config."""
  config = unet_scenes.get_config()
  base.set_model(config, 'fcn')
  config.model.convs = unet_scenes.CONVS
  return base.finish(config, variant, unet_scenes.VARIANTS,
                     smoke={**unet_scenes.SMOKE, 'model.skips': 1, 'model.fc_width': 16})
