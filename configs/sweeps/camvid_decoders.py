"""What doubles the resolution in SegNet's decoder on CamVid: switches, transposed convolution or bilinear resize.

  python -m experiments.sweep --sweep=configs/sweeps/camvid_decoders.py --out=runs/camvid_decoders \\
    --config.data.path=CAMVID

CAMVID is the folder of the SegNet tutorial, see docs/data.md#camvid. Three decoders on one encoder, and SegNet's own
once more with the weights of median frequency, by configs/segnet_camvid.py with a third of its epochs; the cosine ends
with them. Numbers are of `val`, at 480x360.

Cost: an hour on two cores.
Results: docs/results.md#decoders-on-camvid.
"""

from deconv.configs import segnet_camvid

SWEEP = {
  'experiments': {'camvid': {'config': 'configs/segnet_camvid.py', 'train.epochs': 20.0}},
  'common': {'eval.every': 0, 'samples.every': 0},
  'variants': {
    'switches': {},  # SegNet's own
    'transposed convolution 4x4': segnet_camvid.VARIANTS['deconv'],
    'bilinear resize': segnet_camvid.VARIANTS['bilinear'],
    'switches, weighed': segnet_camvid.VARIANTS['balanced'],
  },
  'seeds': (0, 1, 2),
  'metrics': {
    'whole_miou': 'mIoU',
    'whole_mean_accuracy': 'class average',
    'whole_pixel_accuracy': 'global accuracy',
    'whole_boundary_iou': 'boundary IoU',
  },
}
