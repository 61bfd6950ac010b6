"""What doubles the resolution in SegNet's decoder: unpooling by switches, transposed convolution, resizing.

  python -m experiments.sweep --sweep=configs/sweeps/segmentation_upsampling.py --out=runs/upsampling

The protocol of segmentation_decoders on `scenes`; unpooling is SegNet itself.

Cost: an hour on two cores.
Results: docs/results.md#segmentation.
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
