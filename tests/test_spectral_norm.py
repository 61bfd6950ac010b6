"""Spectral norm: sigma against the singular values, its gradient, when its vectors move, and every kind of layer."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deconv import layers

KEY = jax.random.key(0)
X = np.random.default_rng(0).normal(size=(2, 6, 6, 3)).astype(np.float32)
LAYERS = {
  'dense': lambda **kw: layers.Dense(5, **kw),
  'conv': lambda **kw: layers.Conv(5, 3, kernel_init=layers.normal(1.0), **kw),
  'transposed': lambda **kw: layers.ConvTranspose(5, 4, strides=2, kernel_init=layers.normal(1.0), **kw),
  'upsample': lambda **kw: layers.Upsample(5, 'deconv', kernel_init=layers.normal(1.0), **kw),
  'subpixel': lambda **kw: layers.Upsample(5, 'subpixel', kernel_init=layers.normal(1.0), **kw),
}


def iterate(layer, variables, number):
  @jax.jit
  def step(spectral):
    _, new = layer.apply({**variables, 'spectral': spectral}, X, mutable=['spectral'])
    return new['spectral']

  spectral = variables['spectral']
  for _ in range(number):
    spectral = step(spectral)
  return spectral


@pytest.mark.parametrize('name', LAYERS)
def test_sigma_is_the_largest_singular_value(name):
  """The kernel as a matrix with a row for each output channel, which stands last in all of ours."""
  layer, plain = LAYERS[name](spectral_norm=True), LAYERS[name]()
  variables = layer.init(KEY, X)
  kernel = np.float64(variables['params']['kernel'])
  matrix = kernel.reshape(-1, kernel.shape[-1]).T
  assert variables['spectral']['spectral_norm']['u'].shape == (kernel.shape[-1],)
  sigma = np.linalg.svd(matrix, compute_uv=False)[0]
  spectral = iterate(layer, variables, 200)
  y = layer.apply({**variables, 'spectral': spectral}, X)
  expected = plain.apply({'params': {**variables['params'], 'kernel': np.float32(kernel / sigma)}}, X)
  np.testing.assert_allclose(y, expected, rtol=2e-4, atol=1e-4)
  # u and v are the first singular vectors, of length one.
  u, v = (np.float64(spectral['spectral_norm'][name]) for name in 'uv')
  assert np.linalg.norm(u) == pytest.approx(1, rel=1e-5) and np.linalg.norm(v) == pytest.approx(1, rel=1e-5)
  np.testing.assert_allclose(matrix @ v, sigma * u, atol=1e-3 * sigma)


def test_the_reshape_of_a_transposed_kernel():
  """Another axis as the rows has other singular values, so the choice is tested."""
  variables = LAYERS['transposed'](spectral_norm=True).init(KEY, X)
  kernel = np.float64(variables['params']['kernel'])  # 4 4 c_in c_out
  ours = np.linalg.svd(kernel.reshape(-1, 5), compute_uv=False)[0]
  other = np.linalg.svd(np.moveaxis(kernel, 2, -1).reshape(-1, 3), compute_uv=False)[0]
  assert abs(ours / other - 1) > 0.01


def test_one_iteration_by_hand_and_only_where_it_is_asked_for():
  layer = LAYERS['conv'](spectral_norm=True)
  variables = layer.init(KEY, X)
  before = variables['spectral']['spectral_norm']
  y, new = layer.apply(variables, X, mutable=['batch_stats'])
  assert 'spectral' not in new
  matrix = np.asarray(variables['params']['kernel']).reshape(-1, 5).T
  v = matrix.T @ before['u']
  v /= np.linalg.norm(v)
  np.testing.assert_allclose(before['v'], v, rtol=1e-5)  # the start already belongs to the kernel
  u = matrix @ v
  after = iterate(layer, variables, 1)['spectral_norm']
  np.testing.assert_allclose(after['u'], u / np.linalg.norm(u), rtol=1e-4)
  np.testing.assert_allclose(after['v'], v, rtol=1e-5)
  np.testing.assert_array_equal(y, layer.apply(variables, X))


def test_the_gradient_goes_through_the_kernel_alone():
  """d/dW of (W / sigma): the vectors are constants (Miyato et al. 2018, equation 12)."""
  with jax.enable_x64():
    rng = np.random.default_rng(1)
    kernel, u, v = rng.normal(size=(4, 3)), rng.normal(size=3), rng.normal(size=4)
    cost = rng.normal(size=(4, 3))
    module = layers.SpectralNorm()

    def loss(kernel):
      return jnp.sum(cost * module.apply({'spectral': {'u': u, 'v': v}}, kernel))

    sigma = np.float64(np.float32(v)) @ kernel @ u
    sigma = v @ kernel @ u
    expected = cost / sigma - np.sum(cost * kernel) / sigma**2 * np.outer(v, u)
    np.testing.assert_allclose(jax.grad(loss)(jnp.asarray(kernel)), expected, rtol=1e-4)


def test_dense_is_that_of_flax():
  from flax import linen as nn

  ours, theirs = layers.Dense(4), nn.Dense(4)
  x = X[:, 0, 0]
  variables = theirs.init(KEY, x)
  assert jax.tree.map(jnp.shape, ours.init(KEY, x)) == jax.tree.map(jnp.shape, variables)
  np.testing.assert_array_equal(ours.init(KEY, x)['params']['kernel'], variables['params']['kernel'])
  np.testing.assert_array_equal(ours.apply(variables, x), theirs.apply(variables, x))
  half = layers.Dense(4, dtype=jnp.bfloat16)
  assert half.apply(variables, x).dtype == jnp.bfloat16
