"""The 1,797 handwritten digits that come inside scikit-learn (UCI optdigits, its test part): no download."""

import importlib.util
import os

import numpy as np

from deconv.data.source import ArraySource, choose_split
from deconv.errors import UserError

# The images stand in the order of their 13 writers, so a cut in the middle keeps most writers on one side of it.
NUM_TRAIN = 1500


def open_digits(options, split):
  """The source `digits`: 8x8 grey images, 0 to 16, scaled to 0 to 255 and resized; ten classes.

  Each value counts the ink in a 4x4 block of a 32x32 bitmap, so a 32x32 image is the size of the original. It is
  resized by the bicubic filter: the bitmaps had sharp strokes, bilinear leaves them blurred, nearest leaves 4x4 blocks
  that a generator would have to imitate, and bicubic's overshoot falls outside 0 to 255, where it is clipped.

  Splits: `all` (1,797), `train` (the first 1,500), `test` (the last 297).

  Raises:
    UserError: no such split, or scikit-learn is not installed.
  """
  rows = choose_split('digits', split, {'all': slice(None), 'train': slice(NUM_TRAIN), 'test': slice(NUM_TRAIN, None)})
  images, labels = read()
  images = np.round(images[rows] * (255 / 16)).astype(np.uint8)
  return ArraySource('digits', images, labels[rows], options, [str(digit) for digit in range(10)])


def read():
  """(1797, 8, 8) values from 0 to 16 and (1797,) labels."""
  package = importlib.util.find_spec('sklearn')
  if package is None:
    raise UserError("data source 'digits' is read from scikit-learn: pip install scikit-learn.")
  # Importing sklearn.datasets takes 1.6 s of the start of every run; the file alone takes 0.1 s.
  path = os.path.join(package.submodule_search_locations[0], 'datasets', 'data', 'digits.csv.gz')
  if os.path.isfile(path):
    rows = np.loadtxt(path, delimiter=',', dtype=np.uint8)
    return rows[:, :-1].reshape(-1, 8, 8), rows[:, -1]
  from sklearn import datasets

  digits = datasets.load_digits()
  return digits.images, digits.target
