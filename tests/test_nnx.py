"""The layers of deconv.nnx against those of flax.nnx: same arguments, parameters, values and gradients."""

from flax import nnx as flax_nnx
from hypothesis import given, settings
import jax.numpy as jnp
import numpy as np
import pytest

from deconv import nnx
from tests.layers_compared import check, flax_cases, primitives
from tests.ops.test_conv import BOUNDED, draw_array

LAYERS = nnx, flax_nnx


def compare(name, case):
  keywords, c_in, features, shape, seed = case
  build = lambda module: getattr(module, name)(c_in, features, **keywords, rngs=flax_nnx.Rngs(seed))
  (ours, _), (theirs, state) = (flax_nnx.split(build(module)) for module in LAYERS)
  found, expected = (flax_nnx.to_flat_state(flax_nnx.state(build(module), flax_nnx.Param)) for module in LAYERS)
  assert [path for path, _ in found] == [path for path, _ in expected] and found
  for (_, a), (_, b) in zip(found, expected):
    np.testing.assert_array_equal(a[...], b[...])
  run = lambda graph: lambda state, x: flax_nnx.merge(graph, state)(x)
  check(run(ours), run(theirs), state, draw_array(np.random.default_rng(seed), *shape))


@settings(max_examples=50, **BOUNDED)
@given(flax_cases(transposed=True))
def test_transposed_convolutions_are_those_of_flax(case):
  compare('ConvTranspose', case)


@settings(max_examples=40, **BOUNDED)
@given(flax_cases(transposed=False))
def test_convolutions_are_those_of_flax(case):
  compare('Conv', case)


@pytest.mark.parametrize('name, primitive', [('Conv', 'conv_reduce'), ('ConvTranspose', 'conv_expand')])
def test_the_computation_is_not_that_of_flax(name, primitive):
  layer = getattr(nnx, name)(3, 4, (3, 3), 2, rngs=flax_nnx.Rngs(0))
  assert isinstance(layer, getattr(flax_nnx, name))
  assert {found for found in primitives(layer, jnp.ones((1, 5, 6, 3))) if found.startswith('conv_')} == {primitive}


def test_weights_fit_both_ways():
  """A state of Flax's network goes into ours and back, by the names of the parameters."""

  class Network(flax_nnx.Module):
    def __init__(self, layers, seed):
      rngs = flax_nnx.Rngs(seed)
      self.first, self.second = layers.Conv(3, 8, (3, 3), rngs=rngs), layers.ConvTranspose(8, 3, (4, 4), 2, rngs=rngs)

    def __call__(self, x):
      return self.second(flax_nnx.relu(self.first(x)))

  x = draw_array(np.random.default_rng(0), 2, 5, 6, 3)
  for one, other in ((nnx, flax_nnx), (flax_nnx, nnx)):
    source, target = Network(one, 0), Network(other, 1)
    assert np.abs(source(x) - target(x)).max() > 0.1
    flax_nnx.update(target, flax_nnx.state(source))
    np.testing.assert_allclose(target(x), source(x), rtol=1e-4, atol=1e-5)


def test_a_function_that_convolves_can_still_be_given():
  calls = []
  layer = nnx.Conv(
    3,
    4,
    (3,),
    conv_general_dilated=lambda x, *args, **kwargs: calls.append(args) or x,
    use_bias=False,
    rngs=flax_nnx.Rngs(0),
  )
  layer(jnp.ones((1, 5, 3)))
  assert len(calls) == 1
