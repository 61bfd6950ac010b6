"""SegNet (Badrinarayanan et al. 2017) on CamVid: as unet_camvid, with another network.

  python -m experiments.main --config=configs/segnet_camvid.py --workdir=runs/segnet_camvid --config.data.path=CAMVID

CAMVID is the folder of the SegNet tutorial, see docs/data.md#camvid. The decoder unpools by the encoder's switches.
`:deconv` puts a transposed convolution there, `:bilinear` a bilinear resize and a convolution; the paper compares the
three. `:balanced` weighs the classes by median frequency. `:basic` has the size of SegNet-Basic: four stages of one
convolution of 64 channels. `:full` is SegNet at 480x360 from random weights, or from VGG-16's with
`--config.model.weights=VGG16.npz`: for an accelerator.

Published on `test` (global / class average / mIoU, %): SegNet from VGG-16 86.71 / 66.39 / 54.09, with batch norm 87.84
/ 70.75 / 57.68, with a bilinear decoder 85.86 / 71.95 / 56.22; from scratch 81.33 / - / 42.50; SegNet-Basic 82.7 / 62.0
/ 47.7. These numbers are of another split than `val`, see unet_camvid.

Cost: an hour on two cores, estimated.
Not run to the end.
"""

from deconv.configs import base, unet_camvid

VARIANTS = {
  'deconv': {'model.upsample': 'deconv4'},
  'bilinear': {'model.upsample': 'resize_bilinear'},
  **unet_camvid.VARIANTS,
  'basic': {'model.convs': (1, 1, 1, 1), 'model.width': 64},
}
VARIANTS['full'] = {**VARIANTS['full'], 'data.image_size': 384, 'model.depth': 5, 'model.convs': (2, 2, 3, 3, 3)}


def get_config(variant=''):
  """Returns the config."""
  config = unet_camvid.get_config()
  base.set_model(config, 'segnet')
  return base.finish(config, variant, VARIANTS, smoke=unet_camvid.SMOKE)
