"""Pooling and unpooling against loops in NumPy, against PyTorch where it is installed, and against each other."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deconv.ops import avg_pool, avg_unpool, max_pool, max_unpool

# (spatial size, window, strides, padding)
CASES = [
  ((6, 8), 2, None, 0),
  ((7, 5), 2, 2, 0),  # a row and a column are left over
  ((7, 9), 3, 2, 1),  # overlap, padding
  ((5, 6), (3, 2), (1, 2), ((2, 0), (0, 1))),
  ((4, 4), 1, 1, 0),
  ((9, 9), 2, 3, 0),  # gaps between the windows
  ((3, 6), 3, 3, ((1, 0), (0, 0))),  # as large as its windows, yet padded
  ((2, 2), 4, 1, 3),  # the window is wider than the plane
  ((9,), 3, 2, 1),
  ((4, 3, 5), 2, 1, ((0, 1), (0, 0), (1, 1))),
]
IDS = [f'{size}-{window}-{strides}-{padding}' for size, window, strides, padding in CASES]


def _normal(random, *shape):
  return random.normal(size=shape).astype(np.float32)


def _windows(size, window, strides, padding):
  """Yields (pooled index, list of the pixels inside of the plane) by plain loops."""
  dims = len(size)
  window = (window,) * dims if isinstance(window, int) else window
  strides = window if strides is None else (strides,) * dims if isinstance(strides, int) else strides
  padding = ((padding, padding),) * dims if isinstance(padding, int) else padding
  pooled = [(n + low + high - k) // s + 1 for n, k, s, (low, high) in zip(size, window, strides, padding)]
  for at in np.ndindex(*pooled):
    pixels = []
    for tap in np.ndindex(*window):
      pixel = tuple(i * s + t - low for i, s, t, (low, _) in zip(at, strides, tap, padding))
      if all(0 <= p < n for p, n in zip(pixel, size)):
        pixels.append(pixel)
    yield at, pixels, int(np.prod(window))


def _pool_by_loops(x, window, strides, padding):
  size = x.shape[1:-1]
  values = {}
  for at, pixels, area in _windows(size, window, strides, padding):
    seen = np.stack([x[(slice(None), *pixel)] for pixel in pixels])  # (pixels, b, c)
    flat = np.array([np.ravel_multi_index(pixel, size) for pixel in pixels])
    values[at] = seen.max(0), flat[seen.argmax(0)], seen.sum(0) / area, seen.mean(0)
  pooled = tuple(np.array(list(values)).max(0) + 1)
  results = [np.zeros((x.shape[0], *pooled, x.shape[-1])) for _ in range(4)]
  for at, entries in values.items():
    for result, entry in zip(results, entries):
      result[(slice(None), *at)] = entry
  return results


@pytest.mark.parametrize('size, window, strides, padding', CASES, ids=IDS)
def test_values_and_switches_equal_a_loop_with_ties(size, window, strides, padding):
  # Few distinct values: most windows have ties, and all are negative, so that a padding of zeros would win.
  x = -np.random.default_rng(0).integers(1, 4, (2, *size, 3)).astype(np.float32)
  y, switches = jax.jit(lambda x: max_pool(x, window, strides, padding))(x)
  best, where, mean_all, mean_inside = _pool_by_loops(x, window, strides, padding)
  np.testing.assert_array_equal(y, best)
  np.testing.assert_array_equal(switches, where)
  assert switches.dtype == jnp.int32
  averages = jax.jit(lambda x: [avg_pool(x, window, strides, padding, count_padding=flag) for flag in (True, False)])(x)
  for average, expected in zip(averages, (mean_all, mean_inside)):
    np.testing.assert_allclose(average, expected, rtol=1e-5)


@pytest.mark.parametrize('size, window, strides, padding', CASES, ids=IDS)
def test_unpooling_with_the_window_equals_any_switches_and_a_loop(size, window, strides, padding):
  x = np.random.default_rng(1).integers(0, 5, (2, *size, 3)).astype(np.float32)
  y, switches = jax.jit(lambda x: max_pool(x, window, strides, padding))(x)
  y = np.random.default_rng(2).normal(size=y.shape).astype(np.float32)
  by_window = jax.jit(lambda y, s: max_unpool(y, s, size, window=window, strides=strides, padding=padding))(y, switches)
  by_scatter = jax.jit(lambda y, s: max_unpool(y, s, size))(y, switches)
  expected = np.zeros((2, int(np.prod(size)), 3))
  for b, c in np.ndindex(2, 3):
    np.add.at(expected[b, :, c], np.asarray(switches)[b, ..., c].ravel(), y[b, ..., c].ravel())
  np.testing.assert_allclose(by_window, expected.reshape(x.shape), atol=1e-6)
  np.testing.assert_allclose(by_scatter, expected.reshape(x.shape), atol=1e-6)


@pytest.mark.parametrize('size, window, strides, padding', CASES, ids=IDS)
def test_gradients_are_scatter_to_and_gather_at_the_switches(size, window, strides, padding):
  options = dict(window=window, strides=strides, padding=padding)
  random = np.random.default_rng(3)
  x, tangent = random.integers(0, 6, (2, *size, 3)).astype(np.float32), _normal(random, 2, *size, 3)

  @jax.jit
  def run(x, tangent, dy):
    y, pull, switches = jax.vjp(lambda x: max_pool(x, **options), x, has_aux=True)
    _, pushed = jax.jvp(lambda x: max_pool(x, **options)[0], (x,), (tangent,))
    pulled = [jax.vjp(lambda y, o=o: max_unpool(y, switches, size, **o), y)[1](tangent)[0] for o in ({}, options)]
    return switches, pull(dy)[0], max_unpool(dy, switches, size), pushed, *pulled

  dy = _normal(random, *jax.eval_shape(lambda x: max_pool(x, **options)[0], x).shape)
  switches, dx, scattered, *at_switches = run(x, tangent, dy)
  np.testing.assert_allclose(dx, scattered, atol=1e-6)
  gathered = np.take_along_axis(tangent.reshape(2, -1, 3), np.reshape(switches, (2, -1, 3)), axis=1).reshape(dy.shape)
  for values in at_switches:
    np.testing.assert_allclose(values, gathered, atol=1e-6)


@pytest.mark.parametrize('size, window, strides, padding', CASES, ids=IDS)
def test_average_unpooling_is_the_adjoint_of_average_pooling(size, window, strides, padding):
  random = np.random.default_rng(4)
  x = _normal(random, 2, *size, 3)
  for count_padding in (True, False):
    options = dict(window=window, strides=strides, padding=padding, count_padding=count_padding)
    pool = functools.partial(avg_pool, **options)
    y = _normal(random, *jax.eval_shape(pool, x).shape)
    unpool = functools.partial(avg_unpool, output_size=size, **options)
    pooled, unpooled = jax.jit(lambda x, y, pool=pool, unpool=unpool: (pool(x), unpool(y)))(x, y)
    np.testing.assert_allclose(np.vdot(pooled, y), np.vdot(x, unpooled), rtol=1e-4, atol=1e-4)


def test_a_value_by_hand():
  x = jnp.array([[1, 5, 2, 2], [5, 0, 2, 2], [-1, -3, 9, 9], [-2, -1, 9, 10]], jnp.float32)[None, :, :, None]
  y, switches = max_pool(x, 2)
  assert y.ravel().tolist() == [5, 2, -1, 10]
  assert switches.ravel().tolist() == [1, 2, 8, 15]
  assert max_unpool(y, switches, window=2).ravel().tolist() == [0, 5, 2, 0, 0, 0, 0, 0, -1, 0, 0, 0, 0, 0, 0, 10]
  assert avg_unpool(y, 2).ravel().tolist()[:4] == [1.25, 1.25, 0.5, 0.5]


def test_two_windows_that_chose_the_same_pixel_are_added():
  x = jnp.zeros((1, 3, 3, 1)).at[0, 1, 1, 0].set(7)
  y, switches = max_pool(x, 2, 1)
  assert switches.ravel().tolist() == [4, 4, 4, 4]
  for options in ({}, dict(window=2, strides=1)):
    assert max_unpool(y, switches, 3, **options)[0, 1, 1, 0] == 28


def test_minus_infinity_and_nan():
  x = jnp.full((1, 2, 2, 1), -jnp.inf)
  y, switches = max_pool(x, 3, 1, 1)
  assert bool((y == -jnp.inf).all()) and switches.ravel().tolist() == [0, 0, 0, 0]  # never a pixel of the padding
  y, switches = max_pool(jnp.array([3.0, jnp.nan, 9.0, 1.0])[None, :, None], 4)
  assert bool(jnp.isnan(y).all()) and switches.item() == 1


def test_switches_outside_are_dropped():
  y, switches = jnp.ones((1, 2, 1)), jnp.array([-1, 9])[None, :, None]
  assert not max_unpool(y, switches, 4).any()
  assert not max_unpool(y, switches, window=2).any()


@pytest.mark.parametrize('batch', [0, 1])
def test_small_batches_and_vmap(batch):
  @jax.jit
  def run(x):
    y, switches = max_pool(x, 3, 2, 1)
    back = (
      max_unpool(y, switches, 6, window=3, strides=2, padding=1),
      max_unpool(y, switches, 6),
      avg_unpool(avg_pool(x)),
    )
    both = jnp.stack([x, -x])
    there_and_back = lambda x: max_unpool(*max_pool(x), window=2)
    return y, back, jax.vmap(there_and_back)(both), [there_and_back(x), there_and_back(-x)]

  y, back, mapped, looped = run(_normal(np.random.default_rng(5), batch, 6, 6, 2))
  assert y.shape == (batch, 3, 3, 2)
  assert [a.shape for a in back] == [(batch, 6, 6, 2)] * 3
  np.testing.assert_array_equal(mapped, looped)


def test_second_derivative_of_a_penalty():
  """d/dx of |d/dx sum(pool(x)^3)|^2 = 2 * (3 y^2) * (6 y) at the switches, zero elsewhere."""

  def expected(x):
    y, switches = max_pool(x)
    return max_unpool(36 * y**3, switches, window=2)

  slope = jax.grad(lambda x: jnp.sum(max_pool(x)[0] ** 3))
  x = _normal(np.random.default_rng(6), 1, 4, 4, 2)
  second, wanted = jax.jit(lambda x: (jax.grad(lambda x: jnp.sum(slope(x) ** 2))(x), expected(x)))(x)
  np.testing.assert_allclose(second, wanted, rtol=1e-5)


def test_bfloat16_averages_are_summed_in_float32():
  x = jnp.ones((1, 20, 20, 1), jnp.bfloat16)
  y = jax.jit(lambda x: avg_pool(x, 20))(x)
  assert y.dtype == jnp.bfloat16 and y.item() == 1.0  # a running sum in bfloat16 stops at 256
  assert max_pool(x)[0].dtype == jnp.bfloat16


@pytest.mark.parametrize('options', [dict(window=2), dict(window=3, strides=2, padding=1)])
def test_compiled_training_program_has_no_scatter(options):
  def loss(x):
    y, switches = max_pool(x, **options)
    return jnp.sum(max_unpool(y**2, switches, 8, **options) ** 2)

  text = jax.jit(jax.grad(loss)).lower(jnp.zeros((2, 8, 8, 2))).compile().as_text()
  assert not re.search(r'= \S+ (scatter|reduce-window|select-and-scatter|gather)\(', text)


@pytest.mark.parametrize(
  'call, words',
  [
    (lambda: max_pool(jnp.zeros((1, 4, 4, 1)), (2, 2, 2)), 'window must be an int or 2 ints'),
    (lambda: max_pool(jnp.zeros((1, 4, 4, 1)), 5), r'window \(5, 5\) is larger than spatial size \(4, 4\)'),
    (lambda: max_pool(jnp.zeros((1, 4, 4, 1)), 2, 0), 'strides must be at least 1'),
    (lambda: max_pool(jnp.zeros((1, 4, 4, 1)), 2, 2, 2), 'padding .* must be smaller than window'),
    (lambda: max_pool(jnp.zeros((1, 4, 4, 1)), 2, 2, 'same?'), 'padding must be'),
    (lambda: max_pool(jnp.zeros((4, 4)), 2), r'\(batch, \*spatial, channels\)'),
    (lambda: max_unpool(jnp.zeros((1, 2, 2, 1)), jnp.zeros((1, 2, 2, 2), int), 4), 'switches of shape'),
    (lambda: max_unpool(jnp.zeros((1, 2, 2, 1)), jnp.zeros((1, 2, 2, 1)), 4), 'switches must be integers'),
    (lambda: max_unpool(jnp.zeros((1, 2, 2, 1)), jnp.zeros((1, 2, 2, 1), int)), 'give output_size'),
    (lambda: max_unpool(jnp.zeros((1, 2, 2, 1)), jnp.zeros((1, 2, 2, 1), int), 7, window=2), r'output_size \(7, 7\)'),
    (lambda: avg_unpool(jnp.zeros((1, 2, 2, 1)), 2, output_size=9), r'output_size \(9, 9\)'),
  ],
)
def test_mistakes_name_the_argument(call, words):
  with pytest.raises(ValueError, match=words):
    call()


@pytest.mark.parametrize(
  'size, window, strides, padding',
  [((6, 8), 2, 2, 0), ((7, 5), 2, 2, 0), ((7, 9), 3, 2, 1), ((5, 6), (3, 2), (1, 2), (1, 1)), ((9, 9), 2, 3, 1)],
)
def test_equal_to_pytorch(size, window, strides, padding):
  torch = pytest.importorskip('torch')
  x = np.random.default_rng(0).integers(-3, 3, (2, *size, 3)).astype(np.float32)
  pairs = padding if isinstance(padding, int) else tuple((p, p) for p in padding)
  theirs = torch.tensor(x).permute(0, 3, 1, 2)
  y, switches = jax.jit(lambda x: max_pool(x, window, strides, pairs))(x)
  their_y, their_switches = torch.nn.functional.max_pool2d(theirs, window, strides, padding, return_indices=True)
  np.testing.assert_array_equal(y, their_y.permute(0, 2, 3, 1))
  np.testing.assert_array_equal(switches, their_switches.permute(0, 2, 3, 1))
  for count_padding in (True, False):
    average = torch.nn.functional.avg_pool2d(theirs, window, strides, padding, count_include_pad=count_padding)
    ours = jax.jit(lambda x, flag=count_padding: avg_pool(x, window, strides, pairs, count_padding=flag))(x)
    np.testing.assert_allclose(ours, average.permute(0, 2, 3, 1), atol=1e-6)
  # PyTorch lets one of two equal switches win; with values that depend on the switch alone every order gives the same.
  marks = their_switches.float() + 1
  unpooled = torch.nn.functional.max_unpool2d(marks, their_switches, window, strides, padding, output_size=size)
  unpool = jax.jit(lambda y: max_unpool(y, switches, size))
  ours, counts = unpool(marks.permute(0, 2, 3, 1).numpy()), unpool(np.ones_like(y))
  np.testing.assert_allclose(ours / jnp.maximum(counts, 1), unpooled.permute(0, 2, 3, 1), rtol=1e-6)
