"""Inference of one layer against dense matrices in float64 on a small image: operators, steps, and the minimum."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deconv.models import sparse_inference as inference
from deconv.objectives.sparse_coding import penalty
from deconv.options.objectives.sparse_coding import SparseCodingObjective

RNG = np.random.default_rng(0)
SIDE, WINDOW, MAPS = 8, 3, 3
LAMBDA = 2.0


fista = jax.jit(inference.fista, static_argnums=(2, 3))
admm = jax.jit(inference.admm, static_argnums=(2, 3, 4))


def make(channels=1, batch=2, weighted=False, side=SIDE, window=WINDOW):
  """(Quadratic, the dense matrix (pixels, maps) in float64 of its reconstruction)."""
  filters = RNG.normal(size=(window, window, MAPS, channels)).astype(np.float32)
  filters /= np.linalg.norm(filters, axis=(0, 1), keepdims=True)
  images = RNG.normal(size=(batch, side, side - 1, channels)).astype(np.float32)
  weights = np.ones((1, 1, 1, 1), np.float32)
  if weighted:
    weights = (RNG.uniform(size=(batch, side, side - 1, 1)) < 0.6).astype(np.float32)
  return inference.Quadratic(filters, jnp.asarray(images), weights, LAMBDA), dense_of(filters, images.shape[1:])


def dense_of(filters, shape):
  """Sums of filters convolved with maps as a matrix, by loops: pixel (y, x) is the whole convolution at (y, x)."""
  side, _, maps, channels = filters.shape
  height, width, _ = shape
  grown = height + side - 1, width + side - 1
  matrix = np.zeros((height, width, channels, *grown, maps))
  for y in range(height):
    for x in range(width):
      for i in range(side):
        for j in range(side):
          # conv(z, f)[y + side - 1, x + side - 1] = sum_ij f[i, j] z[y + side - 1 - i, x + side - 1 - j]
          matrix[y, x, :, y + side - 1 - i, x + side - 1 - j, :] = filters[i, j].T
  return matrix.reshape(height * width * channels, -1)


def zeros_of(quadratic):
  return jnp.zeros((len(quadratic.images), *inference.map_shape(quadratic.images.shape[1:], quadratic.filters.shape)))


def objective(quadratic, maps, power=1.0):
  return np.asarray(quadratic.value(maps) + penalty(maps, power))


@functools.cache
def minimum(weighted, channels=1):
  """(Quadratic, the objective of each image, found by an independent ADMM on dense matrices in float64)."""
  quadratic, matrix = make(channels, weighted=weighted)
  values = []
  for i, image in enumerate(np.asarray(quadratic.images, np.float64)):
    mask = np.broadcast_to(np.broadcast_to(quadratic.weights, (2, *image.shape[:2], 1))[i], image.shape).ravel()
    system = LAMBDA * (matrix.T * mask) @ matrix + np.eye(matrix.shape[1])
    inverse, target = np.linalg.inv(system), LAMBDA * matrix.T @ (mask * image.ravel())
    z = w = u = np.zeros(matrix.shape[1])
    for _ in range(2000):
      z = inverse @ (target + w - u)
      w = np.sign(z + u) * np.maximum(np.abs(z + u) - 1, 0)
      u = u + z - w
    values.append(LAMBDA / 2 * np.sum(mask * (matrix @ w - image.ravel()) ** 2) + np.abs(w).sum())
  return quadratic, np.array(values)


@pytest.mark.parametrize('channels', [1, 3])
def test_reconstruction_is_the_dense_one_and_correlate_its_adjoint(channels):
  quadratic, matrix = make(channels)
  maps = RNG.normal(size=zeros_of(quadratic).shape).astype(np.float32)
  found = inference.reconstruct(maps, quadratic.filters)
  np.testing.assert_allclose(np.reshape(found, (2, -1)), maps.reshape(2, -1) @ matrix.T, atol=1e-5)
  back = inference.correlate(quadratic.images, quadratic.filters)
  np.testing.assert_allclose(np.reshape(back, (2, -1)), np.reshape(quadratic.images, (2, -1)) @ matrix, atol=1e-5)
  left = np.vdot(np.asarray(found, np.float64), quadratic.images)
  np.testing.assert_allclose(left, np.vdot(maps.astype(np.float64), back), rtol=1e-5)


def test_the_quadratic_function_is_one():
  """1/2 <z, Q z> - <b, z> + c is what `value` says, with missing pixels and a layer above too."""
  quadratic, _ = make(2, weighted=True)
  maps, anchor = RNG.normal(size=(2, *zeros_of(quadratic).shape)).astype(np.float32)
  for one in (quadratic, quadratic._replace(anchor=anchor, anchor_weight=0.7)):
    half = 0.5 * inference.inner(maps, one.product(maps)) - inference.inner(one.linear, maps) + one.constant
    np.testing.assert_allclose(half[:, 0, 0, 0], one.value(maps), rtol=1e-4)


@pytest.mark.parametrize('window', [3, 7])
def test_the_fast_form_is_the_product(window):
  """By convolutions and by transforms, against the dense matrix; with missing pixels and a layer above too."""
  quadratic, matrix = make(2, weighted=True, window=window)
  maps, anchor = RNG.normal(size=(2, *zeros_of(quadratic).shape)).astype(np.float32)
  mask = np.broadcast_to(quadratic.weights, quadratic.images.shape).reshape(2, -1)
  dense = LAMBDA * ((maps.reshape(2, -1) @ matrix.T) * mask) @ matrix
  for one, more in ((quadratic, 0), (quadratic._replace(anchor=anchor, anchor_weight=0.7), 0.7 * maps)):
    for form in (one.product, one.operator()):
      np.testing.assert_allclose(form(maps), dense.reshape(maps.shape) + more, atol=1e-3)


def test_conjugate_gradients_solve_the_dense_system():
  quadratic, matrix = make(weighted=True)
  beta, b = 3.0, RNG.normal(size=zeros_of(quadratic).shape).astype(np.float32)
  found, residual, _ = inference.conjugate_gradients(
    lambda x: quadratic.product(x) + beta * x, b, jnp.zeros_like(b), 40
  )
  for i in range(2):
    mask = np.asarray(quadratic.weights, np.float64)[i].ravel()
    system = LAMBDA * (matrix.T * mask) @ matrix + beta * np.eye(matrix.shape[1])
    np.testing.assert_allclose(np.ravel(found[i]), np.linalg.solve(system, b[i].ravel()), atol=1e-5)
  assert np.abs(residual).max() < 1e-4
  solved = inference.conjugate_gradients(lambda x: 2 * x, jnp.zeros((1, 1, 1, 2)), jnp.zeros((1, 1, 1, 2)), 3)[0]
  np.testing.assert_array_equal(solved, 0)  # and not a number over 0


@pytest.mark.parametrize('weighted', [False, True])
def test_every_inference_reaches_the_reference(weighted):
  """Fista and ADMM to a thousandth. The continuation freezes as beta grows; in many small steps it is within 1 %."""
  quadratic, best = minimum(weighted)
  start = zeros_of(quadratic)
  np.testing.assert_allclose(objective(quadratic, fista(quadratic, start, 1.0, 300)), best, rtol=1e-3)
  np.testing.assert_allclose(objective(quadratic, admm(quadratic, start, 1.0, 300, 1.0)), best, rtol=1e-3)
  maps, _ = slow_continuation(quadratic, start, 1.0)
  found = objective(quadratic, maps)
  assert np.all(found > best * (1 - 1e-4)) and np.all(found < 1.01 * best)


@functools.partial(jax.jit, static_argnums=2)
def slow_continuation(quadratic, start, power):
  return inference.continuation(
    quadratic, start, power, beta_start=0.5, beta_factor=1.6, beta_steps=16, alternations=20, cg_steps=4
  )


def test_iterations_are_watched():
  """After each iteration, and the maps are those that come without a watch."""
  quadratic, _ = make()
  start = zeros_of(quadratic)
  for solve, more in ((inference.fista, ()), (inference.admm, (2.0,))):
    watched = jax.jit(lambda z, solve=solve, more=more: solve(quadratic, z, 1.0, 4, *more, watch=jnp.sum))
    maps, sums = watched(start)
    for i in (1, 4):
      plain = jax.jit(solve, static_argnums=(2, 3, 4))(quadratic, start, 1.0, i, *more)
      np.testing.assert_allclose(sums[i - 1], jnp.sum(plain), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(maps, plain, atol=1e-5)


def test_several_channels_reach_the_reference_too():
  quadratic, best = minimum(weighted=True, channels=3)
  start = zeros_of(quadratic)
  for maps in (fista(quadratic, start, 1.0, 300), admm(quadratic, start, 1.0, 300, 1.0)):
    np.testing.assert_allclose(objective(quadratic, maps), best, rtol=1e-3)


@pytest.mark.parametrize('power', [1.0, 0.8])
def test_the_continuation_never_rises_at_one_beta(power):
  quadratic, _ = make(weighted=True)
  quadratic = quadratic._replace(anchor=0.1 * jnp.ones_like(zeros_of(quadratic)), anchor_weight=0.5)
  maps, energies = slow_continuation(quadratic, zeros_of(quadratic), power)
  energies = np.asarray(energies).reshape(16, 2 * 20, 2)
  change, betas = np.diff(energies, axis=1), 0.5 * 1.6 ** np.arange(16)
  assert np.all(change <= 2e-5 * energies[:, :1] + 2e-6 * betas[:, None, None])  # the last digits of float32
  assert np.all(energies[:, -1] < energies[:, 0])
  assert 0 < np.mean(np.asarray(maps) == 0) < 1  # zeros are exact
  final = quadratic.value(maps) + penalty(maps, power)
  np.testing.assert_allclose(energies[-1, -1], final, rtol=2e-2)


def test_lower_powers_are_sparser_and_the_paper_presets_move_from_zero():
  quadratic, _ = make(side=16)
  shares = []
  for power in (1.0, 0.8):
    maps = jax.jit(inference.infer, static_argnums=(2, 3))(
      quadratic, zeros_of(quadratic), power, SparseCodingObjective(power=(power,))
    )
    assert np.all(objective(quadratic, maps, power) < objective(quadratic, jnp.zeros_like(maps), power))
    shares.append(np.mean(np.abs(maps) > 1e-2))
  assert shares[1] < shares[0]


@pytest.mark.parametrize('kind', ['fista', 'admm'])
def test_what_a_layer_above_expects_draws_the_maps(kind):
  """With a heavy anchor the maps are those that it says, shrunk."""
  quadratic, _ = make()
  anchor = RNG.normal(size=zeros_of(quadratic).shape).astype(np.float32)
  quadratic = quadratic._replace(anchor=anchor, anchor_weight=1e3)
  args = (quadratic, jnp.zeros_like(anchor), 1.0, 100)
  maps = fista(*args) if kind == 'fista' else admm(*args, 1e3)
  np.testing.assert_allclose(maps, anchor, atol=0.02)


def test_images_of_a_batch_do_not_meet():
  quadratic, _ = make(batch=3)
  whole = fista(quadratic, zeros_of(quadratic), 1.0, 100)
  alone = quadratic._replace(images=quadratic.images[1:2])
  np.testing.assert_allclose(whole[1:2], fista(alone, zeros_of(alone), 1.0, 100), atol=1e-4)
