"""docs/operators.md: its examples run as they stand, and its table of correspondences holds for values."""

import pathlib
import re

from flax import linen as nn
from flax import nnx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deconv import layers, ops

DOCUMENT = (pathlib.Path(__file__).resolve().parent.parent / 'docs' / 'operators.md').read_text()
BLOCKS = re.findall(r'```python\n(.*?)```', DOCUMENT, re.DOTALL)


def _example(word):
  """Runs the one block of the document that imports `word` and returns its class Up."""
  (block,) = (block for block in BLOCKS if re.search(rf'\b{word}\b', block))
  names = {}
  exec(compile(block, 'docs/operators.md', 'exec'), names)  # pylint: disable=exec-used
  return names['Up']


def _normal(*shape, seed=0):
  return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def _expected(x, kernel):
  return ops.conv_transpose(x, jnp.asarray(kernel), strides=2, padding=1)


def test_every_example_has_a_test():
  assert len(BLOCKS) == 3


def test_nnx_example():
  up, x = _example('nnx')(3, 5, rngs=nnx.Rngs(0)), _normal(2, 4, 4, 3)
  y = nnx.jit(lambda up, x: up(x))(up, x)
  assert y.shape == (2, 8, 8, 5)
  np.testing.assert_allclose(y, _expected(x, up.kernel[...]), atol=1e-6)
  gradient = nnx.grad(lambda up: jnp.sum(up(x) ** 2))(up)
  assert float(jnp.abs(gradient['kernel'][...]).max()) > 0


def test_equinox_example():
  eqx = pytest.importorskip('equinox')
  up, x = _example('eqx')(3, 5, key=jax.random.key(0)), _normal(2, 4, 4, 3)
  y = jax.vmap(up)(x)
  np.testing.assert_allclose(y, _expected(x, up.kernel), atol=1e-6)
  gradient = eqx.filter_grad(lambda up: jnp.sum(jax.vmap(up)(x) ** 2))(up)
  assert float(jnp.abs(gradient.kernel).max()) > 0


def test_haiku_example():
  hk = pytest.importorskip('haiku')
  up = hk.without_apply_rng(hk.transform(lambda x: _example('hk')(5)(x)))
  x = _normal(2, 4, 4, 3)
  params = up.init(jax.random.key(0), x)
  np.testing.assert_allclose(up.apply(params, x), _expected(x, params['up']['kernel']), atol=1e-6)


# (k, s, p, op, d)
PLACEMENTS = [(4, 2, 1, 0, 1), (5, 2, 2, 1, 1), (3, 2, 1, 1, 1), (3, 1, 1, 0, 1), (2, 2, 0, 0, 1), (3, 2, 2, 1, 2)]
SAME = [(4, 2), (5, 2), (3, 2), (3, 1), (2, 2), (7, 3)]


def _ours(k, s, p, op, d):
  x, w = _normal(2, 3, 4, 4), _normal(k, k, 4, 3, seed=1)
  return x, w, ops.conv_transpose(x, w, strides=s, padding=p, output_padding=op, dilation=d)


@pytest.mark.parametrize('k, s, p, op, d', PLACEMENTS)
def test_row_flax(k, s, p, op, d):
  x, w, expected = _ours(k, s, p, op, d)
  padding = [(d * (k - 1) - p, d * (k - 1) - p + op)] * 2
  for transpose, kernel in ((True, w.swapaxes(-1, -2)), (False, w[::-1, ::-1])):
    layer = nn.ConvTranspose(3, (k, k), (s, s), padding, (d, d), use_bias=False, transpose_kernel=transpose)
    np.testing.assert_allclose(layer.apply({'params': {'kernel': kernel}}, x), expected, atol=1e-5)


@pytest.mark.parametrize('k, s', SAME)
def test_row_flax_same(k, s):
  x, w = _normal(2, 3, 4, 4), _normal(k, k, 4, 3, seed=1)
  expected = ops.conv_transpose(x, w, strides=s, padding='SAME')
  for transpose, kernel in ((True, w.swapaxes(-1, -2)), (False, w[::-1, ::-1])):
    layer = nn.ConvTranspose(3, (k, k), (s, s), transpose_kernel=transpose, use_bias=False)
    np.testing.assert_allclose(layer.apply({'params': {'kernel': kernel}}, x), expected, atol=1e-5)


@pytest.mark.parametrize('k, same', [(2, True), (4, True), (3, False), (5, False)])
def test_same_is_the_placement_of_upsample_for_even_kernels_only(k, same):
  x = _normal(1, 3, 4, 4)
  y, variables = layers.Upsample(3, 'deconv', k).init_with_output(jax.random.key(0), x)
  other = ops.conv_transpose(x, variables['params']['kernel'], strides=2, padding='SAME')
  assert y.shape == other.shape and np.allclose(y, other, atol=1e-6) == same
  if not same:  # the same pixels, one further down and right
    np.testing.assert_allclose(y[:, :-1, :-1], other[:, 1:, 1:], atol=1e-6)


@pytest.mark.parametrize('k, s, p, op, d', PLACEMENTS)
def test_row_pytorch(k, s, p, op, d):
  torch = pytest.importorskip('torch')
  x, w, expected = _ours(k, s, p, op, d)
  weight = torch.tensor(w.transpose(2, 3, 0, 1).copy())
  y = torch.nn.functional.conv_transpose2d(
    torch.tensor(x.transpose(0, 3, 1, 2).copy()), weight, stride=s, padding=p, output_padding=op, dilation=d
  )
  np.testing.assert_allclose(y.permute(0, 2, 3, 1), expected, atol=1e-5)


@pytest.mark.parametrize('k, s, p, op, d', PLACEMENTS)
def test_row_equinox(k, s, p, op, d):
  eqx = pytest.importorskip('equinox')
  x, w, expected = _ours(k, s, p, op, d)
  layer = eqx.nn.ConvTranspose2d(
    4, 3, k, s, padding=p, output_padding=op, dilation=d, use_bias=False, key=jax.random.key(0)
  )
  layer = eqx.tree_at(lambda layer: layer.weight, layer, jnp.asarray(w[::-1, ::-1].transpose(3, 2, 0, 1)))
  y = jax.vmap(layer)(x.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)
  np.testing.assert_allclose(y, expected, atol=1e-5)


@pytest.mark.parametrize('k, s', SAME)
def test_row_haiku(k, s):
  hk = pytest.importorskip('haiku')
  x, w = _normal(2, 3, 4, 4), _normal(k, k, 4, 3, seed=1)
  layer = hk.without_apply_rng(hk.transform(lambda x: hk.Conv2DTranspose(3, k, s, padding='SAME', with_bias=False)(x)))
  y = layer.apply({'conv2_d_transpose': {'w': w[::-1, ::-1].swapaxes(-1, -2)}}, x)
  np.testing.assert_allclose(y, ops.conv_transpose(x, w, strides=s, padding='SAME'), atol=1e-5)
