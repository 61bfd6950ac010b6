"""Scenes of textured shapes on textured ground with exact masks: procedural data for segmentation.

Class and appearance are independent: the colour and texture of a shape say nothing about its class, only its outline
does, so a network has to see a whole shape to name one of its pixels. Shapes stand upright, as most things in
photographs do, but for a tilt.
"""

import functools
import math

import numpy as np

from deconv.data.rendered.items import RenderedSource
from deconv.data.source import choose_split

CLASSES = ('ground', 'disc', 'square', 'triangle', 'ring', 'star')
NUM_TRAIN, NUM_TEST = 4000, 500

_VERSION = 2
_STREAM = 5  # first word of every seed, so that no other procedural source shares its numbers
_MOST = 5  # shapes in a scene at most, 2 at least
_RADIUS = 0.28, 0.6  # of the circle around a shape; the scene is [-1, 1] x [-1, 1]
_TILT = np.pi / 9  # a shape stands upright but for an angle of plus or minus so much (20 degrees)
_APART = 0.55  # centres are at least so far apart, as a share of the sum of the two radii
_TRIES = 8  # places tried for a shape before it is left out; colours of which the most unlike is taken
_SAMPLES = 4  # sample points of a pixel at an edge, along each side
_PERIODS = 0.14, 0.5  # of the textures
_NOISE = 0.05  # half the width of the uniform noise of a pixel; values are in [0, 1]


def open_scenes(options, split):
  """The source `scenes`: two to five shapes (disc, square, triangle, ring, star), some over others, and the ground.

  Splits: `train` (scenes 0 to 3,999), `test` (4,000 to 4,499), `all`.

  Raises:
    UserError: no such split.
  """
  total = NUM_TRAIN + NUM_TEST
  numbers = choose_split(
    'scenes', split, {'train': range(NUM_TRAIN), 'test': range(NUM_TRAIN, total), 'all': range(total)}
  )
  render = functools.partial(_item, size=options.image_size, channels=options.channels)
  return RenderedSource('scenes', options, numbers, render, _VERSION, CLASSES)


def _item(number, size, channels):
  image, mask = render_scene(number, size, channels)
  return {'image': image, 'mask': mask}


def render_scene(number, size=64, channels=3):
  """Renders a scene: what it shows is a function of its number, at any size.

  Args:
    number: which scene, from 0 on.
    size: height and width in pixels.
    channels: 3 (RGB) or 1 (grey).

  Returns:
    (image, mask): uint8 (size, size, channels); uint8 (size, size), at each pixel the class that covers most of it, the
    lower one of two that cover as much.
  """
  shapes = draw_shapes(number)
  random = np.random.RandomState([_STREAM, 1, number])
  x = (np.arange(size, dtype=np.float32) + np.float32(0.5)) * np.float32(2 / size) - 1
  x, y = np.broadcast_to(x, (size, size)), np.broadcast_to(x[:, None], (size, size))

  shares = _visible_shares(shapes, x, y, size)  # layers h w
  mask_shares = np.zeros((len(CLASSES), size, size), np.float32)
  mask_shares[0] = shares[0]
  for (kind, *_), share in zip(shapes, shares[1:]):
    mask_shares[kind] += share
  mask = np.argmax(mask_shares, axis=0).astype(np.uint8)

  image = np.zeros((size, size, channels), np.float32)
  seen = []
  for share in shares:
    colours = _colours(random, seen, channels)
    window = _extent(share)
    texture = _texture(random, x[window], y[window], size)[..., None]
    image[window] += share[window][..., None] * (colours[0] + texture * (colours[1] - colours[0]))
  angle, strength = random.uniform(0, 2 * np.pi), random.uniform(0, 0.2)
  light = 1 - np.float32(strength) * (1 + np.float32(np.cos(angle)) * x + np.float32(np.sin(angle)) * y) / 2
  noise = random.random_sample((size, size, channels)).astype(np.float32)
  image = image * (255 * light)[..., None] + (noise - np.float32(0.5)) * np.float32(255 * 2 * _NOISE)
  return np.round(np.clip(image, 0, 255)).astype(np.uint8), mask


def draw_shapes(number):
  """The shapes of a scene, from the lowest to the topmost.

  Returns:
    [(class, x, y, radius, tilt in radians)], where the scene is [-1, 1] x [-1, 1], y downwards.
  """
  random = np.random.RandomState([_STREAM, 0, number])
  shapes = []
  for _ in range(random.randint(2, _MOST + 1)):
    kind, radius, tilt = random.randint(1, len(CLASSES)), random.uniform(*_RADIUS), random.uniform(-_TILT, _TILT)
    # At least three quarters of the height and of the width lie inside.
    for x, y in (random.uniform(-1, 1, (_TRIES, 2)) * (1 - radius / 2)).tolist():
      if all(math.hypot(x - other[1], y - other[2]) > _APART * (radius + other[3]) for other in shapes):
        shapes.append((kind, x, y, radius, tilt))
        break
  return shapes


