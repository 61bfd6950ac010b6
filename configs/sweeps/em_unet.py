"""What U-Net's border weights and elastic deformations are worth on the EM stack.

  python -m experiments.sweep --sweep=configs/sweeps/em_unet.py --out=runs/em_unet --config.data.path=EM_STACK

EM_STACK is the folder of the training volume, see docs/data.md#em-stack. configs/unet_em.py and its variants with
7,000 instead of 20,000 steps, trained on 24 slices, judged on the six below them.

Cost: an hour on two cores.
Results: docs/results.md#membranes.
"""

from deconv.configs import unet_em

SWEEP = {
  'experiments': {'em': {'config': 'configs/unet_em.py', 'train.steps': 7_000}},
  'common': {'eval.every': 0, 'samples.every': 0},
  'variants': {
    'U-Net': {},
    'no border weights': unet_em.VARIANTS['no_border'],
    'no elastic deformation': unet_em.VARIANTS['no_elastic'],
  },
  'seeds': (0, 1, 2),
  'metrics': {
    'v_rand_best': 'V-Rand',
    'v_info_best': 'V-Info',
    'v_rand': 'V-Rand at 1/2',
    'whole_iou_inside': 'IoU of the inside',
    'whole_boundary_iou': 'boundary IoU',
  },
}
