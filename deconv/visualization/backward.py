"""Networks run backwards, with the rule of the rectifiers changed.

Zeiler and Fergus 2013 (section 2.1) send a unit's activation back through the transposed filters, through the switches
of the pooling, and through rectifiers that let pass what is positive *on the way back*. All but the rectifiers' rule
is the derivative of the network, so one changed rule is the whole method (Simonyan et al. 2013, section 4).
Springenberg et al. 2014 (guided backpropagation) ask in addition that the unit was active.
"""

import functools

import jax
from jax.extend import core
import jax.numpy as jnp

# Names of JAX's functions that are rectifiers.
_RECTIFIERS = ('relu', 'leaky_relu')

# What a rectifier hands down: (signal from above, derivative of the rectifier where the network stood) -> signal.
RULES = {
  'deconvnet': lambda signal, slope: jnp.maximum(signal, 0),
  'guided': lambda signal, slope: jnp.maximum(signal, 0) * slope,
  'gradient': lambda signal, slope: signal * slope,
  'linear': lambda signal, slope: signal,  # as if there were no rectifier: where it is not 0, the unit can see
}


def with_rule(function, rule):
  """Returns a function with the values of `function`, whose reverse derivative takes rectifiers by another rule.

  Args:
    function: of one array, to a pytree of arrays; its rectifiers are `jax.nn.relu` and `jax.nn.leaky_relu` (which
      Linen's are).
    rule: one of RULES; 'gradient' changes nothing.

  Raises:
    KeyError: no such rule.
  """
  hand_down = RULES[rule]

  def changed(x):
    program, shapes = jax.make_jaxpr(function, return_shape=True)(x)
    results = _run(program.jaxpr, program.consts, [x], hand_down)
    return jax.tree.unflatten(jax.tree.structure(shapes), results)

  return changed


def _run(program, constants, arguments, hand_down):
  """Evaluates a program call by call; its rectifiers get the rule."""
  values = {}

  def read(variable):
    return variable.val if isinstance(variable, core.Literal) else values[variable]

  values.update(zip(program.constvars, constants))
  values.update(zip(program.invars, arguments))
  for call in program.eqns:
    given = [read(variable) for variable in call.invars]
    if _name(call) in _RECTIFIERS:
      results = [_rectifier(functools.partial(_evaluate, call), hand_down)(*given)]
    elif call.primitive.name == 'jit':
      inner = call.params['jaxpr']
      results = _run(inner.jaxpr, inner.consts, given, hand_down)
    else:
      results = _evaluate(call, *given)
      results = results if call.primitive.multiple_results else [results]
    values.update(zip(call.outvars, results))
  return [read(variable) for variable in program.outvars]


def _name(call):
  """The name of the function that a call of a program is, or None."""
  inner = call.params.get('call_jaxpr')
  if call.primitive.name == 'custom_jvp_call' and len(inner.eqns) == 1:  # the program of `relu` is a call of `relu`
    call = inner.eqns[0]
  return call.params.get('name')


def _evaluate(call, *arguments):
  """Evaluates one call of a program."""
  return call.primitive.bind(*arguments, **call.primitive.get_bind_params(call.params))


def _rectifier(call, hand_down):
  """A rectifier with the rule of the way back; what is not its first argument (a slope) gets no derivative."""

  def value(*arguments):
    (result,) = call(*arguments)
    return result

  @jax.custom_vjp
  def rectified(x, *rest):
    return value(x, *rest)

  def forward(x, *rest):
    y, slope = jax.jvp(lambda x: value(x, *rest), (x,), (jnp.ones_like(x),))
    return y, (slope, rest)

  def backward(kept, signal):
    slope, rest = kept
    return hand_down(signal, slope), *(jnp.zeros_like(x) for x in rest)

  rectified.defvjp(forward, backward)
  return rectified
