"""Every operator and layer under settings of JAX that are the user's: same dtypes, same values, same programs."""

import contextlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deconv import layers, ops
from deconv.ops import resample


@contextlib.contextmanager
def refusing():
  """The settings that only refuse, together: what each of them would raise, it raises here."""
  with jax.numpy_rank_promotion('raise'), jax.numpy_dtype_promotion('strict'), jax.checking_leaks():
    yield


def normal(*shape):
  return np.random.default_rng(len(shape) + sum(shape)).normal(size=shape).astype(np.float32)


def unpool(**options):
  """Unpools by the switches of a pooling, which are no input: integers have no gradient."""

  def run(x):
    y, switches = ops.max_pool(x, **{name: value for name, value in options.items() if name != 'scatter'})
    return ops.max_unpool(y, switches, x.shape[1:-1], **({} if options.get('scatter') else options))

  return run


IMAGE = normal(2, 6, 8, 4)
UP, DOWN = ops.conv_transpose, ops.conv
# For each public operator what there is to call, (function, floating arguments): all the forms that a CPU chooses from.
CALLS = {
  'avg_pool': [(ops.avg_pool, IMAGE), (lambda x: ops.avg_pool(x, 3, 2, 1, count_padding=False), IMAGE)],
  'avg_unpool': [(ops.avg_unpool, IMAGE), (lambda x: ops.avg_unpool(x, 3, 2, 1, output_size=(11, 15)), IMAGE)],
  'bilinear_kernel': [(lambda x: ops.resize_bilinear(x, 2) * x.dtype.type(ops.bilinear_kernel(2)[0, 0]), IMAGE)],
  'blur': [(ops.blur, IMAGE), (lambda x: ops.blur(x, [1, 2], border='reflect'), IMAGE)],
  'blur_upsample': [(ops.blur_upsample, IMAGE), (lambda x: ops.blur_upsample(x, 3, order=2, border='zero'), IMAGE)],
  'box_filter': [(lambda x: ops.blur(x, ops.box_filter(3)), IMAGE)],
  'conv': [
    (lambda x, k: DOWN(x, k, padding=1), normal(1, 5, 16, 4), normal(3, 3, 4, 4)),  # lax
    (lambda x, k: DOWN(x, k, strides=2, padding=1), IMAGE, normal(4, 4, 4, 5)),  # folded columns
    (lambda x, k: DOWN(x, k, strides=2, dilation=2, padding=2), IMAGE, normal(3, 3, 4, 5)),  # columns of taps
    (lambda x, k: DOWN(x, k, groups=2), IMAGE, normal(3, 3, 2, 4)),
    (lambda x, k: DOWN(x, k, strides=2, groups=4), IMAGE, normal(3, 3, 1, 4)),  # depthwise
    (lambda x, k: DOWN(x, k), IMAGE, normal(5, 5, 4, 70)),  # unfolds the small
    (DOWN, normal(1, 4, 5, 4, 2), normal(2, 2, 2, 2, 3)),
    (DOWN, normal(2, 9, 3), normal(3, 3, 2)),
  ],
  'conv_transpose': [
    (lambda x, k: UP(x, k, padding=1), normal(1, 5, 16, 4), normal(3, 3, 4, 8)),  # lax
    (lambda x, k: UP(x, k, strides=2, padding=1), normal(1, 3, 8, 4), normal(4, 4, 4, 16)),  # wide
    (lambda x, k: UP(x, k, strides=2, padding=1), IMAGE, normal(4, 4, 4, 3)),  # overlap
    (lambda x, k: UP(x, k, strides=2, output_padding=1, dilation=2), IMAGE, normal(3, 3, 4, 3)),
    (lambda x, k: UP(x, k, strides=2, groups=2), IMAGE, normal(3, 3, 4, 3)),
    (lambda x, k: UP(x, k, strides=2, groups=4), IMAGE, normal(3, 3, 4, 1)),  # depthwise
    (UP, normal(1, 2, 3, 2, 2), normal(2, 2, 2, 2, 3)),
    (UP, normal(2, 5, 3), normal(3, 3, 2)),
  ],
  'depth_to_space': [(lambda x: ops.depth_to_space(x, 2), IMAGE)],
  'icnr': [(lambda x: UP(x, ops.icnr(layers.default_kernel_init, 2)(jax.random.key(0), (3, 3, 4, 4), x.dtype)), IMAGE)],
  'lax_conv_general_dilated': [
    (lambda x, k: ops.lax_conv_general_dilated(x, k, (2, 1), 'SAME'), IMAGE, normal(3, 6, 2, 3)),
    (lambda x, k: ops.lax_conv_general_dilated(x, k, (1, 1), [(1, 9), (-1, 0)], (2, 3)), IMAGE, normal(3, 6, 2, 3)),
  ],
  'lax_conv_transpose': [
    (lambda x, k: ops.lax_conv_transpose(x, k, (2, 2), 'SAME'), IMAGE, normal(3, 3, 4, 3)),
    (lambda x, k: ops.lax_conv_transpose(x, k, (2, 3), 'VALID', transpose_kernel=True), IMAGE, normal(2, 4, 3, 4)),
  ],
  'max_pool': [(lambda x: ops.max_pool(x)[0], IMAGE), (lambda x: ops.max_pool(x, 3, 2, 1)[0], IMAGE)],
  'max_unpool': [
    (unpool(window=2), IMAGE),
    (unpool(window=3, strides=2, padding=1), IMAGE),
    (unpool(window=2, scatter=True), IMAGE),
  ],
  'resize_bilinear': [
    (lambda x: ops.resize_bilinear(x, 2), IMAGE),
    (lambda x: ops.resize_bilinear(x, 1.5), IMAGE),
    (lambda x: ops.resize_bilinear(x, size=(3, 5), border='zero'), IMAGE),
  ],
  'resize_nearest': [(lambda x: ops.resize_nearest(x, 2), IMAGE), (lambda x: ops.resize_nearest(x, 1.5), IMAGE)],
  'resize_nearest_conv': [(lambda x, k: ops.resize_nearest_conv(x, k, 2), IMAGE, normal(3, 3, 4, 3))],
  'space_to_depth': [(lambda x: ops.space_to_depth(x, 2), IMAGE)],
  'upsample_filter': [(lambda x: ops.upsample_filter(x, (2, 1), [[1, 2, 1], [1]]), IMAGE)],
  'resample': [(lambda x, method=method: resample.downsample(x, 2, method), IMAGE) for method in resample.METHODS]
  + [(lambda x: resample.upsample_bicubic(x, 2), IMAGE)],
}


