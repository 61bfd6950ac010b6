"""Layers: every kind of upsampling against the operators it is made of, sizes, initial values, mistakes; batch norm."""

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deconv import ops
from deconv.errors import UserError
from deconv.layers import KINDS, BatchNorm, Conv, ConvTranspose, Upsample, fan_in_normal


def _normal(*shape, seed=0):
  return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def _random_params(layer, *args):
  shapes = jax.eval_shape(layer.init, jax.random.key(0), *args)['params']
  assert all(leaf.dtype == jnp.float32 for leaf in shapes.values())
  return {name: 0.2 * _normal(*leaf.shape, seed=len(name)) for name, leaf in shapes.items()}


def _check(layer, expected, *args):
  """Compares a layer with `expected(*args, kernel)` + bias at parameters away from zero; returns the kernel's shape."""
  params = _random_params(layer, *args)

  @jax.jit
  def run(params, *args):
    return layer.apply({'params': params}, *args), expected(*args, params['kernel']) + params['bias']

  y, by_operators = run(params, *args)
  np.testing.assert_allclose(y, by_operators, atol=1e-5)
  return params['kernel'].shape


def test_convolutions_call_the_operators_with_every_argument():
  x = _normal(2, 7, 6, 4)
  options = dict(strides=(2, 1), padding=1, dilation=(1, 2), groups=2)
  assert _check(Conv(6, (3, 2), **options), lambda x, k: ops.conv(x, k, **options), x) == (3, 2, 2, 6)
  options = dict(strides=(2, 1), padding=(1, 0), output_padding=(1, 0), dilation=(1, 2), groups=2)
  transposed = lambda x, k: ops.conv_transpose(x, k, **options)
  assert _check(ConvTranspose(6, (3, 2), **options), transposed, x) == (3, 2, 4, 3)


def test_same_padding_is_the_default():
  small = jax.eval_shape(Conv(3, 5, strides=2).init_with_output, jax.random.key(0), _normal(1, 7, 8, 2))[0]
  assert small.shape == (1, 4, 4, 3)
  large = jax.eval_shape(ConvTranspose(3, 5, strides=2).init_with_output, jax.random.key(0), _normal(1, 7, 8, 2))[0]
  assert large.shape == (1, 14, 16, 3)


@pytest.mark.parametrize('kind', KINDS)
def test_every_kind_multiplies_the_size_exactly(kind):
  """Shapes alone, so many: every factor, kernel size and odd or flat input."""
  for factor in (1, 2, 3):
    for size, side in (((1, 1), 4), ((3, 5), 5), ((3, 5), 2), ((4,), 3), ((2, 3, 2), 1)):
      layer = Upsample(4, kind, side, factor)
      x, switches = jax.ShapeDtypeStruct((2, *size, 3), jnp.float32), jax.ShapeDtypeStruct((2, *size, 3), jnp.int32)
      y, _ = jax.eval_shape(layer.init_with_output, jax.random.key(0), x, switches)
      assert y.shape == (2, *(n * factor for n in size), 4), (factor, size, side)


@pytest.mark.parametrize('kind', KINDS)
def test_parameters_types_and_gradients(kind):
  x = _normal(2, 3, 4, 3).astype(jnp.bfloat16)
  # The upper left pixel of each 2x2 block.
  switches = np.broadcast_to((16 * np.arange(3)[:, None] + 2 * np.arange(4))[None, ..., None], x.shape)
  layer = Upsample(5, kind, dtype=jnp.bfloat16)
  params = _random_params(layer, x, switches)
  assert set(params) == {'kernel', 'bias'} and params['bias'].shape == (5,)
  unbiased = jax.eval_shape(Upsample(5, kind, use_bias=False).init, jax.random.key(0), x, switches)
  assert set(unbiased['params']) == {'kernel'}

  @jax.jit
  def run(params):
    loss = lambda p: jnp.sum(layer.apply({'params': p}, x, switches).astype(jnp.float32) ** 2)
    wide = Upsample(5, kind, dtype=jnp.float32).apply({'params': params}, x, switches)
    return layer.apply({'params': params}, x, switches), wide, jax.grad(loss)(params)

  y, wide, gradient = run(params)
  assert y.dtype == jnp.bfloat16 and wide.dtype == jnp.float32
  np.testing.assert_allclose(y.astype(jnp.float32), wide, atol=0.05 * float(jnp.abs(wide).max()))
  assert float(jnp.abs(gradient['kernel']).max()) > 0 and float(jnp.abs(gradient['bias']).max()) > 0


