"""Occlusion maps against a loop that hides the squares by hand."""

import jax
import jax.numpy as jnp
import numpy as np

from deconv import data
from deconv.visualization import occlusion

RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 256, (9, 11, 3), dtype=np.uint8)
WEIGHTS = RNG.normal(size=(9, 11, 3))


@jax.jit
def measure(x):
  return {'sum': jnp.sum(x * WEIGHTS, axis=(1, 2, 3)), 'least': x.min(axis=(1, 2, 3))}


def test_maps_are_those_of_a_loop():
  maps = occlusion.occlude(measure, IMAGE, 4, 2, batch_size=5)
  assert maps['sum'].shape == maps['least'].shape == (3, 4)
  signed = np.asarray(data.to_signed(IMAGE), np.float64)
  for row in range(3):
    for column in range(4):
      hidden = signed.copy()
      hidden[2 * row : 2 * row + 4, 2 * column : 2 * column + 4] = 0
      np.testing.assert_allclose(maps['sum'][row, column], np.sum(hidden * WEIGHTS), rtol=1e-4, atol=1e-4)
      np.testing.assert_allclose(maps['least'][row, column], hidden.min(), rtol=1e-6)


def test_the_square_may_be_the_image():
  maps = occlusion.occlude(jax.jit(lambda x: {'energy': jnp.sum(x**2, axis=(1, 2, 3))}), IMAGE[:, :9], 9, 3)
  assert maps['energy'].tolist() == [[0.0]]
