"""Six segmentation decoders on one encoder: FCN-32s, 16s and 8s, DeconvNet, SegNet, U-Net, on both embedded sources.

  python -m experiments.sweep --sweep=configs/sweeps/segmentation_decoders.py --out=runs/decoders

Objective and protocol are those of configs/unet_scenes.py (but 1,000 steps, and the Lovasz loss as in its `:long`) and
unet_digit_scenes.py (2,000 steps), deep supervision included, but for the FCNs, whose scores are of coarse maps anyway.

Cost: 17 to 22 min a seed on `scenes` and 25 on `digit_scenes` on one core of an AMD EPYC (Zen 3) virtual machine, the
  other one in use.
Measured (mean and standard deviation of the seeds; 500 test scenes, averaged parameters), mIoU and boundary IoU:

  scenes        FCN-32s    0.569 +- 0.003  0.232 +- 0.001    digit_scenes  0.390 +- 0.011  0.168 +- 0.004
                FCN-16s    0.690 +- 0.009  0.355 +- 0.008                  0.543 +- 0.009  0.296 +- 0.004
                FCN-8s     0.687 +- 0.011  0.357 +- 0.011                  0.607 +- 0.008  0.431 +- 0.003
                DeconvNet  0.461 +- 0.137  0.277 +- 0.090                  0.231 +- 0.070  0.158 +- 0.046
                SegNet     0.785 +- 0.015  0.542 +- 0.021                  0.607 +- 0.017  0.425 +- 0.018
                U-Net      0.875 +- 0.014  0.734 +- 0.027                  0.689 +- 0.014  0.579 +- 0.011
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
