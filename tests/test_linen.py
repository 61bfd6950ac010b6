"""The layers of deconv.linen against those of flax.linen: same fields, parameters, values and gradients."""

import dataclasses

from flax import linen as nn
from hypothesis import given, settings
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deconv import linen
from tests.layers_compared import check, flax_cases, primitives
from tests.ops.test_conv import BOUNDED, draw_array


def compare(name, case):
  keywords, _, features, shape, seed = case
  ours, theirs = (getattr(module, name)(features, **keywords) for module in (linen, nn))
  x, key = draw_array(np.random.default_rng(seed), *shape), jax.random.key(seed)
  try:
    params = theirs.init(key, x)
  except Exception as refusal:
    with pytest.raises(type(refusal)):
      ours.init(key, x)
    return
  jax.tree.map(np.testing.assert_array_equal, ours.init(key, x), params)
  check(ours.apply, theirs.apply, params, x)


@settings(max_examples=50, **BOUNDED)
@given(flax_cases(transposed=True))
def test_transposed_convolutions_are_those_of_flax(case):
  compare('ConvTranspose', case)


@settings(max_examples=40, **BOUNDED)
@given(flax_cases(transposed=False))
def test_convolutions_are_those_of_flax(case):
  compare('Conv', case)


@pytest.mark.parametrize('name', ['Conv', 'ConvTranspose'])
def test_fields_are_those_of_flax_and_the_computation_is_not(name):
  ours, theirs = getattr(linen, name), getattr(nn, name)
  assert [f.name for f in dataclasses.fields(ours)] == [f.name for f in dataclasses.fields(theirs)]
  x = jnp.ones((1, 5, 6, 3))
  for layer, primitive in ((ours, 'conv_reduce'), (theirs, 'conv_general_dilated')):
    if layer is linen.ConvTranspose:
      primitive = 'conv_expand'
    f = lambda x, layer=layer: layer(4, (3, 3), (2, 2)).init_with_output(jax.random.key(0), x)
    assert {name for name in primitives(f, x) if name.startswith('conv_')} == {primitive}


def test_parameters_have_their_names_in_a_network():
  """So a checkpoint of one is a checkpoint of the other."""

  def network(layers):
    class Network(nn.Module):
      @nn.compact
      def __call__(self, x):
        return layers.ConvTranspose(3, (4, 4), (2, 2))(nn.relu(layers.Conv(8, (3, 3))(x)))

    return Network()

  x = draw_array(np.random.default_rng(0), 2, 5, 6, 3)
  ours, theirs = network(linen), network(nn)
  variables = theirs.init(jax.random.key(0), x)
  assert set(variables['params']) == {'Conv_0', 'ConvTranspose_0'}
  np.testing.assert_allclose(ours.apply(variables, x), theirs.apply(variables, x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('layers', [linen, nn], ids=['deconv', 'flax'])
def test_a_mask_of_another_shape_is_refused(layers):
  layer = layers.ConvTranspose(4, (3,), mask=np.ones((3, 4, 3)))
  with pytest.raises(ValueError, match=r'Mask needs to have the same shape as weights'):
    layer.init(jax.random.key(0), jnp.ones((1, 5, 3)))
