"""Points of the plane from mixtures of Gaussians: the smallest data on which a generative network can lose modes.

An item is a float32 "image" of one pixel with two channels, (x, y). It crosses to the device as it is:
deconv.data.to_signed scales bytes alone, for 256 levels would be coarser than the Gaussians are wide.
"""

import hashlib

import numpy as np

from deconv.data.source import ArraySource, choose_split
from deconv.errors import UserError

_SPLITS = {'train': (1, 100_000), 'test': (2, 10_000)}  # seed, number of points
_VERSION = 1


class GaussianSource(ArraySource):
  """Points of a mixture of equally likely round Gaussians; the label is the Gaussian.

  Attributes:
    centres: float64 (modes, 2).
    sigma: standard deviation of each coordinate.
  """

  def __init__(self, name, options, split, centres, sigma):
    """Draws the points.

    Raises:
      UserError: the options are those of images.
      NoSuchSplit: neither `train` nor `test`.
    """
    if not options.points:
      raise UserError(f"data source '{name}' has points of the plane: set data.channels to 2 and data.image_size to 1.")
    seed, number = choose_split(name, split, _SPLITS)
    random = np.random.RandomState(seed)  # its numbers never change (NEP 19)
    labels = random.randint(len(centres), size=number)
    points = centres[labels] + sigma * random.standard_normal((number, 2))
    names = [f'({x:.3g}, {y:.3g})' for x, y in centres]
    super().__init__(name, points.astype(np.float32)[:, None, None], labels, options, names)
    self.centres, self.sigma, self._split = centres, sigma, split

  def fingerprint(self):
    # Not of the points: the last bit of a logarithm differs between processors, and a run may move.
    about = self.name, _VERSION, self._split, len(self)
    return hashlib.sha256(repr(about).encode()).hexdigest()[:16]


def open_ring(options, split):
  """The source `gaussian_ring`: 8 Gaussians of standard deviation 0.01 on the unit circle (Lin et al. 2018, PacGAN,
  section 4.1).

  Splits: `train` (100,000 points), `test` (10,000).

  Raises:
    UserError: see GaussianSource.
  """
  angles = 2 * np.pi * np.arange(8) / 8
  return GaussianSource('gaussian_ring', options, split, np.stack([np.cos(angles), np.sin(angles)], axis=-1), 0.01)


def open_grid(options, split):
  """The source `gaussian_grid`: 25 Gaussians of variance 0.0025 at (-4 + 2i, -4 + 2j), i and j from 0 to 4 (Srivastava
  et al. 2017, VEEGAN, and Lin et al. 2018, PacGAN, section 4.1).

  Splits: `train` (100,000 points), `test` (10,000).

  Raises:
    UserError: see GaussianSource.
  """
  rows, columns = np.mgrid[:5, :5].reshape(2, -1)
  return GaussianSource('gaussian_grid', options, split, np.stack([2.0 * rows - 4, 2.0 * columns - 4], axis=-1), 0.05)
