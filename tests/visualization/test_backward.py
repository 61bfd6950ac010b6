"""Networks run backwards: against derivatives with a rectifier written by hand, and switches against a loop."""

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deconv import ops
from deconv.visualization import backward

RNG = np.random.default_rng(0)
FIRST, SECOND = (jnp.asarray(RNG.normal(size=shape), jnp.float32) for shape in ((4, 4, 3, 5), (3, 3, 5, 4)))
IMAGES = jnp.asarray(RNG.normal(size=(2, 12, 12, 3)), jnp.float32)
SIGNAL = jnp.asarray(RNG.normal(size=(2, 3, 3, 4)), jnp.float32)


def network(x, relu, leaky_relu):
  y = relu(ops.conv(x, FIRST, strides=2, padding=1))
  return leaky_relu(ops.conv(ops.max_pool(y, 2)[0], SECOND, padding=1))


def plain(x):
  return network(x, nn.relu, lambda y: nn.leaky_relu(y, 0.2))


def by_hand(rule, slope):
  """A rectifier whose way back is the rule's definition."""

  @jax.custom_vjp
  def rectifier(x):
    return jnp.where(x >= 0, x, slope * x)

  def back(x, signal):
    positive = jnp.where(signal > 0, signal, 0.0)
    # At 0 the derivative of relu is 0, that of leaky_relu 1.
    own = jnp.where((x > 0) | ((x == 0) & (slope > 0)), 1.0, slope)
    return ({'deconvnet': positive, 'guided': positive * own, 'gradient': signal * own, 'linear': signal}[rule],)

  rectifier.defvjp(lambda x: (rectifier(x), x), back)
  return rectifier


@pytest.mark.parametrize('rule', backward.RULES)
def test_the_way_back_is_the_derivative_with_that_rule(rule):
  values, back = jax.vjp(jax.jit(backward.with_rule(plain, rule)), IMAGES)
  expected, expected_back = jax.vjp(lambda x: network(x, by_hand(rule, 0.0), by_hand(rule, 0.2)), IMAGES)
  np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-5)
  np.testing.assert_allclose(back(SIGNAL)[0], expected_back(SIGNAL)[0], rtol=1e-4, atol=1e-4)


def test_rules_differ_and_the_gradient_is_that_of_jax():
  ways = {rule: jax.vjp(backward.with_rule(plain, rule), IMAGES)[1](SIGNAL)[0] for rule in backward.RULES}
  np.testing.assert_array_equal(ways['gradient'], jax.vjp(plain, IMAGES)[1](SIGNAL)[0])
  rules = list(ways)
  for i, rule in enumerate(rules):
    for other in rules[i + 1 :]:
      assert float(jnp.abs(ways[rule] - ways[other]).max()) > 0.1, (rule, other)


def test_without_a_rectifier_every_rule_is_the_gradient():
  def linear(x):
    return ops.conv(ops.max_pool(ops.conv(x, FIRST, strides=2, padding=1), 2)[0], SECOND, padding=1)

  expected = jax.vjp(linear, IMAGES)[1](SIGNAL)[0]
  for rule in backward.RULES:
    np.testing.assert_array_equal(jax.vjp(backward.with_rule(linear, rule), IMAGES)[1](SIGNAL)[0], expected)


def test_a_rectifier_inside_of_a_compiled_function_has_the_rule():
  inner = jax.jit(lambda x: nn.relu(x) * 2)
  back = jax.vjp(backward.with_rule(inner, 'deconvnet'), jnp.array([-1.0, 1.0]))[1]
  np.testing.assert_array_equal(back(jnp.array([3.0, -3.0]))[0], [6, 0])


def test_signals_go_through_the_switches_of_an_overlapping_pooling():
  x = jnp.asarray(RNG.normal(size=(1, 7, 7, 1)), jnp.float32)
  signal = jnp.asarray(RNG.uniform(1, 2, (1, 3, 3, 1)), jnp.float32)
  back = jax.vjp(backward.with_rule(lambda x: ops.max_pool(nn.relu(x), 3, 2)[0], 'deconvnet'), x)[1]
  expected = np.zeros((7, 7))
  rectified = np.maximum(np.asarray(x, np.float64)[0, ..., 0], 0)
  for i in range(3):
    for j in range(3):
      window = rectified[2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
      row, column = np.unravel_index(window.argmax(), (3, 3))
      expected[2 * i + row, 2 * j + column] += signal[0, i, j, 0]
  np.testing.assert_allclose(back(signal)[0][0, ..., 0], expected, rtol=1e-6)


def test_a_rule_that_does_not_exist():
  with pytest.raises(KeyError):
    backward.with_rule(plain, 'no')
