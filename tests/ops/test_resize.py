"""Resizing against loops in NumPy, SciPy, PyTorch where it is installed, and the transposed convolution it equals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage

from deconv.ops import bilinear_kernel, conv, conv_transpose, resize_bilinear, resize_nearest, resize_nearest_conv

SIZES = [
  ((5, 7), (10, 14)),
  ((5, 7), (15, 7)),
  ((5, 7), (8, 3)),
  ((6, 6), (3, 2)),
  ((1, 4), (5, 9)),
  ((5,), (11,)),
  ((2, 3, 4), (4, 5, 2)),
]


def _normal(*shape, seed=0):
  return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def _nearest_by_loops(x, size):
  y = np.zeros((x.shape[0], *size, x.shape[-1]))
  for at in np.ndindex(*size):
    y[(slice(None), *at)] = x[(slice(None), *(i * n // m for i, n, m in zip(at, x.shape[1:-1], size)))]
  return y


def _bilinear_by_scipy(x, size):
  """Samples at pixel centres with the border repeated, by SciPy's spline interpolation of order 1."""
  grid = np.meshgrid(*((np.arange(m) + 0.5) * n / m - 0.5 for n, m in zip(x.shape[1:-1], size)), indexing='ij')
  y = np.zeros((x.shape[0], *size, x.shape[-1]))
  for b, c in np.ndindex(x.shape[0], x.shape[-1]):
    y[b, ..., c] = scipy.ndimage.map_coordinates(x[b, ..., c].astype(np.float64), grid, order=1, mode='nearest')
  return y


