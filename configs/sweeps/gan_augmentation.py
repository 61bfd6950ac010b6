"""Does a GAN help the classifier? n real digits of each class, with and without images of a GAN that saw the same n.

  python -m experiments.sweep --sweep=configs/sweeps/gan_augmentation_gans.py --out=runs/augmentation_gans
  python -m experiments.sweep --sweep=configs/sweeps/gan_augmentation.py --out=runs/augmentation

The classifier is that of configs/cnn_digits.py at 28x28, without the augmentation of its training images, and makes 600
steps in all cases. A seed is that of the classifier and of the GAN; the n digits of a class are always its first ones.

Cost: minutes on two cores.
Results: docs/results.md#generated-images-for-a-classifier.
"""

from deconv.configs.sweeps import gan_augmentation_gans

GANS = 'runs/augmentation_gans'  # --out of the first command
GENERATED = 200  # of each class


def _with_gan(label):
  return {'data.generated': f'{GANS}/digits/{label.replace(" ", "_")}/{{seed}}', 'data.generated_per_class': GENERATED}


SWEEP = {
  'experiments': {
    'digits': {
      'config': 'configs/cnn_digits.py',
      'data.image_size': 28,
      'augment.shift': 0,
      'augment.rotate_degrees': 0.0,
      'augment.scale_min': 1.0,
      'augment.scale_max': 1.0,
      'augment.elastic_sigma': 0.0,
      'train.epochs': 0.0,
      'train.steps': 600,
      'eval.every': 0,
    }
  },
  'variants': {
    **gan_augmentation_gans.SWEEP['variants'],
    **{
      f'{label} + {GENERATED} generated': {**fields, **_with_gan(label)}
      for label, fields in gan_augmentation_gans.SWEEP['variants'].items()
    },
  },
  'seeds': (0, 1, 2),
  'metrics': {'accuracy': 'accuracy', 'cross_entropy': 'cross-entropy, nats'},
}
