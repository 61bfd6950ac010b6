"""Shaded heads in three dimensions, with pose, light and identity as factors: procedural stand-ins for the rendered
faces of Kulkarni et al. 2015 (DC-IGN)."""

import functools

import numpy as np

from deconv.data.rendered.factors import FactorSource
from deconv.data.source import choose_split

POSES = 31  # values of azimuth, elevation and light
IDENTITIES = 1000  # heads, each with its own form and tone
_TRAIN = 900  # the first of them are for training
_HELDOUT = 2000
_VERSION = 2

# Degrees of the first and last value. Azimuth turns the head to its left (the right of the image), elevation raises its
# face, light is the azimuth of the lamp, in the frame of the camera.
RANGES = {'azimuth': (-70.0, 70.0), 'elevation': (-35.0, 35.0), 'light': (-80.0, 80.0)}
_LAMP_ELEVATION = 25.0  # degrees above the camera
_AMBIENT = 0.12  # share of the light that comes from everywhere
_ZOOM = 1.1  # half the side of the picture, where a head is about 0.8 in radius
_SUPERSAMPLING = 2  # rays a pixel in each direction


def open_heads(options, split):
  """The source `heads`: heads of ellipsoids under one lamp, 31 azimuths x 31 elevations x 31 lights x identities.

  The identity ('shape') decides the form (head, nose, eyes, ears, mouth) and the tone of the skin. Its number says
  nothing about its form, so it counts as categorical. Batches in which one factor varies: `data.vary`.

  Splits: `train` (900 identities), `test` (2,000 images of 100 other identities, drawn once), `unseen` (the whole
  grid of those 100), `all` (1,000 identities).
  """
  first, last, rows = choose_split(
    'heads',
    split,
    {
      'all': (0, IDENTITIES, None),
      'train': (0, _TRAIN, None),
      'unseen': (_TRAIN, IDENTITIES, None),
      'test': (_TRAIN, IDENTITIES, _heldout()),
    },
  )
  factors = {'azimuth': POSES, 'elevation': POSES, 'light': POSES, 'shape': last - first}
  render = functools.partial(render_heads, size=options.image_size, channels=options.channels)
  return FactorSource(
    'heads', options, factors, render, _VERSION, offsets={'shape': first}, rows=rows, categorical=('shape',)
  )


def _heldout():
  random = np.random.RandomState([2, 0])
  return np.stack(
    [*(random.randint(0, POSES, _HELDOUT) for _ in range(3)), random.randint(_TRAIN, IDENTITIES, _HELDOUT)], axis=-1
  )


def angles(factors):
  """Returns degrees (n, 3), azimuth, elevation and light, of factors int (n, 4)."""
  low, high = np.array(list(RANGES.values())).T
  return low + (high - low) * np.asarray(factors)[:, :3] / (POSES - 1)


def render_heads(factors, size=64, channels=1):
  """Renders.

  Args:
    factors: int (n, 4): azimuth, elevation and light in [0, POSES), identity in [0, IDENTITIES).
    size: height and width in pixels.
    channels: 1, or 3 equal ones.

  Returns:
    uint8 (n, size, size, channels).
  """
  images = np.empty((len(factors), size, size, channels), np.uint8)
  for i, (row, (azimuth, elevation, light)) in enumerate(zip(np.asarray(factors), np.deg2rad(angles(factors)))):
    shade = render_parts(head(int(row[3])), rotation(azimuth, elevation), lamp(light), size)
    images[i] = np.round(255 * np.clip(shade, 0, 1))[..., None]
  return images


def rotation(azimuth, elevation):
  """Returns (3, 3), head to camera coordinates (x right, y up, z to the camera), of angles in radians."""
  ca, sa, ce, se = np.cos(azimuth), np.sin(azimuth), np.cos(elevation), np.sin(elevation)
  turn = np.array([[ca, 0, sa], [0, 1, 0], [-sa, 0, ca]])
  nod = np.array([[1, 0, 0], [0, ce, se], [0, -se, ce]])
  return nod @ turn


def lamp(azimuth):
  """Returns the unit vector (3,) to the lamp, in camera coordinates, of an angle in radians."""
  height = np.deg2rad(_LAMP_ELEVATION)
  return np.array([np.sin(azimuth) * np.cos(height), np.sin(height), np.cos(azimuth) * np.cos(height)])