@pytest.mark.parametrize('size, target', SIZES)
def test_values_and_adjoint(size, target):
  x, y = _normal(2, *size, 3), _normal(2, *target, 3, seed=1)
  for resize, expected in ((resize_nearest, _nearest_by_loops), (resize_bilinear, _bilinear_by_scipy)):

    def run(x, y, resize=resize):
      resized, pull = jax.vjp(lambda x: resize(x, size=target), x)
      return resized, pull(y)[0], jax.jvp(lambda x: resize(x, size=target), (x,), (x,))[1]

    resized, pulled, pushed = jax.jit(run)(x, y)
    np.testing.assert_allclose(resized, expected(x, target), atol=2e-6)
    np.testing.assert_allclose(pushed, resized, atol=1e-6)  # it is linear
    np.testing.assert_allclose(np.vdot(resized, y), np.vdot(x, pulled), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('factor', [2, 3, (1, 4), 0.5, 1.5, 2.3, (0.7, 1.9)])
def test_equal_to_pytorch_for_every_factor(factor):
  torch = pytest.importorskip('torch')
  x = _normal(2, 7, 10, 3)
  theirs = torch.tensor(x).permute(0, 3, 1, 2)
  for resize, mode in ((resize_nearest, 'nearest'), (resize_bilinear, 'bilinear')):
    options = {} if mode == 'nearest' else dict(align_corners=False)
    expected = torch.nn.functional.interpolate(theirs, scale_factor=factor, mode=mode, **options).permute(0, 2, 3, 1)
    np.testing.assert_allclose(jax.jit(lambda x, f=resize: f(x, factor))(x), expected, atol=3e-6)


@pytest.mark.parametrize('size', [(14, 20), (9, 9), (3, 17)])
def test_equal_to_pytorch_for_every_size(size):
  torch = pytest.importorskip('torch')
  x = _normal(2, 7, 10, 3)
  theirs = torch.tensor(x).permute(0, 3, 1, 2)
  for resize, mode in ((resize_nearest, 'nearest'), (resize_bilinear, 'bilinear')):
    options = {} if mode == 'nearest' else dict(align_corners=False)
    expected = torch.nn.functional.interpolate(theirs, size=size, mode=mode, **options).permute(0, 2, 3, 1)
    np.testing.assert_allclose(jax.jit(lambda x, f=resize: f(x, size=size))(x), expected, atol=3e-6)


def test_bilinear_kernel_by_hand():
  np.testing.assert_array_equal(bilinear_kernel(2, 1), [0.25, 0.75, 0.75, 0.25])
  np.testing.assert_allclose(bilinear_kernel(3, 1), np.array([1, 2, 3, 2, 1]) / 3)
  np.testing.assert_array_equal(bilinear_kernel(1, 2), [[1]])
  for factor in (1, 2, 3, 4, 8):  # the filter that FCN's authors fill in (upsample_filt), written as they do
    side = 2 * factor - factor % 2
    centre = factor - 1 if side % 2 else factor - 0.5
    rows, columns = np.ogrid[:side, :side]
    expected = (1 - abs(rows - centre) / factor) * (1 - abs(columns - centre) / factor)
    np.testing.assert_allclose(bilinear_kernel(factor), expected)


@pytest.mark.parametrize('factor', [1, 2, 3, 4])
def test_zero_border_is_the_transposed_convolution_with_the_bilinear_kernel(factor):
  x = _normal(2, 4, 5, 3)
  kernel = bilinear_kernel(factor)[..., None, None] * np.eye(3)
  expected = conv_transpose(x, jnp.float32(kernel), strides=factor, padding=-(-(factor - 1) // 2))
  assert expected.shape == (2, 4 * factor, 5 * factor, 3)
  np.testing.assert_allclose(jax.jit(lambda x: resize_bilinear(x, factor, border='zero'))(x), expected, atol=1e-6)


def test_zero_border_of_a_broken_factor_fades_out():
  y = resize_bilinear(jnp.ones((1, 2, 1)), size=5, border='zero')[0, :, 0]
  np.testing.assert_allclose(y, [0.7, 1, 1, 1, 0.7], atol=1e-6)


@pytest.mark.parametrize('factor, side', [(2, 3), (2, 5), (3, 1), (2, 4), (3, 3), (1, 3)])
def test_resize_and_convolution_in_one(factor, side):
  x, kernel = _normal(2, 3, 4, 5), _normal(side, side, 5, 2, seed=1)

  @jax.jit
  def run(x, kernel):
    two = lambda x, kernel: conv(resize_nearest(x, factor), kernel, padding='SAME')
    one = lambda x, kernel: resize_nearest_conv(x, kernel, factor)
    loss = lambda f: lambda *args: jnp.sum(jnp.sin(f(*args)))
    return [(f(x, kernel), *jax.grad(loss(f), (0, 1))(x, kernel)) for f in (two, one)]

  for expected, value in zip(*run(x, kernel)):
    np.testing.assert_allclose(value, expected, atol=2e-4)


def test_resize_and_convolution_in_one_needs_fewer_products():
  x, kernel = jnp.zeros((1, 8, 8, 16)), jnp.zeros((3, 3, 16, 16))
  flops = lambda f: jax.jit(f).lower(x, kernel).compile().cost_analysis()['flops']
  two = flops(lambda x, kernel: conv(resize_nearest(x, 2), kernel, padding='SAME'))
  assert flops(lambda x, kernel: resize_nearest_conv(x, kernel, 2)) < 0.6 * two


@pytest.mark.parametrize('resize', [resize_nearest, resize_bilinear])
def test_types_empty_batches_and_vmap(resize):
  for factor in (2, 1.5):
    side = int(4 * factor)
    assert jax.jit(lambda x, f=factor: resize(x, f))(jnp.zeros((0, 4, 4, 2))).shape == (0, side, side, 2)
  assert resize(jnp.ones((1, 3, 2), jnp.bfloat16), 2).dtype == jnp.bfloat16
  x = _normal(2, 1, 4, 3)
  np.testing.assert_array_equal(jax.vmap(lambda x: resize(x, 2))(x[:, None]), resize(x, 2)[:, None])
  np.testing.assert_array_equal(resize(x, 1), x)


@pytest.mark.parametrize(
  'call, words',
  [
    (lambda x: resize_nearest(x), 'exactly one of factor and size'),
    (lambda x: resize_nearest(x, 2, size=4), 'exactly one of factor and size'),
    (lambda x: resize_bilinear(x, -1), 'factor must be positive'),
    (lambda x: resize_bilinear(x, 0.1), r'empty output \(0, 0\)'),
    (lambda x: resize_bilinear(x, (2, 2, 2)), 'factor has 3 entries'),
    (lambda x: resize_bilinear(x, size=0), 'size must be at least 1'),
    (lambda x: resize_bilinear(x, 2, border='wrap'), "border must be 'edge' or 'zero'"),
    (lambda x: resize_nearest(x[0, 0], 2), r'\(batch, \*spatial, channels\)'),
    (lambda x: resize_nearest(x[:, :0], 2), 'only the batch may be empty'),
    (lambda x: bilinear_kernel(0), 'factor must be at least 1'),
  ],
)
def test_mistakes_name_the_argument(call, words):
  with pytest.raises(ValueError, match=words):
    call(jnp.zeros((1, 4, 4, 2)))