def layer_call(layer, x):
  """(function, floating arguments) of a layer: the image and the parameters."""
  switches = ops.max_pool(np.repeat(np.repeat(x, 2, 1), 2, 2))[1]
  arguments = (switches,) if getattr(layer, 'kind', '') == 'unpool' else ()
  shapes = jax.eval_shape(layer.init, jax.random.key(0), x, *arguments).get('params', {})
  names = sorted(shapes)
  run = lambda x, *params: layer.apply({'params': dict(zip(names, params))}, x, *arguments)
  return (run, x, *(normal(*shapes[name].shape) for name in names))


CALLS['layers'] = [
  layer_call(layers.Upsample(3, kind, dtype=dtype), IMAGE) for kind in layers.KINDS for dtype in (None, jnp.bfloat16)
]
CALLS['layers'] += [
  layer_call(layer, IMAGE)
  for layer in (
    layers.Conv(4, 3, 2),
    layers.Conv(4, 3, groups=4),
    layers.ConvTranspose(4, 3, 2, groups=2),
    layers.ConvTranspose(4, 3, 2, groups=4, dtype=jnp.float16),
  )
]


def normalized(x, scale, bias):
  layer, stats = layers.BatchNorm(use_running_average=False), {'mean': np.zeros(4, np.float32)}
  variables = {'params': {'scale': scale, 'bias': bias}, 'batch_stats': {**stats, 'var': np.ones(4, np.float32)}}
  x, variables = jax.tree.map(lambda a: a.astype(np.float32), (x, variables))  # Flax takes sums of halves by promotion
  return layer.apply(variables, x, mutable=['batch_stats'])[0]


def spectral(kernel):
  vectors = {'u': np.full(4, 0.5, np.float32), 'v': np.full(9, 1 / 3, np.float32)}
  return layers.SpectralNorm().apply({'spectral': vectors}, kernel)


CALLS['layers'] += [
  (normalized, IMAGE, normal(4), normal(4)),
  (spectral, normal(3, 3, 4)),
  layer_call(layers.Dense(4), IMAGE),
]
IDS = [(name, i) for name, calls in CALLS.items() for i in range(len(calls))]


def value_and_gradients(name, i, dtype):
  """(function of the arguments -> its value and the gradients of half its squares, the arguments)."""
  f, *arguments = CALLS[name][i]

  def run(*arguments):
    y, pull = jax.vjp(f, *arguments)
    return y, pull(y)

  return run, [a.astype(dtype) for a in arguments]


