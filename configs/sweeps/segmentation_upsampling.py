"""What doubles the resolution in SegNet's decoder: unpooling by switches, transposed convolution, resizing.

  python -m experiments.sweep --sweep=configs/sweeps/segmentation_upsampling.py --out=runs/upsampling

The protocol of segmentation_decoders on `scenes`.

Cost: 10 min a seed on one core of an AMD EPYC (Zen 3) virtual machine, the other one in use; the unpooling ones are
  SegNet's runs of segmentation_decoders.
Measured (mean and standard deviation of the seeds; 500 test scenes, averaged parameters), mIoU and boundary IoU:

  unpooling by switches       0.785 +- 0.015  0.542 +- 0.021
  transposed convolution 4x4  0.725 +- 0.006  0.423 +- 0.008
  nearest resize              0.735 +- 0.008  0.440 +- 0.008
  bilinear resize             0.710 +- 0.003  0.401 +- 0.005
"""

from deconv.configs.sweeps import segmentation_decoders

SWEEP = {
  **segmentation_decoders.SWEEP,
  'experiments': {'scenes': segmentation_decoders.SWEEP['experiments']['scenes']},
  'common': {**segmentation_decoders.SWEEP['common'], 'model.name': 'segnet'},
  'variants': {
    'unpooling by switches': {},  # SegNet's own
    'transposed convolution 4x4': {'model.upsample': 'deconv4'},
    'nearest resize': {'model.upsample': 'resize_nearest'},
    'bilinear resize': {'model.upsample': 'resize_bilinear'},
  },
}
