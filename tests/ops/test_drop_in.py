"""The drop-ins for lax against lax itself: signatures, values, gradients of every order, types, errors."""

import functools
import inspect

from hypothesis import given, settings
from hypothesis import strategies as st
import jax
from jax import lax
import jax.numpy as jnp
import numpy as np
import pytest

from deconv import ops
from tests.ops.test_conv import BOUNDED, draw_array, run

# What lax takes where no dimension numbers are given.
TRANSPOSED = {1: ('NHC', 'HIO', 'NHC'), 2: ('NHWC', 'HWIO', 'NHWC'), 3: ('NHWDC', 'HWDIO', 'NHWDC')}
PLAIN = {1: ('NCH', 'OIH', 'NCH'), 2: ('NCHW', 'OIHW', 'NCHW'), 3: ('NCHWD', 'OIHWD', 'NCHWD')}


@pytest.mark.parametrize('name', ['conv_transpose', 'conv_general_dilated'])
def test_the_signature_is_that_of_lax(name):
  """A new version of JAX that adds an argument, or changes a default, is noticed here."""
  ours, theirs = (inspect.signature(f) for f in (getattr(ops, f'lax_{name}'), getattr(lax, name)))
  arguments = lambda signature: [(p.name, p.kind, p.default) for p in signature.parameters.values()]
  assert arguments(ours) == arguments(theirs)


def ints(low, high):
  return st.integers(low, high)


def pairs(n, low, high):
  return st.lists(st.tuples(ints(low, high), ints(low, high)), min_size=n, max_size=n)


@st.composite
def dimensions(draw, top):
  """Spatial dimensions, sizes of window and image, a dilation or None, and the axes' order or None."""
  n = draw(st.sampled_from([1, 1, 2, 2, 3]))
  sides = lambda high: tuple(draw(ints(1, high)) for _ in range(n))
  order = lambda ends: ''.join(draw(st.permutations(['H', 'W', 'D'][:n] + list(ends))))
  numbers = draw(st.sampled_from([None, None, (order('NC'), order('IO'), order('NC'))]))
  dilation = draw(st.sampled_from([None, sides(3 if n == 1 else 2)]))
  return n, sides(top[n]), sides({1: 9, 2: 6, 3: 3}[n]), dilation, numbers


@st.composite
def transposed_cases(draw):
  """(x, kernel) and the arguments of lax.conv_transpose."""
  n, window, sizes, dilation, numbers = draw(dimensions({1: 6, 2: 4, 3: 3}))
  c_in, c_out, batch = draw(ints(1, 3)), draw(st.sampled_from([1, 2, 9])), draw(ints(1, 2))
  options = dict(
    strides=tuple(draw(ints(1, 4)) for _ in range(n)),
    padding=draw(st.one_of(st.sampled_from(['SAME', 'VALID']), pairs(n, 0, 6), pairs(n, -3, 8))),
    rhs_dilation=dilation,
    dimension_numbers=numbers,
    transpose_kernel=draw(st.booleans()),
    use_consistent_padding=draw(st.booleans()),
  )
  if options['transpose_kernel']:
    c_out, c_in = c_in, c_out
  seed = draw(ints(0, 2**31))
  shapes = axes(numbers or TRANSPOSED[n], batch, sizes, c_out if options['transpose_kernel'] else c_in)
  kernel = axes_of_kernel(numbers or TRANSPOSED[n], window, c_in, c_out)
  rng = np.random.default_rng(seed)
  return draw_array(rng, *shapes), draw_array(rng, *kernel), options


def axes(numbers, batch, sizes, channels):
  """The shape of an image whose axes have the order numbers[0]; the sizes are in the order of the kernel's."""
  space = [letter for letter in numbers[1] if letter not in 'IO']
  size = {**dict(zip(space, sizes)), 'N': batch, 'C': channels}
  return [size[letter] for letter in numbers[0]]


