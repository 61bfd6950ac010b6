"""The smooth map against dense matrices in float64: its operators, its minimum, and the joint inference with others."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy import optimize

from deconv.models import SPARSE_CODERS, smooth_map, sparse_inference
from deconv.objectives.sparse_coding import penalty
from deconv.options.models.sparse_coders import DeconvolutionalNetworkOptions
from deconv.options.objectives.sparse_coding import SparseCodingObjective

RNG = np.random.default_rng(0)
SIDE, HEIGHT, WIDTH = 3, 7, 6


def dense():
  """(matrix of `spread`, matrix of the gradient), by loops: pixel (y, x) is the mean of a window, times its side."""
  grown = HEIGHT + SIDE - 1, WIDTH + SIDE - 1
  means, slopes = np.zeros((HEIGHT, WIDTH, *grown)), []
  for y in range(HEIGHT):
    for x in range(WIDTH):
      means[y, x, y : y + SIDE, x : x + SIDE] = 1 / SIDE
  for y in range(grown[0]):
    for x in range(grown[1]):
      for dy, dx in ((1, 0), (0, 1)):
        if y + dy < grown[0] and x + dx < grown[1]:
          one = np.zeros(grown)
          one[y, x], one[y + dy, x + dx] = -1, 1
          slopes.append(one.ravel())
  return means.reshape(HEIGHT * WIDTH, -1), np.array(slopes)


def test_operators_are_the_dense_ones():
  means, slopes = dense()
  smooth = RNG.normal(size=(2, HEIGHT + SIDE - 1, WIDTH + SIDE - 1, 3)).astype(np.float32)
  images = RNG.normal(size=(2, HEIGHT, WIDTH, 3)).astype(np.float32)
  flat = np.moveaxis(smooth, 3, 1).reshape(2, 3, -1)
  found = np.moveaxis(np.asarray(smooth_map.spread(smooth, SIDE)), 3, 1).reshape(2, 3, -1)
  np.testing.assert_allclose(found, flat @ means.T, atol=1e-5)
  back = np.moveaxis(np.asarray(smooth_map.gather(images, SIDE)), 3, 1).reshape(2, 3, -1)
  np.testing.assert_allclose(back, np.moveaxis(images, 3, 1).reshape(2, 3, -1) @ means, atol=1e-5)
  np.testing.assert_allclose(smooth_map.roughness(smooth), np.sum((flat @ slopes.T) ** 2, axis=(1, 2)), rtol=1e-5)


def test_it_is_the_dense_minimum():
  """With missing pixels; with few iterations the objective falls."""
  means, slopes = dense()
  images = RNG.normal(size=(2, HEIGHT, WIDTH, 1)).astype(np.float32)
  weights = (RNG.uniform(size=images.shape) < 0.7).astype(np.float32)
  start = jnp.zeros((2, HEIGHT + SIDE - 1, WIDTH + SIDE - 1, 1))

  def solve(steps):
    return np.asarray(jax.jit(smooth_map.solve, static_argnums=(3, 6))(images, weights, start, SIDE, 5.0, 0.7, steps))

  def value(smooth):
    error = weights[..., 0] * (np.asarray(smooth_map.spread(smooth, SIDE)) - images)[..., 0] ** 2
    return 5.0 / 2 * error.sum(axis=(1, 2)) + 0.7 / 2 * np.asarray(smooth_map.roughness(smooth))

  found = solve(200)
  for i in range(2):
    mask = weights[i].ravel()
    system = 5.0 * (means.T * mask) @ means + 0.7 * slopes.T @ slopes
    best = np.linalg.solve(system, 5.0 * means.T @ (mask * images[i].ravel()))
    np.testing.assert_allclose(found[i].ravel(), best, atol=2e-4)
  assert np.all(value(solve(3)) < value(np.zeros_like(start)))
  assert np.all(value(found) <= value(solve(3)))


def test_alternation_reaches_the_minimum_of_both_together():
  """Against a solver of SciPy for all unknowns at once, maps split into their positive and negative parts."""
  means, slopes = dense()
  options = DeconvolutionalNetworkOptions(maps=(2,), kernel_sizes=(SIDE,))
  network = SPARSE_CODERS[options.name](options, image_shape=(HEIGHT, WIDTH, 1))
  filters = network.init(jax.random.key(0))
  rows = np.mgrid[:HEIGHT, :WIDTH][0]
  images = (0.8 * rows + RNG.normal(size=rows.shape))[None, ..., None].astype(np.float32)
  objective = SparseCodingObjective(
    data_weight=(4.0,), inference='fista', iterations=40, repeats=60, smooth=True, smooth_weight=0.5, smooth_steps=30
  )
  found = jax.jit(network.explain, static_argnums=3)(filters, images, jnp.ones((1, 1, 1, 1)), objective)
  again = network.reconstruction(filters, 0, found)
  value = 2.0 * np.sum((np.asarray(again) - images) ** 2) + float(penalty(found['layer1'], 1.0)[0])
  value += 0.25 * float(smooth_map.roughness(found['smooth'])[0])

  size = found['layer1'].size
  matrix = np.asarray(jax.jacobian(lambda z: sparse_inference.reconstruct(z, filters['layer1']))(found['layer1']))
  matrix = np.hstack([matrix.reshape(HEIGHT * WIDTH, size), -matrix.reshape(HEIGHT * WIDTH, size), means])

  def function(x):
    error, slope = matrix @ x - images.ravel(), slopes @ x[2 * size :]
    gradient = 4.0 * matrix.T @ error
    gradient[: 2 * size] += 1
    gradient[2 * size :] += 0.5 * slopes.T @ slope
    return 2.0 * error @ error + x[: 2 * size].sum() + 0.25 * slope @ slope, gradient

  bounds = [(0, None)] * (2 * size) + [(None, None)] * means.shape[1]
  best = optimize.minimize(
    function, np.zeros(matrix.shape[1]), jac=True, bounds=bounds, options={'maxiter': 5000, 'maxfun': 20000}
  )
  assert best.fun * (1 - 1e-4) < value < best.fun * 1.005
