"""Blur filters against SciPy, the transposed convolution they equal, and their spectra."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage

from deconv.ops import bilinear_kernel, blur, blur_upsample, box_filter, conv_transpose, resize_nearest, upsample_filter


def _normal(*shape, seed=0):
  return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_filters_by_hand():
  np.testing.assert_allclose(box_filter(2, 2), np.array([1, 2, 1]) / 4)
  np.testing.assert_allclose(box_filter(2, 3), np.array([1, 3, 3, 1]) / 8)
  np.testing.assert_allclose(box_filter(3, 2), np.array([1, 2, 3, 2, 1]) / 9)
  np.testing.assert_allclose(box_filter(1, 5), [1])


@pytest.mark.parametrize('factor', [2, 3, 4])
def test_spectrum_is_zero_at_the_frequencies_of_the_checkerboard(factor):
  taps = box_filter(factor, 2)
  for k in range(1, factor):
    assert abs(np.sum(taps * np.exp(-2j * np.pi * k / factor * np.arange(len(taps))))) < 1e-12


@pytest.mark.parametrize('border, mode', [('edge', 'nearest'), ('zero', 'constant'), ('reflect', 'mirror')])
def test_blur_equals_scipy(border, mode):
  x = _normal(2, 6, 7, 3)
  for taps in (box_filter(2, 2), np.array([0.1, 0.2, 0.3, 0.3, 0.1])):
    expected = x.astype(np.float64)
    for axis in (1, 2):
      expected = scipy.ndimage.convolve1d(expected, taps, axis, mode=mode)
    np.testing.assert_allclose(jax.jit(lambda x, t=taps: blur(x, t, border=border))(x), expected, atol=1e-6)


@pytest.mark.parametrize('factor, length', [(1, 3), (2, 2), (2, 3), (2, 4), (2, 7), (3, 3), (3, 7), (4, 6), (3, 2)])
def test_upsample_filter_is_a_depthwise_transposed_convolution(factor, length):
  x, taps = _normal(2, 5, 4, 3), _normal(length, seed=1)
  low = (length - factor) // 2
  # The full transposed convolution, cropped or extended with zeros to the place that the filter has.
  kernel = np.multiply.outer(taps, taps)[..., None, None] * np.eye(3, dtype=np.float32)
  full = np.asarray(conv_transpose(x, jnp.asarray(kernel), strides=factor))
  full = np.pad(full, [(0, 0), (max(0, -low), factor), (max(0, -low), factor), (0, 0)])[:, max(0, low) :, max(0, low) :]
  expected = full[:, : 5 * factor, : 4 * factor]
  value = jax.jit(lambda x: upsample_filter(x, factor, taps, border='zero'))(x)
  np.testing.assert_allclose(value, expected, atol=1e-5)


def test_orders_of_blur_upsampling():
  x = _normal(1, 4, 5, 2)
  np.testing.assert_allclose(blur_upsample(x, 3, order=1), resize_nearest(x, 3), atol=1e-6)
  # [1, 3, 3, 1] / 4 of StyleGAN 2 is the bilinear filter of factor 2.
  np.testing.assert_allclose(2 * box_filter(2, 3), bilinear_kernel(2, 1))
  assert blur_upsample(x, (2, 3)).shape == (1, 8, 15, 2)


@pytest.mark.parametrize('factor', [1, 2, 3, 4])
def test_constants_stay_constant_and_the_adjoint_is_right(factor):
  x, y = _normal(2, 3, 4, 2), _normal(2, 3 * factor, 4 * factor, 2, seed=1)
  for order in (1, 2, 3):

    def run(x, y, order=order):
      up, pull = jax.vjp(lambda x: blur_upsample(x, factor, order=order), x)
      return up, pull(y)[0], blur_upsample(jnp.ones_like(x), factor, order=order)

    up, pulled, ones = jax.jit(run)(x, y)
    np.testing.assert_allclose(ones, 1, atol=1e-6)
    np.testing.assert_allclose(np.vdot(up, y), np.vdot(x, pulled), rtol=1e-4, atol=1e-4)


def test_types_empty_batches_and_vmap():
  assert blur(jnp.ones((1, 4, 4, 1), jnp.bfloat16)).dtype == jnp.bfloat16
  assert blur_upsample(jnp.zeros((0, 4, 4, 1))).shape == (0, 8, 8, 1)
  x = _normal(2, 1, 4, 3)
  np.testing.assert_allclose(jax.vmap(blur_upsample)(x[:, None])[:, 0], blur_upsample(x), atol=1e-6)


@pytest.mark.parametrize(
  'call, words',
  [
    (lambda x: blur(x, border='wrap'), 'border must be one of edge, zero, reflect'),
    (lambda x: blur_upsample(x, 0), 'factor must be at least 1'),
    (lambda x: upsample_filter(x, 2, [[1, 1]] * 3), 'taps has 3 filters for 2 spatial dimensions'),
    (lambda x: blur(x, []), 'taps'),
    (lambda x: box_filter(0), 'length must be at least 1'),
  ],
)
def test_mistakes_name_the_argument(call, words):
  with pytest.raises(ValueError, match=words):
    call(jnp.zeros((1, 4, 4, 2)))