def axes_of_kernel(numbers, window, c_in, c_out):
  space = [letter for letter in numbers[1] if letter not in 'IO']
  size = {**dict(zip(space, window)), 'I': c_in, 'O': c_out}
  return [size[letter] for letter in numbers[1]]


def uses_ours(f, *args):
  """Whether one of the primitives of deconv.ops computes f, or lax itself."""
  names = {eqn.primitive.name for eqn in jax.make_jaxpr(f)(*args).eqns}
  ours = bool(names & {'conv_expand', 'conv_reduce'})
  assert ours != ('conv_general_dilated' in names), names
  return ours


def check(ours, theirs, x, kernel):
  """Value and both gradients, in one program; or the same refusal.

  Lax computes in float64. Its input gradient in float32 is wrong on a CPU for some paddings that reach beyond the
  kernel: see test_the_input_gradient_with_a_padding_beyond_the_kernel.
  """
  try:
    y = jax.eval_shape(theirs, x, kernel)
  except Exception as refusal:
    with pytest.raises(type(refusal)) as found:
      ours(x, kernel)
    assert str(found.value) == str(refusal)
    return
  ct = draw_array(np.random.default_rng(0), *y.shape)

  def value_and_gradients(f, x, kernel, ct):
    y, pull = jax.vjp(f, x, kernel)
    return y, *pull(ct)

  types = jax.eval_shape(functools.partial(value_and_gradients, theirs), x, kernel, ct)
  both = lambda narrow, wide: (value_and_gradients(ours, *narrow), value_and_gradients(theirs, *wide))
  with jax.enable_x64(True):
    results = run(both, (x, kernel, ct), tuple(a.astype(np.float64) for a in (x, kernel, ct)))
  for got, want, kind in zip(*results, types):
    assert got.dtype == kind.dtype and got.shape == want.shape == kind.shape
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=2e-4)


@settings(max_examples=110, **BOUNDED)
@given(transposed_cases())
def test_conv_transpose_and_both_gradients_equal_lax(case):
  x, kernel, options = case
  check(*(functools.partial(f, **options) for f in (ops.lax_conv_transpose, lax.conv_transpose)), x, kernel)


@st.composite
def convolution_cases(draw):
  """(x, kernel) and the arguments of lax.conv_general_dilated: a stride or an input dilation, seldom both."""
  n, window, sizes, dilation, numbers = draw(dimensions({1: 5, 2: 4, 3: 3}))
  groups, c_in, c_out = draw(st.sampled_from([1, 1, 2, 3])), draw(ints(1, 3)), draw(ints(1, 3))
  steps = tuple(draw(ints(1, 3)) for _ in range(n))
  strides, dilated = draw(st.sampled_from([(steps, None), (steps, (1,) * n), ((1,) * n, steps), (steps, steps)]))
  words = ['SAME', 'VALID', 'SAME_LOWER', 'same']
  options = dict(
    window_strides=strides,
    padding=draw(st.one_of(st.sampled_from(words), pairs(n, 0, 4), pairs(n, -3, 6))),
    lhs_dilation=dilated,
    rhs_dilation=dilation,
    dimension_numbers=numbers,
    feature_group_count=groups,
  )
  rng = np.random.default_rng(draw(ints(0, 2**31)))
  x = draw_array(rng, *axes(numbers or PLAIN[n], draw(ints(1, 2)), sizes, groups * c_in))
  return x, draw_array(rng, *axes_of_kernel(numbers or PLAIN[n], window, c_in, groups * c_out)), options


@settings(max_examples=110, **BOUNDED)
@given(convolution_cases())
def test_conv_general_dilated_and_both_gradients_equal_lax(case):
  x, kernel, options = case
  functions = ops.lax_conv_general_dilated, lax.conv_general_dilated
  check(*(functools.partial(f, **options) for f in functions), x, kernel)


def normal(*shape):
  return draw_array(np.random.default_rng(len(shape) + sum(shape)), *shape)