@functools.lru_cache(maxsize=IDENTITIES)
def head(identity):
  """Returns the head of an identity as ellipsoids (parts, 7): centre (3), semi-axes (3), albedo; mirror-symmetric."""
  random = np.random.RandomState([3, identity])

  def draw(low, high):
    return random.uniform(low, high)

  width, height, depth, skin = draw(0.5, 0.68), draw(0.68, 0.88), draw(0.58, 0.74), draw(0.6, 0.95)
  parts = [(0, 0, 0, width, height, depth, skin)]
  nose, bridge = draw(0.12, 0.3), draw(0.0, 0.1)
  parts.append((0, -0.06 + bridge, depth, draw(0.07, 0.13), draw(0.12, 0.22), nose, skin))
  spread, level, eye = draw(0.38, 0.5) * width, draw(0.18, 0.3) * height, draw(0.07, 0.12)
  mouth_width, mouth_level = draw(0.3, 0.5) * width, -draw(0.42, 0.55) * height
  ear, ear_level = draw(0.12, 0.24), draw(-0.1, 0.15)

  def surface(x, y):  # depth of the face there
    return depth * np.sqrt(1 - (x / width) ** 2 - (y / height) ** 2)

  for side in (-1, 1):
    parts.append((side * spread, level, surface(spread, level), eye, 0.7 * eye, 0.07, 0.08))
    parts.append((side * width, ear_level, 0, 0.08, ear, 0.6 * ear, 0.9 * skin))
  parts.append((0, mouth_level, surface(0, mouth_level), mouth_width, 0.05, 0.06, 0.25))
  # Hair, a cap on the back and the top: without it a head turned to the left is nearly one turned to the right.
  parts.append((0, 0.1 * height, -0.22 * depth, 1.03 * width, 1.02 * height, 0.95 * depth, draw(0.05, 0.25)))
  return np.array(parts)


def render_parts(parts, turn, light, size):
  """Renders ellipsoids, orthographically, matt (Lambert), without shadows that one casts upon another.

  Args:
    parts: (parts, 7): centre, semi-axes, albedo, in head coordinates.
    turn: (3, 3), head to camera coordinates.
    light: unit vector (3,) to the lamp, in camera coordinates.
    size: height and width in pixels of a picture that shows x and y from -1.1 to 1.1.

  Returns:
    float32 (size, size), albedo times light, 0 where there is nothing.
  """
  fine = size * _SUPERSAMPLING
  grid = ((np.arange(fine) + 0.5) * (2 / fine) - 1) * _ZOOM
  shade, nearest = np.zeros((fine, fine), np.float32), np.full((fine, fine), -np.inf, np.float32)
  for part in parts:
    axes, albedo = part[3:6], part[6]
    centre = turn @ part[:3]
    # |m (p - centre)| = 1 with m = diag(1 / axes) turn': the ellipsoid in camera coordinates.
    m = turn.T / axes[:, None]
    reach = np.linalg.norm(turn * axes, axis=1)  # its extent along x, y and z
    columns = slice(*np.searchsorted(grid, (centre[0] - reach[0], centre[0] + reach[0])))
    rows = slice(*np.searchsorted(grid, (-centre[1] - reach[1], -centre[1] + reach[1])))
    x = (grid[columns] - centre[0]).astype(np.float32)[None, :]
    y = (-grid[rows] - centre[1]).astype(np.float32)[:, None]  # the first row of a picture is at the top
    gram = (m.T @ m).astype(np.float32)
    # a z^2 + 2 b z + c = 0 along each ray; the greater root is the nearer.
    a, b = gram[2, 2], gram[0, 2] * x + gram[1, 2] * y
    c = gram[0, 0] * x * x + gram[1, 1] * y * y + 2 * gram[0, 1] * (x * y) - 1
    root = b * b - a * c
    z = (np.sqrt(np.maximum(root, 0)) - b) / a
    wins = (root > 0) & (z + np.float32(centre[2]) > nearest[rows, columns])
    # The gradient of |m p|^2 is the normal, not yet of length 1.
    normal = [gram[i, 0] * x + gram[i, 1] * y + gram[i, 2] * z for i in range(3)]
    length = np.sqrt(normal[0] ** 2 + normal[1] ** 2 + normal[2] ** 2)
    lit = sum(np.float32(light[i]) * normal[i] for i in range(3)) / np.maximum(length, np.float32(1e-6))
    value = np.float32(albedo) * (np.float32(_AMBIENT) + np.float32(1 - _AMBIENT) * np.maximum(lit, 0))
    shade[rows, columns] = np.where(wins, value, shade[rows, columns])
    nearest[rows, columns] = np.where(wins, z + np.float32(centre[2]), nearest[rows, columns])
  return shade.reshape(size, _SUPERSAMPLING, size, _SUPERSAMPLING).mean(axis=(1, 3))
