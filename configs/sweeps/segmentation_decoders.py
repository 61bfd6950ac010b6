"""Six segmentation decoders on one encoder: FCN-32s, 16s and 8s, DeconvNet, SegNet, U-Net, on both embedded sources.

  python -m experiments.sweep --sweep=configs/sweeps/segmentation_decoders.py --out=runs/decoders

Objective and protocol are those of configs/unet_scenes.py (with 1,000 steps, and the Lovasz loss as in its `:long`) and
unet_digit_scenes.py (2,000 steps). All decoders except the FCNs have deep supervision. The scores of an FCN are those
of coarse maps anyway.

Cost: hours on two cores.
Results: docs/results.md#segmentation.
"""

from deconv.configs import unet_scenes

_FCN = {'model.name': 'fcn', 'objective.deep_supervision': 0}
SWEEP = {
  'experiments': {
    'scenes': {'config': 'configs/unet_scenes.py', 'train.steps': 1000, 'objective.lovasz': 1.0},
    'digit_scenes': {'config': 'configs/unet_digit_scenes.py'},
  },
  'common': {'model.convs': unet_scenes.CONVS, 'samples.every': 0, 'checkpoint.every': 1000},
  'variants': {
    'FCN-32s': {**_FCN, 'model.skips': 0},
    'FCN-16s': {**_FCN, 'model.skips': 1},
    'FCN-8s': {**_FCN, 'model.skips': 2},
    'DeconvNet': {'model.name': 'deconvnet'},
    'SegNet': {'model.name': 'segnet'},
    'U-Net': {'model.name': 'unet'},
  },
  'seeds': (0, 1, 2),
  'metrics': {'miou': 'mIoU', 'boundary_iou': 'boundary IoU', 'pixel_accuracy': 'accuracy of pixels'},
}
