"""Depth to space: by hand, by a loop, as the inverse and adjoint of space to depth, and as PyTorch has it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deconv.ops import conv, depth_to_space, icnr, resize_nearest, space_to_depth

CASES = [((2, 3), 2, 3), ((3, 2), 3, 1), ((2, 2), (1, 4), 2), ((5,), 3, 2), ((2, 1, 3), 2, 2), ((2, 3), 1, 4)]


def _by_loops(x, factor):
  """Output pixel (i * f + a), channel c = input pixel i, channel c * prod(f) + (row-major index of a)."""
  spatial, copies = x.shape[1:-1], int(np.prod(factor))
  y = np.zeros((x.shape[0], *(n * f for n, f in zip(spatial, factor)), x.shape[-1] // copies), x.dtype)
  for at in np.ndindex(*y.shape[1:]):
    *pixel, c = at
    inside = np.ravel_multi_index([p % f for p, f in zip(pixel, factor)], factor)
    y[(slice(None), *at)] = x[(slice(None), *(p // f for p, f in zip(pixel, factor)), c * copies + inside)]
  return y


def test_by_hand():
  x = jnp.arange(8.0).reshape(1, 1, 1, 8)
  y = depth_to_space(x, 2)
  assert y[0, :, :, 0].tolist() == [[0, 1], [2, 3]]
  assert y[0, :, :, 1].tolist() == [[4, 5], [6, 7]]


@pytest.mark.parametrize('spatial, factor, channels', CASES)
def test_values_inverse_and_adjoint(spatial, factor, channels):
  factors = (factor,) * len(spatial) if isinstance(factor, int) else factor
  x = np.random.default_rng(0).normal(size=(2, *spatial, channels * int(np.prod(factors)))).astype(np.float32)
  shuffle = lambda x: depth_to_space(x, factor)
  y, pulled = jax.jit(lambda x: (shuffle(x), jax.linear_transpose(shuffle, x)(shuffle(x))[0]))(x)
  np.testing.assert_array_equal(y, _by_loops(x, factors))
  np.testing.assert_array_equal(space_to_depth(y, factor), x)
  np.testing.assert_array_equal(pulled, x)  # a permutation: the adjoint is the inverse
  assert depth_to_space(x[:0], factor).shape == (0, *y.shape[1:])
  np.testing.assert_array_equal(jax.vmap(lambda x: depth_to_space(x, factor))(x[:, None])[:, 0], y)


def test_equal_to_pytorch():
  torch = pytest.importorskip('torch')
  x = np.random.default_rng(0).normal(size=(2, 3, 5, 18)).astype(np.float32)
  theirs = torch.tensor(x).permute(0, 3, 1, 2)
  np.testing.assert_array_equal(depth_to_space(x, 3), torch.pixel_shuffle(theirs, 3).permute(0, 2, 3, 1))
  x = np.random.default_rng(0).normal(size=(2, 4, 6, 3)).astype(np.float32)
  theirs = torch.tensor(x).permute(0, 3, 1, 2)
  np.testing.assert_array_equal(space_to_depth(x, 2), torch.pixel_unshuffle(theirs, 2).permute(0, 2, 3, 1))


def test_icnr_starts_as_nearest_neighbour_upsampling():
  init = icnr(jax.nn.initializers.normal(1.0), 2)
  kernel = init(jax.random.key(0), (3, 3, 4, 2 * 4), jnp.float32)
  plain = jax.nn.initializers.normal(1.0)(jax.random.key(0), (3, 3, 4, 2), jnp.float32)
  x = np.random.default_rng(0).normal(size=(1, 5, 4, 4)).astype(np.float32)
  y = depth_to_space(conv(x, kernel, padding='SAME'), 2)
  np.testing.assert_allclose(y, resize_nearest(conv(x, plain, padding='SAME'), 2), atol=1e-5)
  assert np.std(kernel) > 0.8 and not np.allclose(kernel[..., 0], kernel[..., 4])


@pytest.mark.parametrize(
  'call, words',
  [
    (lambda: depth_to_space(jnp.zeros((1, 2, 2, 6)), 2), r'6 channels, not a multiple of prod\(factor\) = 4'),
    (lambda: depth_to_space(jnp.zeros((1, 2, 2, 4)), 0), 'factor must be at least 1'),
    (lambda: depth_to_space(jnp.zeros((1, 2, 2, 4)), (2, 2, 1)), 'factor must be an int or 2 ints'),
    (lambda: depth_to_space(jnp.zeros((1, 2, 2, 4)), 1.5), 'factor must be an int'),
    (lambda: space_to_depth(jnp.zeros((1, 3, 4, 4)), 2), r'sizes \(3, 4\) of x are not multiples'),
    (lambda: icnr(jax.nn.initializers.ones, 2)(jax.random.key(0), (3, 3, 4, 6)), 'cannot be made of 4 equal'),
  ],
)
def test_mistakes_name_the_argument(call, words):
  with pytest.raises(ValueError, match=words):
    call()
