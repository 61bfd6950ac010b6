"""Values of conv and conv_transpose against loops in float64, and what they refuse."""

import functools

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deconv.ops import conv, conv_transpose
from tests.ops import conv_reference as reference

# Hundreds of shapes are a compilation each: LLVM need not try hard.
FAST_COMPILE = {'xla_backend_optimization_level': 0}


def run(f, *args):
  return jax.jit(f).lower(*args).compile(compiler_options=FAST_COMPILE)(*args)


def draw_array(rng, *shape):
  return rng.normal(size=shape).astype(np.float32)


@st.composite
def transposed_cases(draw, n):
  """Arguments of a transposed convolution with n spatial dimensions whose output is not empty."""
  top = {1: 6, 2: 4, 3: 3}[n]
  ints = lambda low, high: st.integers(low, high)
  window = tuple(draw(ints(1, top)) for _ in range(n))
  strides = tuple(draw(ints(1, top)) for _ in range(n))
  dilation = tuple(draw(ints(1, 3 if n == 1 else 2)) for _ in range(n))
  small = tuple(draw(ints(1, {1: 9, 2: 6, 3: 3}[n])) for _ in range(n))
  reach = [d * (k - 1) + 1 for k, d in zip(window, dilation)]
  extra = tuple(draw(ints(0, max(s, d) - 1)) for s, d in zip(strides, dilation))
  padding = []
  for d in range(n):
    room = (small[d] - 1) * strides[d] + reach[d] + extra[d] - 1
    low = draw(ints(0, min(room, reach[d] + 1)))
    padding.append((low, draw(ints(0, min(room - low, reach[d] + 1)))))
  groups = draw(st.sampled_from([1, 1, 1, 2, 3]))
  c_in = groups * draw(ints(1, 3))
  c_out = draw(st.sampled_from([1, 2, 5, 20] if n < 3 else [1, 3]))
  batch = draw(st.sampled_from([0, 1, 2, 3]))
  return dict(
    batch=batch,
    small=small,
    window=window,
    strides=strides,
    padding=tuple(padding),
    output_padding=extra,
    dilation=dilation,
    groups=groups,
    c_in=c_in,
    c_out=c_out,
    seed=draw(ints(0, 2**31)),
  )


def check_transposed(batch, small, window, strides, padding, output_padding, dilation, groups, c_in, c_out, seed):
  rng = np.random.default_rng(seed)
  x, kernel = draw_array(rng, batch, *small, c_in), draw_array(rng, *window, c_in, c_out)
  large = tuple(
    (i - 1) * s + d * (k - 1) + 1 - sum(p) + o
    for i, s, d, k, p, o in zip(small, strides, dilation, window, padding, output_padding)
  )
  ct = draw_array(rng, batch, *large, groups * c_out)

  def forward_and_gradients(x, kernel, ct):
    f = functools.partial(
      conv_transpose, strides=strides, padding=padding, output_padding=output_padding, dilation=dilation, groups=groups
    )
    y, vjp = jax.vjp(f, x, kernel)
    return y, *vjp(ct)

  y, dx, dk = run(forward_and_gradients, x, kernel, ct)
  args = large, strides, [p[0] for p in padding], dilation, groups
  want = reference.conv_transpose(x, kernel, *args)
  want_dx, want_dk = reference.conv_transpose_grads(x, kernel, ct, *args)
  for got, expected in ((y, want), (dx, want_dx), (dk, want_dk)):
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=2e-4)
  # <A x, y> = <x, A' y>
  inner = lambda a, b: np.vdot(np.asarray(a, np.float64), b)
  np.testing.assert_allclose(inner(y, ct), inner(dx, x), rtol=1e-4, atol=1e-3)


