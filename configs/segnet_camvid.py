"""SegNet (Badrinarayanan et al. 2017) on CamVid: as unet_camvid, with another network.

  python -m experiments.main --config=configs/segnet_camvid.py --workdir=runs/segnet_camvid --config.data.path=CAMVID

CAMVID is the folder of the SegNet tutorial, see docs/data.md#camvid. The decoder unpools by the encoder's switches.
`:deconv` puts a transposed convolution there, `:bilinear` a bilinear resize and a convolution. `:balanced` weighs the
classes by median frequency. `:full` is SegNet on whole pictures, framed to 480x384, from random weights, or from
VGG-16's with `--config.model.weights=VGG16.npz --config.model.pixels=caffe`: for an accelerator.

Published on `test` (global / class average / mIoU, %), see unet_camvid: SegNet from random weights 81.33 / - / 42.50;
from VGG-16's 86.71 / 66.39 / 54.09, with batch norm 87.84 / 70.75 / 57.68, with a bilinear decoder 85.86 / 71.95 /
56.22.

Cost: an hour on two cores, estimated.
Results: docs/results.md#camvid. `:deconv` and `:balanced` ran for 20 epochs alone; `:full` was not run.
"""

from deconv.configs import base, unet_camvid

VARIANTS = {
  'deconv': {'model.upsample': 'deconv4'},
  'bilinear': {'model.upsample': 'resize_bilinear'},
  **unet_camvid.VARIANTS,
}
VARIANTS['full'] = {**VARIANTS['full'], 'data.image_size': 384, 'model.depth': 5, 'model.convs': (2, 2, 3, 3, 3)}


def get_config(variant=''):
  """Returns the config."""
  config = unet_camvid.get_config()
  base.set_model(config, 'segnet')
  return base.finish(config, variant, VARIANTS, smoke=unet_camvid.SMOKE)
