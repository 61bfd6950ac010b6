"""A small data set of known factors: spots on 12x12 pixels."""
import numpy as np

from deconv import data
from deconv.data.rendered.factors import FactorSource

OPTIONS = data.DataOptions(source='spots', image_size=12, vary=(1., 1., 1., 2.))


def paint(factors):
  """Spots: x, y, brightness, and one of ten widths and heights."""
  x, y, light, shape = (column[:, None, None] for column in np.asarray(factors).T)
  across, down = np.arange(12)[None, None, :], np.arange(12)[None, :, None]
  wide, tall = 2 + 0.2 * (shape % 4), 2 + 0.3 * (shape // 4)
  spot = np.exp(-0.5 * (((across - 3 - 0.4 * x) / wide)**2 + ((down - 3 - 0.4 * y) / tall)**2)**2)
  return np.round(spot * (20 + 16 * light)).astype(np.uint8)[..., None]


def open_spots(options, split):
  del split
  return FactorSource('spots', options, {'azimuth': 15, 'elevation': 15, 'light': 15, 'shape': 10}, paint, 1)