@pytest.mark.parametrize(
  'kind, side, padding, output_padding',
  [
    ('deconv', 4, 1, 0),
    ('deconv', 5, 2, 1),
    ('deconv', 3, 1, 1),
    ('deconv2', 2, 0, 0),
    ('deconv3', 3, 1, 1),
    ('deconv4', 4, 1, 0),
    ('deconv5', 5, 2, 1),
  ],
)
def test_deconv_has_the_placement_of_pytorch(kind, side, padding, output_padding):
  expected = lambda x, k: ops.conv_transpose(x, k, strides=2, padding=padding, output_padding=output_padding)
  layer = Upsample(5, kind, side if kind == 'deconv' else 7)
  assert _check(layer, expected, _normal(2, 3, 4, 3)) == (side, side, 3, 5)


@pytest.mark.parametrize(
  'kind, resize', [('resize_nearest', ops.resize_nearest), ('resize_bilinear', ops.resize_bilinear)]
)
def test_resize_kinds_are_resize_and_convolution(kind, resize):
  expected = lambda x, k: ops.conv(resize(x, 3), k, padding='SAME')
  assert _check(Upsample(5, kind, 4, 3), expected, _normal(2, 3, 4, 3)) == (3, 3, 3, 5)
  assert _check(Upsample(5, kind, 5, 3), expected, _normal(2, 3, 4, 3)) == (5, 5, 3, 5)


def test_subpixel_starts_as_nearest_neighbour_and_is_a_shuffled_convolution():
  x = _normal(2, 3, 4, 3)
  start, _ = jax.jit(Upsample(5, 'subpixel', 3).init_with_output)(jax.random.key(0), x)
  blocks = np.repeat(np.repeat(start[:, ::2, ::2], 2, axis=1), 2, axis=2)
  np.testing.assert_allclose(start, blocks, atol=1e-6)
  assert np.std(start) > 1e-2
  expected = lambda x, k: ops.depth_to_space(ops.conv(x, k, padding='SAME'), 2)
  assert _check(Upsample(5, 'subpixel', 3), expected, x) == (3, 3, 3, 20)


def test_unpool_puts_values_at_the_switches_before_the_convolution():
  pooled, switches = ops.max_pool(_normal(2, 6, 8, 3))
  expected = lambda x, switches, k: ops.conv(ops.max_unpool(x, switches, (6, 8)), k, padding='SAME')
  assert _check(Upsample(5, 'unpool', 3), expected, pooled, switches) == (3, 3, 3, 5)


@pytest.mark.parametrize('factor', [1, 2, 3, 4])
def test_bilinear_kinds_start_as_interpolation(factor):
  x = _normal(2, 4, 5, 3)
  expected = ops.resize_bilinear(x, factor, border='zero')
  for kind in ('bilinear_deconv', 'bilinear_deconv_fixed'):
    y, variables = Upsample(3, kind, factor=factor, use_bias=False).init_with_output(jax.random.key(0), x)
    np.testing.assert_allclose(y, expected, atol=1e-5)
    assert bool(variables) == (kind == 'bilinear_deconv')  # the fixed one has nothing to learn
    inner = (slice(None), slice(factor, -factor), slice(factor, -factor))
    np.testing.assert_allclose(y[inner], ops.resize_bilinear(x, factor)[inner], atol=1e-5)


def test_fixed_bilinear_changes_channels_by_a_1x1_convolution():
  expected = lambda x, k: ops.resize_bilinear(ops.conv(x, k), 2, border='zero')
  assert _check(Upsample(7, 'bilinear_deconv_fixed'), expected, _normal(2, 4, 5, 3)) == (1, 1, 3, 7)


@pytest.mark.parametrize('factor', [2, 3])
def test_blur_removes_the_checkerboard_of_an_uneven_kernel(factor):
  """A constant input through a kernel that the factor does not divide: only the blurred output is constant inside."""
  x = jnp.ones((1, 8, 8, 2))
  ripples = {}
  for kind in ('deconv', 'blur'):
    y, _ = Upsample(1, kind, factor + 1, factor, kernel_init=nn.initializers.ones).init_with_output(
      jax.random.key(0), x
    )
    ripples[kind] = float(jnp.ptp(y[:, 2 * factor : -2 * factor, 2 * factor : -2 * factor]) / y.max())
  assert ripples['deconv'] > 0.3 and ripples['blur'] < 1e-5


