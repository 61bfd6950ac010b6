"""White shapes on black in the manner of dSprites (Matthey et al. 2017), rendered here."""

import functools

import numpy as np

from deconv.data.rendered.factors import FactorSource
from deconv.data.source import choose_split

SHAPES = ('square', 'ellipse', 'heart')
# Those of dSprites, except that its 40 angles hold both 0 and 2 pi, which are one image.
FACTORS = {'shape': 3, 'scale': 6, 'rotation': 40, 'x': 32, 'y': 32}

_REACH = 0.36  # no point of a shape of scale 1 is farther than this from its centre, where the image is [-1, 1]
_SQUARE = 0.21  # half of its side
_ELLIPSE = 0.32, 0.16  # semi-axes
_HEART = 0.5  # its height is 1.1 times, its width 1.2 times this
_HELDOUT = 4096
_VERSION = 1


def open_shapes(options, split):
  """The source `shapes`: 737,280 images of one shape each, all combinations of five factors.

  Factors: shape (square, ellipse, heart), scale (6 values from 0.5 to 1), rotation (40 from 0 to 351 degrees), x and y
  (32 each, such that the shape stays inside). As in dSprites the rotation of a square by 90 degrees and of an ellipse
  by 180 is not seen. Pixels are anti-aliased: their value is the share of them that is covered (to about 0.1, the edge
  being taken as straight inside of a pixel). The label is the shape.

  Splits: `test` (4,096 images, drawn once), `train` (all others), `all`.
  """
  sizes = tuple(FACTORS.values())
  heldout = np.random.RandomState(1).permutation(np.prod(sizes))[:_HELDOUT]
  rows, skip = choose_split(
    'shapes',
    split,
    {'all': (None, ()), 'train': (None, heldout), 'test': (np.stack(np.unravel_index(heldout, sizes), axis=-1), ())},
  )
  render = functools.partial(render_shapes, size=options.image_size, channels=options.channels)
  return FactorSource(
    'shapes',
    options,
    FACTORS,
    render,
    _VERSION,
    rows=rows,
    skip=skip,
    categorical=('shape',),
    label='shape',
    class_names=SHAPES,
  )


def render_shapes(factors, size=64, channels=1):
  """Renders.

  Args:
    factors: int (n, 5), indices into the values of FACTORS.
    size: height and width in pixels.
    channels: 1, or 3 equal ones.

  Returns:
    uint8 (n, size, size, channels).
  """
  shape, scale, rotation, x, y = np.asarray(factors).T
  n, pixel = len(shape), 2.0 / size
  scale = (0.5 + 0.5 * scale / (FACTORS['scale'] - 1)).astype(np.float32)
  angle = (rotation * (2 * np.pi / FACTORS['rotation'])).astype(np.float32)
  room = 1 - _REACH
  x, y = (room * (2 * place / (FACTORS[name] - 1) - 1) for place, name in ((x, 'x'), (y, 'y')))

  # Only a window around each shape is computed.
  window = min(size, int(np.ceil(2 * _REACH / pixel)) + 2)
  left, top = (np.clip(np.floor((place + 1) / pixel - window / 2).astype(int), 0, size - window) for place in (x, y))
  steps = (np.arange(window) + 0.5) * pixel - 1
  u = ((left * pixel - x)[:, None] + steps)[:, None, :].astype(np.float32)  # n 1 window
  v = ((top * pixel - y)[:, None] + steps)[:, :, None].astype(np.float32)  # n window 1
  cosine, sine = (f(angle)[:, None, None] / scale[:, None, None] for f in (np.cos, np.sin))
  u, v = cosine * u + sine * v, cosine * v - sine * u  # in the frame of the shape, scale 1

  distance = np.empty((n, window, window), np.float32)
  for i, name in enumerate(SHAPES):
    of = shape == i
    if of.any():
      distance[of] = _DISTANCES[name](u[of], v[of])
  coverage = np.clip(0.5 - distance * (scale[:, None, None] / pixel), 0, 1)

  images = np.zeros((n, size, size), np.uint8)
  place = np.arange(window)
  images[np.arange(n)[:, None, None], (top[:, None] + place)[:, :, None], (left[:, None] + place)[:, None, :]] = (
    np.round(255 * coverage)
  )
  return np.repeat(images[..., None], channels, axis=-1)


# Signed distances from the edge, negative inside: exact near it, where they become coverage.


def _square(u, v):
  return np.maximum(np.abs(u), np.abs(v)) - np.float32(_SQUARE)


def _ellipse(u, v):
  a, b = (np.float32(axis) for axis in _ELLIPSE)
  value = np.sqrt((u / a) ** 2 + (v / b) ** 2)
  slope = np.sqrt((u / a**2) ** 2 + (v / b**2) ** 2) / np.maximum(value, np.float32(1e-3))
  return (value - 1) / np.maximum(slope, np.float32(1e-3))


def _heart(u, v):
  # Two half discs over a square that stands on its corner, in units in which the square's diagonal is 1.
  u, v = np.abs(u) / np.float32(_HEART), np.float32(0.5) - v / np.float32(_HEART)
  lobe = np.hypot(u - np.float32(0.25), v - np.float32(0.75)) - np.float32(np.sqrt(2) / 4)
  along = np.maximum(u + v, 0) / 2
  edge = np.minimum(np.hypot(u, v - 1), np.hypot(u - along, v - along)) * np.sign(u - v)
  return np.where(u + v > 1, lobe, edge) * np.float32(_HEART)


_DISTANCES = {'square': _square, 'ellipse': _ellipse, 'heart': _heart}
