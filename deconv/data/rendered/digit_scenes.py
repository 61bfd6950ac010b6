"""Handwritten digits pasted on photographs, with masks of their ink: real pictures for segmentation, no download."""

import functools
import math

import numpy as np

from deconv.data.files import digits, photos
from deconv.data.rendered.items import RenderedSource
from deconv.data.source import choose_split

CLASSES = ('photo', *map(str, range(10)))
NUM_TRAIN, NUM_TEST = 4000, 500

_VERSION = 1
_STREAM = 6  # first word of every seed, so that no other procedural source shares its numbers
_PHOTOS = 'china', 'flower'
_CUT = 427  # columns of a photograph (640x427) from here on are for testing, those before for training
_CROP = 64, 200  # side in pixels of the piece of a photograph
_MOST = 4  # digits in a scene at most
_BOX = 0.35, 0.7  # side of the square around a digit, as a share of the scene
_TURN = 0.35  # radians to either side
_APART = 0.6  # centres are at least so far apart, as a share of the mean of the two sides
_TRIES = 8  # places tried for a digit before it is left out; tints of which the most unlike is taken
_FAINT, _SOLID = 0.2, 0.6  # shares of ink that are transparent and opaque; half way a pixel becomes the digit's
_MARGIN = 2  # pixels without ink around the 8x8 of a digit, for the interpolation


def open_digit_scenes(options, split):
  """The source `digit_scenes`: one to four digits (UCI optdigits) over a piece of one of scikit-learn's photographs.

  A digit is enlarged by the bicubic filter, turned by up to 20 degrees, tinted, and fading at the edges of its
  strokes. A pixel is of a digit where this covers at least half of it; inside of a zero there is 'photo'.

  Splits: `train` (4,000 scenes of the first 1,500 digits on the left two thirds of the photographs), `test` (500 of the
  last 297 on the right third), `all`.

  Raises:
    UserError: no such split, or scikit-learn is not installed.
  """
  total = NUM_TRAIN + NUM_TEST
  numbers = choose_split(
    'digit_scenes', split, {'train': range(NUM_TRAIN), 'test': range(NUM_TRAIN, total), 'all': range(total)}
  )
  read_material()  # what is missing shows itself here
  render = functools.partial(_item, size=options.image_size, channels=options.channels)
  return RenderedSource('digit_scenes', options, numbers, render, _VERSION, CLASSES)


def _item(number, size, channels):
  image, mask = render_scene(number, size, channels)
  return {'image': image, 'mask': mask}


@functools.lru_cache(maxsize=1)
def read_material():
  """(photographs uint8 (2, 427, 640, 3), digits float32 (1797, 8, 8) with ink from 0 to 1, their labels (1797,)).

  Raises:
    UserError: scikit-learn is not installed.
  """
  ink, labels = digits.read()
  return np.stack([photos.read_photo(name, 3) for name in _PHOTOS]), (ink / 16).astype(np.float32), labels


def draw_scene(number):
  """What a scene shows.

  Returns:
    (photo, left, top, side): number of the photograph and the piece of it, in pixels;
    [(digit, x, y, box, angle)], from the lowest to the topmost: index of the digit, its middle and the side of its box
    as shares of the scene, and its angle in radians.
  """
  random = np.random.RandomState([_STREAM, 0, number])
  training = number < NUM_TRAIN
  backgrounds, ink, _ = read_material()
  height, width = backgrounds.shape[1:3]
  first, last = (0, _CUT) if training else (_CUT, width)
  side = random.randint(_CROP[0], _CROP[1] + 1)
  photo, left, top = (
    random.randint(low, high) for low, high in ((0, len(backgrounds)), (first, last - side + 1), (0, height - side + 1))
  )
  chosen = (0, digits.NUM_TRAIN) if training else (digits.NUM_TRAIN, len(ink))
  pasted = []
  for _ in range(random.randint(1, _MOST + 1)):
    digit, box, angle = random.randint(*chosen), random.uniform(*_BOX), random.uniform(-_TURN, _TURN)
    for x, y in random.uniform(box / 2, 1 - box / 2, (_TRIES, 2)).tolist():
      if all(math.hypot(x - other[1], y - other[2]) > _APART * (box + other[3]) / 2 for other in pasted):
        pasted.append((digit, x, y, box, angle))
        break
  return (photo, left, top, side), pasted


def render_scene(number, size=64, channels=3):
  """Renders a scene: what it shows is a function of its number, at any size.

  Args:
    number: which scene: below 4,000 those of training, from there on those of the test.
    size: height and width in pixels.
    channels: 3 (RGB) or 1 (grey).

  Returns:
    (image, mask): uint8 (size, size, channels); uint8 (size, size), 0 where the photograph is seen, else the digit + 1.
  """
  from PIL import Image

  backgrounds, ink, labels = read_material()
  (photo, left, top, side), pasted = draw_scene(number)
  random = np.random.RandomState([_STREAM, 1, number])
  piece = Image.fromarray(backgrounds[photo, top : top + side, left : left + side])
  piece = piece.convert('L' if channels == 1 else 'RGB')
  if side != size:
    piece = piece.resize((size, size), Image.Resampling.BICUBIC)
  image = np.asarray(piece).reshape(size, size, channels) / np.float32(255)
  mask = np.zeros((size, size), np.uint8)
  seen = [image.mean(axis=(0, 1))]
  for digit, *place in pasted:
    tint = _tint(random, seen, channels)
    covered = cover(ink[digit], *place, size)
    image = image + covered[..., None] * (tint - image)
    mask[covered >= 0.5] = labels[digit] + 1
  return np.round(255 * np.clip(image, 0, 1)).astype(np.uint8), mask


def cover(ink, x, y, box, angle, size):
  """How much of each pixel a digit covers.

  Args:
    ink: float32 (8, 8) from 0 to 1.
    x, y, box: its middle and the side of its 8x8 pixels, as shares of the scene.
    angle: in radians, by which it is turned clockwise.
    size: height and width of the scene in pixels.

  Returns:
    float32 (size, size) from 0 to 1.
  """
  from PIL import Image

  padded = np.pad(ink, _MARGIN)
  middle, step = padded.shape[0] / 2, ink.shape[0] / (box * size)  # pixels of the digit to a pixel of the scene
  cosine, sine = step * math.cos(angle), step * math.sin(angle)
  # Pillow takes (a x + b y + c, d x + e y + f) of the scene's pixels, which it measures from their edges.
  matrix = (
    cosine,
    sine,
    middle - cosine * x * size - sine * y * size,
    -sine,
    cosine,
    middle + sine * x * size - cosine * y * size,
  )
  turned = Image.fromarray(padded).transform((size, size), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)
  return np.clip((np.asarray(turned) - _FAINT) / (_SOLID - _FAINT), 0, 1)


def _tint(random, seen, channels):
  """A colour (channels,) in [0, 1], far from those in `seen`, to which it is added."""
  candidates = random.uniform(0, 1, (_TRIES, 3))[:, :channels].astype(np.float32)
  seen.append(candidates[np.argmax(((candidates[:, None] - seen) ** 2).sum(axis=-1).min(axis=1))])
  return seen[-1]