def _visible_shares(shapes, x, y, size):
  """float32 (1 + shapes, h, w): the share of each pixel in which the ground, or a shape, is what is seen."""
  reach = np.float32(np.sqrt(2) / size)  # from the centre of a pixel to its corner
  layer = np.zeros((size, size), np.int64)
  edge = np.zeros((size, size), bool)
  for number, shape in enumerate(shapes, 1):
    window = _window(shape, size)
    depth = _depth(shape, x[window], y[window])
    layer[window][depth > 0] = number
    edge[window] |= np.abs(depth) <= reach  # the depth changes by less than the way, so others are all in or all out
  shares = (layer == np.arange(len(shapes) + 1)[:, None, None]).astype(np.float32)

  rows, columns = np.nonzero(edge)
  steps = ((np.arange(_SAMPLES) + 0.5) / _SAMPLES * 2 - 1).astype(np.float32) / size
  u = (x[rows, columns][:, None, None] + steps).repeat(_SAMPLES, 1)  # pixels samples samples
  v = (y[rows, columns][:, None, None] + steps[:, None]).repeat(_SAMPLES, 2)
  layer = np.zeros(u.shape, np.int64)
  for number, shape in enumerate(shapes, 1):
    layer[_depth(shape, u, v) > 0] = number
  counts = (layer.reshape(len(rows), -1) == np.arange(len(shapes) + 1)[:, None, None]).sum(axis=-1)
  shares[:, rows, columns] = counts / np.float32(_SAMPLES**2)
  return shares


def _window(shape, size):
  """The pixels that a shape can touch, as slices of rows and of columns."""
  _, x, y, radius, _ = shape

  def span(centre):
    first, last = ((centre + side * radius + 1) / 2 * size for side in (-1, 1))
    return slice(max(0, int(np.floor(first)) - 1), min(size, int(np.ceil(last)) + 1))

  return span(y), span(x)


# Depth inside a shape whose circle has radius 1, negative outside. Its slope is at most 1: it is made of distances from
# lines and from the centre by minimum, maximum and order alone.


def _depth(shape, x, y):
  """Lower bound of the distance from the outline, positive inside, in units of the scene; any shape of x and y."""
  kind, left, top, radius, tilt = shape
  cosine, sine = np.float32(np.cos(tilt) / radius), np.float32(np.sin(tilt) / radius)
  x, y = x - np.float32(left), y - np.float32(top)
  return _DEPTHS[CLASSES[kind]](cosine * x + sine * y, cosine * y - sine * x) * np.float32(radius)


def _disc(u, v):
  return 1 - np.sqrt(u * u + v * v)


def _square(u, v):
  return np.float32(np.sqrt(0.5)) - np.maximum(np.abs(u), np.abs(v))


def _ring(u, v):
  return np.float32(0.25) - np.abs(np.sqrt(u * u + v * v) - np.float32(0.75))


def _sides(u, v, number, distance, first):
  """Depths below the lines whose normals divide the circle into `number` parts, all at a distance from the centre;
  `first` is the angle of one of the normals (v is downwards)."""
  angles = first + 2 * np.pi * np.arange(number) / number
  return [np.float32(distance) - np.float32(np.cos(angle)) * u - np.float32(np.sin(angle)) * v for angle in angles]


def _triangle(u, v):
  a, b, c = _sides(u, v, 3, 0.5, np.pi / 2)
  return np.minimum(np.minimum(a, b), c)


def _star(u, v):
  # The pentagram lies on the inner side of all, or of all but one, of the five lines through its points.
  first, *others = _sides(u, v, 5, np.cos(2 * np.pi / 5), -np.pi / 2)
  least, second = first, np.float32(np.inf)
  for depth in others:
    second = np.minimum(second, np.maximum(least, depth))
    least = np.minimum(least, depth)
  return second


_DEPTHS = {'disc': _disc, 'square': _square, 'triangle': _triangle, 'ring': _ring, 'star': _star}


def _colours(random, seen, channels):
  """Two colours (2, channels) in [0, 1] of a texture; their mean is far from those in `seen`, to which it is added."""
  candidates = random.uniform(0.1, 0.9, (_TRIES, 3))
  offset = random.uniform(-1, 1, 3)
  if channels == 1:
    candidates, offset = candidates[:, :1], offset[:1]
  mean = candidates[0]
  if seen:
    mean = candidates[np.argmax(((candidates[:, None] - seen) ** 2).sum(axis=-1).min(axis=1))]
  seen.append(mean)
  offset *= random.uniform(0.02, 0.07) * np.sqrt(channels) / np.linalg.norm(offset)
  return np.clip([mean - offset, mean + offset], 0, 1).astype(np.float32)


def _extent(share):
  """The least window, as slices of rows and of columns, outside of which `share` is 0."""
  places = [np.nonzero(share.any(axis=axis))[0] for axis in (1, 0)]
  return tuple(slice(place[0], place[-1] + 1) if len(place) else slice(0) for place in places)


def _texture(random, x, y, size):
  """A pattern (h, w) in [0, 1] at points x and y (h, w): plain, stripes, checks, waves or dots, turned and scaled."""
  kind, angle, phases = random.randint(5), random.uniform(0, np.pi), random.uniform(0, 2 * np.pi, 2)
  # No stripe is narrower than two pixels.
  frequency = 2 * np.pi / max(random.uniform(*_PERIODS), 8 / size)
  if kind == 0:
    return np.zeros_like(x)
  cosine, sine = np.float32(frequency * np.cos(angle)), np.float32(frequency * np.sin(angle))
  u, v = cosine * x + sine * y + np.float32(phases[0]), cosine * y - sine * x + np.float32(phases[1])
  if kind == 1:
    wave = np.sin(u)
  elif kind == 2:
    wave = np.sin(u) * np.sin(v) * 2
  elif kind == 3:
    wave = np.sin(u + 2 * np.sin(v / 2))
  else:
    wave = np.sin(u) + np.sin(v) - 1
  return np.clip(wave + np.float32(0.5), 0, 1)  # soft edges, so that a pixel needs one sample
