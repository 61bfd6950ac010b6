"""FCN-8s (Long et al. 2015) on scenes of textured shapes: see unet_scenes, but for the network.

  python -m experiments.main --config=configs/fcn8s_scenes.py --workdir=runs/fcn8s_scenes

The encoder is U-Net's. `--config.model.skips=1` is FCN-16s, `=0` FCN-32s; with four poolings instead of five these
upsample by 4, 8 and 16. `--config.model.learned=True` trains the bilinear kernels on.

Cost: 0.10 s a step with the Lovasz loss on one core of an AMD EPYC (Zen 3) virtual machine, the other one in use.
Measured after 1,000 steps with the Lovasz loss (mean and standard deviation of seeds 0, 1, 2; 500 test scenes, averaged
  parameters), mIoU and boundary IoU: 0.687 +- 0.011 and 0.357 +- 0.011; FCN-16s 0.690 +- 0.009 and 0.355 +- 0.008,
  FCN-32s 0.569 +- 0.003 and 0.232 +- 0.001 (configs/sweeps/segmentation_decoders.py). The 600 steps of this config by
  itself: not run.
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
