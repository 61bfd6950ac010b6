"""The penalty and its minimiser against brute force, the objective by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deconv.objectives import sparse_coding


@pytest.mark.parametrize('power', [1.0, 0.8, 0.5, 0.1])
@pytest.mark.parametrize('beta', [0.3, 1.0, 50.0, 1e4])
def test_shrink_is_the_minimum(power, beta):
  """Of a fine grid of candidates none is better, and 0 is returned where it is the best."""
  reach = 4 * beta ** (-1 / (2 - power))
  values = np.linspace(-reach, reach, 301, dtype=np.float32)
  found = np.asarray(sparse_coding.shrink(jnp.asarray(values), beta, power), np.float64)

  def cost(w):
    return np.abs(w) ** power + beta / 2 * (w - values.astype(np.float64)) ** 2

  candidates = np.linspace(-1.5 * reach, 1.5 * reach, 20001)[:, None]
  best = np.minimum(cost(candidates).min(axis=0), cost(0.0))
  assert np.all(cost(found) <= best * (1 + 1e-5) + 1e-9)
  zero = cost(0.0) < cost(candidates[np.abs(candidates[:, 0]) > 1e-3 * reach]).min(axis=0) * (1 - 1e-4)
  assert np.all(found[zero] == 0) and 10 < zero.sum() < 290
  np.testing.assert_array_equal(found, -found[::-1])


def test_the_root_is_that_on_the_right():
  """The derivative has two roots above 0; the left one is a maximum."""
  beta, power, value = 1.0, 0.8, 3.0
  w = float(sparse_coding.shrink(jnp.float32(value), beta, power))
  assert abs(power * w ** (power - 1) + beta * (w - value)) < 1e-5
  assert power * (power - 1) * w ** (power - 2) + beta > 0


def test_no_value_is_not_a_number():
  values = jnp.array([0.0, -0.0, 1e-30, -1e-30, 1e10, -1e10], jnp.float32)
  for power in (1.0, 0.8):
    assert np.all(np.isfinite(sparse_coding.shrink(values, 1e5, power)))
  assert np.all(np.isfinite(jax.jit(sparse_coding.shrink, static_argnums=2)(values, jnp.float32(1e5), 0.8)))


def test_objective_by_hand():
  maps = jnp.array([[[[1.0], [-4.0]]], [[[0.0], [0.25]]]])
  images, again = jnp.array([[[[2.0]]], [[[1.0]]]]), jnp.array([[[[0.0]]], [[[4.0]]]])
  np.testing.assert_allclose(sparse_coding.objective(maps, again, images, 1.0, 3.0, 1.0), [6 + 5, 13.5 + 0.25])
  weights = jnp.array([[[[0.5]]], [[[0.0]]]])
  np.testing.assert_allclose(sparse_coding.objective(maps, again, images, weights, 3.0, 0.5), [3 + 3, 0.5])