X, K = normal(2, 5, 6, 3), normal(3, 4, 3, 2)
UP = dict(strides=(2, 3), padding='SAME')
PADDINGS = ['SAME', 'VALID', ((0, 0), (1, 2)), ((2, 3), (3, 4)), ((-1, 0), (9, 7)), ((7, -2), (0, 1))]


@pytest.mark.parametrize('padding', PADDINGS, ids=str)
@pytest.mark.parametrize('strides', [(1, 1), (2, 2), (5, 6), (1, 3)], ids=str)
def test_the_operators_of_this_package_compute_it(strides, padding):
  """For every kind of padding, windows smaller than the stride included; a test by values would not see a fall back."""
  assert uses_ours(functools.partial(ops.lax_conv_transpose, strides=strides, padding=padding), X, K)
  convolve = functools.partial(ops.lax_conv_general_dilated, dimension_numbers=TRANSPOSED[2], padding=padding)
  assert uses_ours(functools.partial(convolve, window_strides=strides), X, K)
  if not isinstance(padding, str):
    assert uses_ours(functools.partial(convolve, window_strides=(1, 1), lhs_dilation=strides), X, K)


@pytest.mark.parametrize('window', [(3, 3), (4, 2)])
def test_the_input_gradient_with_a_padding_beyond_the_kernel(window):
  """Against the definition: the gradient of a sum in a pixel is the sum of what the pixel alone would make."""
  f = functools.partial(ops.lax_conv_transpose, strides=(1, 4), padding=[(6, 0), (6, 0)])
  x, kernel = normal(2, 6, 2, 2), normal(*window, 2, 1)
  ct = normal(*jax.eval_shape(f, x, kernel).shape)
  got = jax.jit(lambda x: jax.vjp(lambda x: f(x, kernel), x)[1](ct)[0])(x)
  for index in [(0, 0, 0, 0), (1, 3, 1, 1), (0, 5, 1, 0)]:
    alone = np.zeros_like(x)
    alone[index] = 1
    want = np.vdot(lax.conv_transpose(alone, kernel, **f.keywords), ct)
    np.testing.assert_allclose(got[index], want, rtol=1e-4, atol=1e-4)


def test_derivatives_of_higher_order():
  """Forward over reverse, and the gradient of a gradient penalty."""

  def results(f, x, kernel):
    score = lambda x, kernel: jnp.sum(jnp.tanh(f(x, kernel, **UP)))
    penalty = lambda x, kernel: jnp.sum(jax.grad(score)(x, kernel) ** 3)
    forward = jax.jvp(jax.grad(score, (0, 1)), (x, kernel), (jnp.cos(x), jnp.sin(kernel)))
    return forward, jax.grad(penalty, (0, 1))(x, kernel)

  got, want = (jax.jit(functools.partial(results, f))(X, K) for f in (ops.lax_conv_transpose, lax.conv_transpose))
  jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-3, atol=1e-3), got, want)


@pytest.mark.parametrize('axes', [(0, None), (None, 0), (0, 0), (1, 2)], ids=str)
def test_vmap(axes):
  x = X if axes[0] is None else np.stack([X, X + 1, 2 * X], axes[0])
  kernel = K if axes[1] is None else np.stack([K, K - 1, 3 * K], axes[1])
  f = lambda f: jax.vmap(functools.partial(f, **UP), axes)
  want = f(lax.conv_transpose)(x, kernel)
  assert uses_ours(f(ops.lax_conv_transpose), x, kernel)
  np.testing.assert_allclose(f(ops.lax_conv_transpose)(x, kernel), want, rtol=1e-4, atol=1e-4)


HALVES = [(jnp.bfloat16, None), (jnp.float16, None), (jnp.bfloat16, jnp.float32), (jnp.float16, jnp.float32)]
LEFT = [(jnp.bfloat16, jnp.float16), (jnp.int32, None), (jnp.int8, jnp.int32), (bool, None), (jnp.complex64, None)]