BOUNDED = dict(deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@settings(max_examples=120, **BOUNDED)
@given(transposed_cases(1))
def test_transposed_1d_and_both_gradients_equal_loops(case):
  check_transposed(**case)


@settings(max_examples=70, **BOUNDED)
@given(transposed_cases(2))
def test_transposed_2d_and_both_gradients_equal_loops(case):
  check_transposed(**case)


@settings(max_examples=12, **BOUNDED)
@given(transposed_cases(3))
def test_transposed_3d_and_both_gradients_equal_loops(case):
  check_transposed(**case)


@st.composite
def conv_cases(draw):
  n = draw(st.sampled_from([1, 1, 2]))
  ints = lambda low, high: st.integers(low, high)
  window = tuple(draw(ints(1, 5)) for _ in range(n))
  strides = tuple(draw(ints(1, 4)) for _ in range(n))
  dilation = tuple(draw(ints(1, 2)) for _ in range(n))
  padding = tuple((draw(ints(0, 3)), draw(ints(0, 3))) for _ in range(n))
  large = tuple(max(draw(ints(1, 9)), d * (k - 1) + 1 - sum(p)) for k, d, p in zip(window, dilation, padding))
  groups = draw(st.sampled_from([1, 1, 2]))
  return dict(
    batch=draw(ints(0, 2)),
    large=large,
    window=window,
    strides=strides,
    padding=padding,
    dilation=dilation,
    groups=groups,
    c_in=groups * draw(st.sampled_from([1, 2, 33])),
    c_out=groups * draw(ints(1, 3)),
    seed=draw(ints(0, 2**31)),
  )


@settings(max_examples=60, **BOUNDED)
@given(conv_cases())
def test_conv_and_both_gradients_equal_loops(case):
  rng = np.random.default_rng(case['seed'])
  groups, strides, padding, dilation = (case[name] for name in ('groups', 'strides', 'padding', 'dilation'))
  x = draw_array(rng, case['batch'], *case['large'], case['c_in'])
  kernel = draw_array(rng, *case['window'], case['c_in'] // groups, case['c_out'])
  small = tuple(
    (size + sum(p) - d * (k - 1) - 1) // s + 1
    for size, p, d, k, s in zip(case['large'], padding, dilation, case['window'], strides)
  )
  ct = draw_array(rng, case['batch'], *small, case['c_out'])

  def forward_and_gradients(x, kernel, ct):
    f = functools.partial(conv, strides=strides, padding=padding, dilation=dilation, groups=groups)
    y, vjp = jax.vjp(f, x, kernel)
    return y, *vjp(ct)

  y, dx, dk = run(forward_and_gradients, x, kernel, ct)
  lows = [p[0] for p in padding]
  np.testing.assert_allclose(y, reference.conv(x, kernel, small, strides, lows, dilation, groups), rtol=1e-4, atol=2e-4)
  swapped = np.swapaxes(kernel, -1, -2)  # the kernel of the transposed convolution
  args = case['large'], strides, lows, dilation, groups
  np.testing.assert_allclose(dx, reference.conv_transpose(ct, swapped, *args), rtol=1e-4, atol=2e-4)
  want = np.swapaxes(reference.conv_transpose_grads(ct, swapped, x, *args)[1], -1, -2)
  np.testing.assert_allclose(dk, want, rtol=1e-4, atol=2e-4)


@pytest.mark.parametrize(
  'window, strides, padding, output_padding', [(4, 2, 1, 0), (5, 2, 2, 1), (3, 2, 1, 1), (2, 2, 0, 0)]
)
def test_transposed_is_the_vjp_of_the_convolution(window, strides, padding, output_padding):
  rng = np.random.default_rng(0)
  y, kernel = draw_array(rng, 2, 10, 10, 4), draw_array(rng, window, window, 4, 3)  # conv: 4 -> 3
  out, vjp = jax.vjp(
    lambda y: jax.lax.conv_general_dilated(
      y, kernel, (strides,) * 2, [(padding, padding)] * 2, dimension_numbers=('NHWC', 'HWIO', 'NHWC')
    ),
    y,
  )
  ct = draw_array(rng, *out.shape)
  got = conv_transpose(ct, np.swapaxes(kernel, -1, -2), strides=strides, padding=padding, output_padding=output_padding)
  np.testing.assert_allclose(got, vjp(ct)[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('window, strides, size', [(4, 2, 5), (5, 2, 5), (3, 2, 6), (2, 3, 4), (3, 1, 5)])
def test_same_is_the_adjoint_of_a_same_convolution(window, strides, size):
  rng = np.random.default_rng(1)
  x, kernel = draw_array(rng, 1, size, 3), draw_array(rng, window, 3, 2)
  y = draw_array(rng, 1, size * strides, 2)
  up = conv_transpose(x, kernel, strides=strides, padding='SAME')
  down = conv(y, np.swapaxes(kernel, -1, -2), strides=strides, padding='SAME')
  plain = jax.lax.conv_general_dilated(
    y, np.swapaxes(kernel, -1, -2), (strides,), 'SAME', dimension_numbers=('NWC', 'WIO', 'NWC')
  )
  assert up.shape == y.shape and down.shape == x.shape
  np.testing.assert_allclose(down, plain, rtol=1e-5, atol=1e-5)
  np.testing.assert_allclose(np.vdot(up, y), np.vdot(x, down), rtol=1e-4)


def test_hand_computed():
  x = jnp.array([1.0, 2.0]).reshape(1, 2, 1)
  kernel = jnp.array([1.0, 10.0, 100.0]).reshape(3, 1, 1)
  out = lambda **kw: conv_transpose(x, kernel, **kw).ravel().tolist()
  assert out() == [1, 12, 120, 200]
  assert out(strides=2) == [1, 10, 102, 20, 200]
  assert out(strides=2, padding=1, output_padding=1) == [10, 102, 20, 200]
  assert out(strides=2, padding=((0, 2),)) == [1, 10, 102]
  assert out(dilation=2) == [1, 2, 10, 20, 100, 200]
  assert out(strides=4) == [1, 10, 100, 0, 2, 20, 200]
  assert out(strides=4, padding='SAME') == [1, 10, 100, 0, 2, 20, 200, 0]
  assert out(padding='VALID') == out()
  assert conv(jnp.arange(5.0).reshape(1, 5, 1), kernel, strides=2).ravel().tolist() == [210, 432]


@pytest.mark.parametrize('dtype', [jnp.bfloat16, jnp.float16])
def test_half_precision_accumulates_in_float32(dtype):
  # 4096 ones: a sum in bfloat16 stalls at 256, in float16 at 2048 where a small one is added to it.
  x = jnp.ones((1, 4, 4, 4096), dtype)
  y = conv_transpose(x, jnp.ones((2, 2, 4096, 1), dtype), strides=2)
  assert y.dtype == dtype
  np.testing.assert_array_equal(np.asarray(y, np.float32), 4096)
  y = conv(x, jnp.ones((2, 2, 4096, 1), dtype), strides=2)
  np.testing.assert_array_equal(np.asarray(y, np.float32), 16384)
  gradient = jax.grad(lambda k: conv_transpose(jnp.ones((64, 8, 8, 1), dtype), k, strides=2).astype(jnp.float32).sum())(
    jnp.ones((2, 2, 1, 1), dtype)
  )
  assert gradient.dtype == dtype
  np.testing.assert_array_equal(np.asarray(gradient, np.float32), 4096)


def test_mixed_dtypes_promote():
  assert conv(jnp.ones((1, 4, 1), jnp.bfloat16), np.ones((2, 1, 1), np.float32)).dtype == jnp.float32


BAD = [
  (dict(x=(2, 4), kernel=(3, 4, 4)), r'1, 2 or 3 spatial dimensions'),
  (dict(x=(2, 4, 4, 3), kernel=(3, 3, 4)), r'kernel needs 4 axes'),
  (dict(x=(2, 4, 4, 3), kernel=(3, 3, 4, 8)), r'has 3 channels .* takes 4'),
  (dict(x=(2, 0, 4, 3), kernel=(3, 3, 3, 8)), r'only the batch may be empty'),
  (dict(strides=0), r'strides must be at least 1'),
  (dict(strides=(2, 2, 2)), r'strides must be an int or 2 ints'),
  (dict(strides=1.5), r'strides must be'),
  (dict(dilation=(1, 0)), r'dilation must be at least 1'),
  (dict(groups=2), r'groups=2 does not divide the 3 channels'),
  (dict(groups=0), r'groups must be a positive int'),
  (dict(padding='sane'), r"'SAME', 'VALID'"),
  (dict(padding=-1), r'padding must be at least 0'),
  (dict(padding=(1, 2, 3)), r'padding must be'),
  (dict(padding=3), r'would be empty in spatial dimension 0: input 4, window 3'),
  (dict(output_padding=1), r'output_padding=1 .* stride 1 and dilation 1'),
  (dict(strides=2, output_padding=2), r'output_padding=2'),
  (dict(strides=2, padding='SAME', output_padding=1), r"padding='SAME'"),
]


@pytest.mark.parametrize('change, message', BAD)
def test_refusals_of_conv_transpose(change, message):
  change = dict(change)
  x, kernel = np.zeros(change.pop('x', (2, 4, 4, 3))), np.zeros(change.pop('kernel', (3, 3, 3, 8)))
  with pytest.raises(ValueError, match=message):
    conv_transpose(x, kernel, **change)


@pytest.mark.parametrize(
  'change, message',
  [
    (dict(kernel=(3, 3, 4, 8)), r'has 3 channels .* takes 4'),
    (dict(x=(2, 4, 4, 8), kernel=(3, 3, 4, 3), groups=2), r'groups=2 does not divide the 3 output channels'),
    (dict(kernel=(5, 5, 3, 8)), r'would be empty in spatial dimension 0: input 4 .* spans 5'),
    (dict(kernel=(3, 3, 3, 8), dilation=2), r'spans 5'),
    (dict(padding=((1, 1),)), r'padding must be'),
  ],
)
def test_refusals_of_conv(change, message):
  change = dict(change)
  x, kernel = np.zeros(change.pop('x', (2, 4, 4, 3))), np.zeros(change.pop('kernel', (3, 3, 3, 8)))
  with pytest.raises(ValueError, match=message):
    conv(x, kernel, **change)


@pytest.mark.parametrize(
  'window, padding, channels',
  [
    ((3, 3), 1, (3, 16)),
    ((3, 3), 1, (16, 16)),
    ((3, 3), (0, 2), (12, 8)),
    ((5, 3), (1, 4), (9, 1)),
    ((3, 3), 1, (40, 9)),
    ((7, 7), 3, (1, 24)),
    ((2, 2), 0, (8, 8)),
    ((3,), 1, (16, 16)),
  ],
)
def test_stride_one_with_long_rows_and_both_gradients_equal_loops(window, padding, channels):
  """Where the rule on a CPU takes XLA's own convolutions."""
  rng = np.random.default_rng(3)
  n = len(window)
  x, kernel = draw_array(rng, 2, *(11, 12)[-n:], channels[0]), draw_array(rng, *window, *channels)
  lows = [padding] * n if isinstance(padding, int) else list(padding)
  program = lambda x, k: conv_transpose(x, k, padding=tuple(lows))
  want = jax.eval_shape(program, x, kernel)
  ct = draw_array(rng, *want.shape)
  found, pull = jax.vjp(program, x, kernel)
  about = (want.shape[1:-1], (1,) * n, lows, (1,) * n, 1)
  np.testing.assert_allclose(found, reference.conv_transpose(x, kernel, *about), rtol=1e-4, atol=1e-4)
  for ours, loops in zip(pull(ct), reference.conv_transpose_grads(x, kernel, ct, *about)):
    np.testing.assert_allclose(ours, loops, rtol=1e-4, atol=1e-3)
  small = x.shape[1:-1]
  down = reference.conv(ct, np.swapaxes(kernel, -1, -2), small, (1,) * n, lows, (1,) * n, 1)
  np.testing.assert_allclose(conv(ct, np.swapaxes(kernel, -1, -2), padding=tuple(lows)), down, rtol=1e-4, atol=1e-3)
