"""The 1,797 handwritten digits that come inside scikit-learn (UCI optdigits, its test part): no download."""
import numpy as np

from deconv.data import source as source_lib

# The images stand in the order of their 13 writers, so a cut in the middle keeps most writers on one side of it.
_NUM_TRAIN = 1500


def open_digits(options, split):
  """The source `digits`: 8x8 grey images, 0 to 16, scaled to 0 to 255 and resized; ten classes.

  Each value counts the ink in a 4x4 block of a 32x32 bitmap, so a 32x32 image is the size of the original. It is
  resized by the bicubic filter: the bitmaps had sharp strokes, bilinear leaves them blurred, nearest leaves 4x4 blocks
  that a generator would have to imitate, and bicubic's overshoot falls outside 0 to 255, where it is clipped.

  Splits: `all` (1,797), `train` (the first 1,500), `test` (the last 297).

  Raises:
    UserError: no such split.
  """
  rows = source_lib.choose_split('digits', split, {
      'all': slice(None), 'train': slice(_NUM_TRAIN), 'test': slice(_NUM_TRAIN, None)})
  from sklearn import datasets
  digits = datasets.load_digits()
  images = np.round(digits.images[rows] * (255 / 16)).astype(np.uint8)
  return source_lib.ArraySource('digits', images, digits.target[rows], options, [str(digit) for digit in range(10)])
