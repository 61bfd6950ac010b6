"""What enlarges at the end of FSRCNN x2: deconvolution, sub-pixel convolution, nearest resize and convolution.

  python -m experiments.sweep --sweep=configs/sweeps/superres_upsampling.py --out=runs/superres

Cost: an hour on two cores.
Results: docs/results.md#restoration. They are of the same nine runs, started one by one.
"""

SWEEP = {
  'experiments': {'photos': {'config': 'configs/superres_photos.py'}},
  'variants': {
    'deconvolution 9x9': {},
    'sub-pixel convolution 5x5': {'model.upsample': 'subpixel', 'model.kernel_size': 5},
    'nearest resize': {'model.upsample': 'resize_nearest'},
  },
  'seeds': (0, 1, 2),
  'metrics': {'whole_psnr': 'PSNR, dB', 'whole_ssim': 'SSIM', 'whole_psnr_baseline': 'bicubic, dB'},
}