def types(results):
  return jax.tree.map(lambda a: (a.shape, jnp.dtype(a.dtype).name), results)


def test_no_operator_is_left_out():
  assert set(ops.__all__) - {'keep_freed_memory'} <= set(CALLS)  # that one computes nothing
  public = {
    name
    for name, value in vars(layers).items()
    if name[0] != '_' and isinstance(value, type) and value.__module__ == layers.__name__
  }
  assert public == {'BatchNorm', 'Conv', 'ConvTranspose', 'Dense', 'SpectralNorm', 'Upsample'}


@pytest.mark.parametrize('dtype', ['float32', 'bfloat16', 'float16'])
@pytest.mark.parametrize('name, i', IDS)
def test_the_same_program(name, i, dtype):
  """Text for text, for a CPU and what it is not; with 64 bits, where indices are wider, of the same types."""

  def program():
    traced = jax.jit(run).trace(*arguments)
    return types(traced.out_info), traced.lower(lowering_platforms=('cpu', 'tpu')).as_text()

  run, arguments = value_and_gradients(name, i, jnp.dtype(dtype))
  want = program()
  with refusing():
    assert program() == want
  with jax.enable_x64(True):
    assert program()[0] == want[0]


@pytest.mark.parametrize('name, i', [(name, i) for name, i in IDS if name != 'layers' or i == 0])
def test_the_same_numbers(name, i):
  """With 64 bits by the compiled program; without any not-a-number on the way, operation by operation."""
  run, arguments = value_and_gradients(name, i, jnp.float32)
  want = jax.jit(run)(*arguments)
  with jax.enable_x64(True):
    got = jax.jit(run)(*arguments)
  jax.tree.map(np.testing.assert_array_equal, got, want)
  with jax.debug_nans(True):
    got = run(*arguments)
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), got, want)


def test_the_settings_refuse():
  """That is: the tests above see what they look for."""
  with refusing():
    for mistake in (lambda x: x + np.ones(4, np.float32), lambda x: x + jnp.bfloat16(1) * jnp.ones_like(x)):
      with pytest.raises((ValueError, jax.dtypes.TypePromotionError)):
        jax.jit(mistake).trace(IMAGE)


@pytest.mark.parametrize('name', [name for name in CALLS if name != 'layers'])
def test_64_bits_stay_64_bits(name):
  with jax.enable_x64(True):
    for i in range(len(CALLS[name])):
      run, arguments = value_and_gradients(name, i, np.float64)
      assert {leaf.dtype.name for leaf in jax.tree.leaves(jax.eval_shape(run, *arguments))} == {'float64'}


INTEGERS = np.arange(2 * 4 * 4 * 3).reshape(2, 4, 4, 3).astype(np.uint8)


@pytest.mark.parametrize(
  'name, call',
  [
    ('avg_pool', ops.avg_pool),
    ('avg_unpool', ops.avg_unpool),
    ('blur', ops.blur),
    ('blur_upsample', ops.blur_upsample),
    ('resize_bilinear', lambda x: ops.resize_bilinear(x, 2)),
    ('upsample_filter', lambda x: ops.upsample_filter(x, 2, [1, 1])),
    ('downsample', lambda x: resample.downsample(x, 2)),
    ('downsample', lambda x: resample.downsample(x, 2, 'area')),
    ('upsample_bicubic', lambda x: resample.upsample_bicubic(x, 2)),
  ],
)
@pytest.mark.parametrize('dtype', ['uint8', 'int32', 'bool'])
def test_integers_are_refused_where_they_would_be_truncated(name, call, dtype):
  with pytest.raises(ValueError, match=rf'^{name}: . must be floating, not {dtype}, to which the result would be'):
    call(INTEGERS.astype(dtype))


@pytest.mark.parametrize(
  'call',
  [
    lambda x: ops.resize_nearest(x, 2),
    lambda x: ops.max_pool(x)[0],
    lambda x: ops.depth_to_space(x[..., :1], 1),
    lambda x: ops.space_to_depth(x, 2),
    lambda x: ops.max_unpool(*ops.max_pool(x), window=2),
    lambda x: resample.downsample(x, 2, 'nearest'),
  ],
)
def test_what_only_moves_pixels_takes_integers(call):
  y = call(INTEGERS)
  assert y.dtype == np.uint8
  np.testing.assert_array_equal(y, call(INTEGERS.astype(np.float32)))
