"""Conditional GANs that have seen few digits of each class, for the sweep gan_augmentation.

  python -m experiments.sweep --sweep=configs/sweeps/gan_augmentation_gans.py --out=runs/augmentation_gans

Cost: minutes on two cores.
Results: docs/results.md#generated-images-for-a-classifier.
"""

SWEEP = {
  'experiments': {
    'digits': {
      'config': 'configs/cdcgan_mnist.py',
      'data.source': 'digits',
      'model.width': 32,
      'model.hidden': 256,
      'train.epochs': 0.0,
      'train.steps': 1000,
      'train.batch_size': 50,
      'train.ema_decay': 0.995,
      'samples.every_epochs': 0.0,
      'samples.every': 500,
      'checkpoint.every': 500,
      'eval.num_samples': 2000,
      'eval.every': 0,
      'eval.interim_samples': 0,
      'eval.evaluators': ('labelled_samples',),
    }
  },
  'variants': {f'{number} a class': {'data.per_class': number} for number in (10, 30, 100)},
  'seeds': (0, 1, 2),
  'metrics': {'knn_error': 'error of 1-NN on samples'},
}