@pytest.mark.parametrize(
  'layer, scale',
  [
    (Conv(256, 3, padding='VALID', groups=2, kernel_init=fan_in_normal(1.0)), 1),
    (ConvTranspose(4, 4, 2, kernel_init=fan_in_normal(1.0, 2, transposed=True)), 1),
    (ConvTranspose(256, 6, 3, groups=4, kernel_init=None), 2),
    (Conv(256, 3, padding='VALID', groups=2, kernel_init=None), 2),
    (Upsample(64, 'deconv', 4, kernel_init=None), 2),
    (Upsample(64, 'deconv', 6, 3, kernel_init=None), 2),
    (Upsample(64, 'resize_bilinear', 1, 1, kernel_init=None), 2),
    (Upsample(64, 'subpixel', 3, kernel_init=None), 2),
  ],
)
def test_fan_in_counts_what_enters_a_pixel(layer, scale):
  """White inputs of variance 1 leave with variance `scale`, whatever stride, groups and number of outputs."""
  y, _ = jax.jit(layer.init_with_output)(jax.random.key(0), _normal(2, 6, 6, 256))
  inner = y[:, 2:-2, 2:-2] if y.shape[1] > 6 else y
  np.testing.assert_allclose(float(jnp.var(inner)), scale, rtol=0.15)


def test_default_kernels_are_those_of_dcgan():
  kinds = [Upsample(64, kind, 5) for kind in ('deconv', 'resize_nearest', 'subpixel')]
  for layer in (Conv(64, 5), ConvTranspose(64, 5), *kinds):
    kernel = jax.jit(layer.init)(jax.random.key(0), jnp.zeros((1, 2, 2, 32)))['params']['kernel']
    np.testing.assert_allclose(kernel.std(), 0.02, rtol=0.05)


def test_mistakes_are_user_errors():
  x = jnp.zeros((1, 2, 2, 3))
  init = lambda *args, **kwargs: Upsample(4, *args, **kwargs).init(jax.random.key(0), x)
  with pytest.raises(UserError, match="no kind .* 'resize_nearst'; did you mean 'resize_nearest'.*subpixel"):
    init('resize_nearst')
  with pytest.raises(UserError, match="'qqq'[?].*deconv, deconv2, deconv3, deconv4, deconv5, resize_nearest"):
    init('qqq')
  with pytest.raises(UserError, match="'unpool' needs the switches"):
    init('unpool')
  with pytest.raises(UserError, match='factor=0'):
    init('deconv', factor=0)
  with pytest.raises(UserError, match='features=5 must be a multiple of groups=2'):
    ConvTranspose(5, 3, groups=2).init(jax.random.key(0), jnp.zeros((1, 2, 2, 4)))


def test_running_statistics_begin_with_the_first_batch():
  ours, flax = BatchNorm(decay=0.75), nn.BatchNorm(momentum=0.75)
  batches = [3 + 0.1 * _normal(64, 5, seed=seed) for seed in (0, 1, 2)]
  variables = ours.init(jax.random.key(0), batches[0], use_running_average=False)
  assert jax.tree.map(jnp.shape, variables) == jax.tree.map(
    jnp.shape, flax.init(jax.random.key(0), batches[0], use_running_average=False)
  )
  stats = variables['batch_stats']
  assert np.all(stats['mean'] == 0) and np.all(stats['var'] == 1)  # what init has seen is an example
  expected = None
  for x in batches:
    y, new = ours.apply({**variables, 'batch_stats': stats}, x, use_running_average=False, mutable=['batch_stats'])
    theirs, _ = flax.apply({**variables, 'batch_stats': stats}, x, use_running_average=False, mutable=['batch_stats'])
    np.testing.assert_array_equal(y, theirs)
    seen = {'mean': x.mean(0), 'var': x.var(0)}
    expected = seen if expected is None else {k: 0.75 * expected[k] + 0.25 * seen[k] for k in seen}
    stats = new['batch_stats']
    for name in expected:
      np.testing.assert_allclose(stats[name], expected[name], rtol=1e-3, err_msg=name)
  running = ours.apply({**variables, 'batch_stats': stats}, batches[0], use_running_average=True)
  np.testing.assert_allclose(running, (batches[0] - stats['mean']) / np.sqrt(stats['var'] + 1e-5), rtol=1e-3, atol=1e-4)
