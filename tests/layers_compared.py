"""Convolutional layers against those that they replace: drawn arguments, and one program for both."""

from hypothesis import strategies as st
import jax
import jax.numpy as jnp
import numpy as np

from tests.ops.test_conv import draw_array, run


def ints(low, high):
  return st.integers(low, high)


@st.composite
def one_each(draw, low, high, n, one=True):
  """n ints, or one that stands for n."""
  values = tuple(draw(ints(low, high)) for _ in range(n))
  return draw(st.sampled_from([values, values[0]] if one else [values]))


@st.composite
def image_cases(draw, words):
  """(spatial dimensions, window, shape of the image without batch and channels, padding, batch)."""
  n = draw(st.sampled_from([1, 1, 2, 2, 3]))
  window = tuple(draw(ints(1, {1: 5, 2: 4, 3: 2}[n])) for _ in range(n))
  sizes = tuple(draw(ints(2, {1: 9, 2: 6, 3: 3}[n])) for _ in range(n))
  # Not beyond the kernel, where the input gradient of lax is wrong on a CPU (tests/ops/test_drop_in.py).
  most = [k - 1 for k in window]
  pairs = st.tuples(*(st.tuples(ints(0, m), ints(0, m)) for m in most))
  numbers = [ints(0, min(most)), st.tuples(*(ints(0, m) for m in most)), pairs]
  return n, window, sizes, draw(st.one_of(st.sampled_from(words), *numbers)), draw(st.sampled_from([(2,), (), (1, 2)]))


@st.composite
def flax_cases(draw, transposed):
  """(keywords of a Flax layer, c_in, features, the image's shape, the seed); window and padding of a Flax layer."""
  words = ['SAME', 'VALID', 'CIRCULAR'] + ([] if transposed else ['REFLECT', 'CAUSAL'])
  n, window, sizes, padding, batch = draw(image_cases(words))
  groups = 1 if transposed else draw(st.sampled_from([1, 1, 2]))
  c_in, features = groups * draw(ints(1, 3)), groups * draw(ints(1, 3))
  keywords = dict(
    kernel_size=window[0] if n == 1 and draw(st.booleans()) else window,
    strides=draw(st.one_of(st.none(), one_each(1, 3, n))),
    padding=padding,
    kernel_dilation=draw(st.one_of(st.none(), one_each(1, 2, n))),
    use_bias=draw(st.booleans()),
    dtype=draw(st.sampled_from([None, None, jnp.bfloat16])),
  )
  if transposed:
    keywords['transpose_kernel'] = draw(st.booleans())
    keywords['preferred_element_type'] = draw(st.sampled_from([None, None, jnp.float32]))
    channels = (features, c_in) if keywords['transpose_kernel'] else (c_in, features)
  else:
    keywords |= dict(feature_group_count=groups, input_dilation=draw(st.sampled_from([None, 1, 2])))
    channels = c_in // groups, features
  if draw(st.booleans()):
    keywords['mask'] = (np.arange(np.prod((*window, *channels))) % 3 > 0).reshape(*window, *channels)
  return keywords, c_in, features, (*batch, *sizes, c_in), draw(ints(0, 2**31 - 1))


def check(ours, theirs, params, x):
  """Value and gradients of two functions of (parameters, image), and their types; or the same refusal."""
  try:
    y = jax.eval_shape(theirs, params, x)
  except Exception as refusal:
    try:
      jax.eval_shape(ours, params, x)
    except type(refusal):
      return
    raise AssertionError(f'not refused: {refusal}') from refusal
  ct = jnp.asarray(draw_array(np.random.default_rng(0), *y.shape), y.dtype)

  def value_and_gradients(f, params, x, ct):
    y, pull = jax.vjp(f, params, x)
    return y, pull(ct)

  both = lambda *args: (value_and_gradients(ours, *args), value_and_gradients(theirs, *args))
  got, want = run(both, params, x, ct)
  assert jax.tree.structure(got) == jax.tree.structure(want)
  tolerance = 1e-4 if y.dtype == jnp.float32 else 0.03
  for a, b in zip(*map(jax.tree.leaves, (got, want))):
    assert a.dtype == b.dtype and a.shape == b.shape
    if a.dtype == jax.dtypes.float0:  # of a mask, which NNX holds among the parameters
      continue
    a, b = (np.asarray(value, np.float32) for value in (a, b))
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=2 * tolerance * max(np.abs(b).max(initial=0), 1))


def primitives(f, *args):
  """The names of the primitives of a function, those inside of others too."""

  def names(jaxpr):
    for eqn in jaxpr.eqns:
      yield eqn.primitive.name
      for value in eqn.params.values():
        inner = getattr(value, 'jaxpr', value)
        if hasattr(inner, 'eqns'):
          yield from names(inner)

  return set(names(jax.make_jaxpr(f)(*args).jaxpr))