@pytest.mark.parametrize('dtype, preferred', [*HALVES, (jnp.float32, jnp.float32), *LEFT])
def test_types(dtype, preferred):
  """Halves by the operators here, what they do not compute by lax; the types of results and gradients alike."""
  x, kernel = (jnp.asarray(np.round(4 * a) / 4, dtype) for a in (X, K))  # sums without a rounding
  f, g = (
    functools.partial(f, **UP, preferred_element_type=preferred) for f in (ops.lax_conv_transpose, lax.conv_transpose)
  )
  assert uses_ours(f, x, kernel) == ((dtype, preferred) not in LEFT)
  got, want = f(x, kernel), g(x, kernel)
  assert got.dtype == want.dtype
  wide = lambda a: np.asarray(a, np.complex64)
  np.testing.assert_allclose(wide(got), wide(want), rtol=0.01, atol=0.01)
  if jnp.issubdtype(dtype, jnp.floating):
    score = lambda f: lambda *args: jnp.sum(f(*args).astype(jnp.float32) ** 2)
    for a, b in zip(*(jax.grad(score(f), (0, 1))(x, kernel) for f in (f, g))):
      assert a.dtype == b.dtype == dtype
      np.testing.assert_allclose(wide(a), wide(b), rtol=0.02, atol=0.02 * float(np.abs(wide(b)).max()))


def test_types_of_64_bits():
  with jax.enable_x64(True):
    x, kernel = X.astype(np.float64), K.astype(np.float64)
    got, want = (f(x, kernel, **UP) for f in (ops.lax_conv_transpose, lax.conv_transpose))
    assert got.dtype == want.dtype == jnp.float64
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)
    wide = functools.partial(ops.lax_conv_transpose, **UP, preferred_element_type=np.float64)
    assert uses_ours(wide, X, K) and wide(X, K).dtype == jnp.float64


@pytest.mark.parametrize('weak_x', [False, True])
@pytest.mark.parametrize('weak_kernel', [False, True])
def test_weak_types(weak_x, weak_kernel):
  full = lambda shape, weak: jnp.full(shape, 2.0 if weak else jnp.float32(2))
  x, kernel = full(X.shape, weak_x), full(K.shape, weak_kernel)
  assert [jax.typeof(a).weak_type for a in (x, kernel)] == [weak_x, weak_kernel]
  got, want = (jax.typeof(f(x, kernel, **UP)) for f in (ops.lax_conv_transpose, lax.conv_transpose))
  assert got == want and got.weak_type == want.weak_type == (weak_x and weak_kernel)


@pytest.mark.parametrize(
  'precision, name',
  [
    (lax.Precision.DEFAULT, 'default'),
    (lax.Precision.HIGH, 'high'),
    ('tensorfloat32', 'high'),
    ('float32', 'highest'),
    ((lax.Precision.HIGHEST,) * 2, 'highest'),
    (('highest', lax.Precision.HIGHEST), 'highest'),
    (None, 'bfloat16'),
  ],
)
def test_precision_is_handed_on(precision, name):
  """To the program and to those of the gradients, in whose place no other is in force."""

  def gradient(x, kernel):
    return jax.vjp(functools.partial(ops.lax_conv_transpose, **UP, precision=precision), x, kernel)[1]

  with jax.default_matmul_precision('bfloat16'):
    y, pull = jax.vjp(functools.partial(ops.lax_conv_transpose, **UP, precision=precision), X, K)
    forward = jax.make_jaxpr(functools.partial(ops.lax_conv_transpose, **UP, precision=precision))(X, K)
  backward = jax.make_jaxpr(pull)(y)
  found = {eqn.params['precision'] for jaxpr in (forward, backward) for eqn in jaxpr.eqns if 'geometry' in eqn.params}
  assert found == {name}


@pytest.mark.parametrize(
  'precision', [(lax.Precision.HIGH, lax.Precision.DEFAULT), lax.DotAlgorithmPreset.F32_F32_F32], ids=str
)
def test_other_precisions_are_left_to_lax(precision):
  assert not uses_ours(functools.partial(ops.lax_conv_transpose, **UP, precision=precision), X, K)


