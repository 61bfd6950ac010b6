"""The last layer of FSRCNN x2 on Set5: 9x9 deconvolution, sub-pixel convolution, nearest resize and convolution.

  python -m experiments.sweep --sweep=configs/sweeps/superres_set5.py --out=runs/superres_set5 \\
    --config.data.path=T91 --config.data.eval_path=SET5

T91 and SET5 are folders of pictures, see docs/data.md#super-resolution-and-denoising. A fifth of the steps of
configs/fsrcnn_x2.py; the cosine ends with them.

Cost: an hour on two cores.
Results: docs/results.md#the-last-layer.
"""

from deconv.configs.sweeps import superres_upsampling

SWEEP = {
  **superres_upsampling.SWEEP,
  'experiments': {
    'set5': {'config': 'configs/fsrcnn_x2.py', 'train.steps': 20_000, 'eval.every': 0, 'samples.every': 0}
  },
}
