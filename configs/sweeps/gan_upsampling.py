"""What doubles the resolution in DCGAN's generator, on MNIST: the distance to real digits, and the checkerboard.

  python -m experiments.sweep --sweep=configs/sweeps/gan_upsampling.py --out=runs/gan_upsampling --config.data.path=DIR

Distances are looked at through a classifier, which comes first:
`python -m experiments.main --config=configs/cnn_mnist.py --workdir=runs/cnn_mnist --config.data.path=DIR`.

All else is as in configs/dcgan_mnist.py, with half of its channels, a quarter of its dense units and half of its steps.
The kinds that convolve with stride 1 have a window of 3x3. Decibels are those above real digits, of the pattern of the
last layer (2 pixels) and of the last two (4 pixels); phase contrast is how uneven the variance is over the four pixels
of a block.

Cost: hours on two cores, estimated.
Results: docs/results.md#which-upsampling-a-generator-should-have.
"""

CLASSIFIER = 'runs/cnn_mnist'  # --workdir of the first command
KINDS = ('deconv5', 'deconv4', 'resize_nearest', 'resize_bilinear', 'subpixel', 'bilinear_deconv', 'blur')

SWEEP = {
  'experiments': {
    'digits': {
      'config': 'configs/dcgan_mnist.py',
      'model.width': 32,
      'model.hidden': 256,
      'train.epochs': 0.0,
      'train.steps': 1800,
      'samples.every_epochs': 0.0,
      'samples.every': 600,
      'checkpoint.every': 600,
      'eval.evaluators': ('fid', 'prdc', 'checkerboard'),
      'eval.num_samples': 10_000,
      'eval.features': 'lenet',
      'eval.features_path': CLASSIFIER,
    }
  },
  'variants': {kind: {'model.upsample': kind} for kind in KINDS},
  'seeds': (0, 1, 2),
  'metrics': {
    'lenet_fid': 'FID by lenet',
    'checkerboard_excess_db_2': 'checkerboard 2, dB',
    'checkerboard_excess_db_4': 'checkerboard 4, dB',
    'phase_contrast_2': 'phase contrast',
  },
}