MISTAKES = {
  'channels': dict(rhs=normal(3, 4, 2, 2)),
  'axes': dict(rhs=normal(3, 3, 2)),
  'no arrays': dict(lhs=[[[1.0]]]),
  'types': dict(rhs=jnp.asarray(K, jnp.bfloat16)),
  'strides of one int': dict(strides=2),
  'stride 0': dict(strides=(2, 0)),
  'dilation 0': dict(rhs_dilation=(0, 1)),
  'a word': dict(padding='FULL'),
  'an int': dict(padding=1),
  'one pair': dict(padding=((1, 1),)),
  'floats': dict(padding=((1.0, 1), (1, 1))),
  'lists where tuples are due': dict(padding=[[1, 1], [1, 1]], use_consistent_padding=True),
  'an empty padding': dict(padding=((-40, 0), (0, 0))),
  'letters': dict(dimension_numbers=('NHWC', 'HWIO', 'NCH')),
  'strange letters': dict(dimension_numbers=('NHWC', 'HWIX', 'NHWC')),
  'numbers': dict(dimension_numbers=3),
  'precision': dict(precision='exact'),
  'three precisions': dict(precision=('high', 'high', 'high')),
  'a narrow type': dict(preferred_element_type=jnp.bfloat16),
  'an integer type': dict(preferred_element_type=jnp.int32),
}


@pytest.mark.parametrize('name', MISTAKES)
def test_mistakes_are_those_of_lax(name):
  arguments = {'lhs': X, 'rhs': K, **UP, **MISTAKES[name]}
  with pytest.raises(Exception) as theirs:
    jax.make_jaxpr(lambda: lax.conv_transpose(**arguments))()
  with pytest.raises(theirs.type) as ours:
    jax.make_jaxpr(lambda: ops.lax_conv_transpose(**arguments))()
  assert str(ours.value) == str(theirs.value)
  assert ours.value.__context__ is None or '_Declined' not in repr(ours.value.__context__)


@pytest.mark.parametrize(
  'shape, window, padding', [((0, 5, 3), 3, 'SAME'), ((2, 0, 3), 3, 'SAME'), ((2, 5, 3), 3, ((-4, -5),))], ids=str
)
def test_empty_arrays(shape, window, padding):
  x, kernel = np.zeros(shape, np.float32), np.zeros((window, 3, 2), np.float32)
  got, want = (f(x, kernel, (2,), padding) for f in (ops.lax_conv_transpose, lax.conv_transpose))
  assert got.shape == want.shape and 0 in (x.size, got.size)
  np.testing.assert_array_equal(got, want)


def test_dense_kernels_without_a_spatial_dimension():
  got, want = (f(X[0, 0], K[0, 0], (), 'SAME') for f in (ops.lax_conv_transpose, lax.conv_transpose))
  np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize('numbers', [None, ('NCHW', 'IOHW', 'NCHW')], ids=str)
def test_a_batch_without_a_size(numbers):
  """jax.export with a symbol for the batch runs the operators here; a symbol for the height is left to lax."""
  x = X if numbers is None else np.moveaxis(X, -1, 1)
  kernel = K if numbers is None else np.moveaxis(K, (-2, -1), (0, 1))
  f = functools.partial(ops.lax_conv_transpose, **UP, dimension_numbers=numbers)
  for axis, ours in ((0, True), (1 if numbers is None else 2, False)):
    (symbol,) = jax.export.symbolic_shape('n')
    shape = tuple(symbol if i == axis else size for i, size in enumerate(x.shape))
    argument = jax.ShapeDtypeStruct(shape, jnp.float32)
    exported = jax.export.export(jax.jit(f))(argument, kernel)
    np.testing.assert_allclose(exported.call(x, kernel), f(x, kernel), rtol=1e-4, atol=1e-4)
    assert uses_ours(jax.jit(f).__wrapped__, argument, kernel) == ours
