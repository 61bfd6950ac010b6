"""The layers of deconv.equinox against those of equinox.nn: same arguments, parameters, values and gradients."""

import inspect
import io

from hypothesis import given, settings
from hypothesis import strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.layers_compared import check, image_cases, ints, one_each, primitives
from tests.ops.test_conv import BOUNDED, draw_array

eqx = pytest.importorskip('equinox', reason="Equinox is not installed: pip install 'deconv[equinox]'")
equinox = pytest.importorskip('deconv.equinox')


@st.composite
def cases(draw, transposed):
  n, window, sizes, padding, _ = draw(image_cases(['SAME', 'VALID', 'SAME_LOWER', 'same']))
  groups = draw(st.sampled_from([1, 1, 2]))
  c_in, c_out = groups * draw(ints(1, 3)), groups * draw(ints(1, 3))
  keywords = dict(
    kernel_size=window[0] if len(set(window)) == 1 and draw(st.booleans()) else window,
    stride=draw(one_each(1, 3, n)),
    padding=padding,
    dilation=draw(one_each(1, 2, n)),
    groups=groups,
    use_bias=draw(st.booleans()),
    dtype=draw(st.sampled_from([None, None, jnp.bfloat16])),
  )
  if transposed:
    steps = keywords['stride'] if isinstance(keywords['stride'], tuple) else (keywords['stride'],) * n
    keywords['padding_mode'] = draw(st.sampled_from(['ZEROS', 'ZEROS', 'circular']))
    if keywords['padding_mode'] == 'circular':
      keywords['padding'] = draw(st.sampled_from(['SAME', 'SAME_LOWER']))
    else:
      keywords['output_padding'] = tuple(draw(ints(0, s - 1)) for s in steps)
  else:
    keywords['padding_mode'] = draw(st.sampled_from(['ZEROS', 'ZEROS', 'REFLECT', 'replicate', 'CIRCULAR']))
  return n, c_in, c_out, sizes, keywords, draw(st.booleans()), draw(ints(0, 2**31 - 1))


def compare(name, case):
  """Named by the dimensions, or with their number as an argument."""
  n, c_in, c_out, sizes, keywords, numbered, seed = case
  name, arguments = (f'{name}{n}d', (c_in, c_out)) if numbered else (name, (n, c_in, c_out))
  build = lambda module: getattr(module, name)(*arguments, **keywords, key=jax.random.key(seed))
  (state, ours), (params, theirs) = (eqx.partition(build(module), eqx.is_array) for module in (equinox, eqx.nn))
  jax.tree.map(np.testing.assert_array_equal, jax.tree.leaves(state), jax.tree.leaves(params))
  treedef = jax.tree.structure(state)
  run = lambda static, rebuild: lambda leaves, x: eqx.combine(jax.tree.unflatten(rebuild, leaves), static)(x)
  x = draw_array(np.random.default_rng(seed), c_in, *sizes).astype(keywords['dtype'] or np.float32)
  check(run(ours, treedef), run(theirs, jax.tree.structure(params)), jax.tree.leaves(params), x)


@settings(max_examples=50, **BOUNDED)
@given(cases(transposed=True))
def test_transposed_convolutions_are_those_of_equinox(case):
  compare('ConvTranspose', case)


@settings(max_examples=50, **BOUNDED)
@given(cases(transposed=False))
def test_convolutions_are_those_of_equinox(case):
  compare('Conv', case)


NAMES = [name + dims for name in ('Conv', 'ConvTranspose') for dims in ('', '1d', '2d', '3d')]


@pytest.mark.parametrize('name', NAMES)
def test_arguments_are_those_of_equinox(name):
  ours, theirs = getattr(equinox, name), getattr(eqx.nn, name)
  assert issubclass(ours, theirs)
  assert inspect.signature(ours) == inspect.signature(theirs)


@pytest.mark.parametrize('name, primitive', [('Conv2d', 'conv_reduce'), ('ConvTranspose2d', 'conv_expand')])
def test_the_computation_is_not_that_of_equinox(name, primitive):
  """Under vmap neither: the mapped images are one batch."""
  layer = getattr(equinox, name)(3, 4, 3, 2, key=jax.random.key(0))
  found = primitives(jax.vmap(layer), jnp.ones((5, 3, 7, 8)))
  assert {name for name in found if name.startswith('conv_')} == {primitive}


@pytest.mark.parametrize('name', ['Conv2d', 'ConvTranspose2d'])
def test_files_of_weights_fit_both_ways(name):
  x = draw_array(np.random.default_rng(0), 3, 7, 8)
  build = lambda module, seed: getattr(module, name)(3, 4, 3, 2, 1, key=jax.random.key(seed))
  for one, other in ((equinox, eqx.nn), (eqx.nn, equinox)):
    source, file = build(one, 0), io.BytesIO()
    eqx.tree_serialise_leaves(file, source)
    file.seek(0)
    target = eqx.tree_deserialise_leaves(file, build(other, 1))
    np.testing.assert_allclose(target(x), source(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('layers', [equinox, eqx.nn], ids=['deconv', 'equinox'])
@pytest.mark.parametrize('name', ['Conv2d', 'ConvTranspose2d'])
def test_a_batch_is_refused(layers, name):
  with pytest.raises(ValueError, match='needs to have rank 3'):
    getattr(layers, name)(3, 4, 3, key=jax.random.key(0))(jnp.ones((2, 3, 7, 8)))
