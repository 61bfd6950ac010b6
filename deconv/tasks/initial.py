"""The state at step 0 without a program of its own.

A network draws numbers for each of its kernels, and each draw is compiled for its size. On a CPU that takes seconds,
for numbers that are drawn once. The rest of an initial state is zeros, ones and copies.
"""

import functools

import jax
from jax.extend.core import Literal
import numpy as np

from deconv import rng


def on_host(function):
  """Makes `function` compute on the host what it only draws, fills, copies and reshapes.

  It is traced as by `jax.jit`. Where its result needs no more than draws of deconv.rng.scaled_normal from keys that
  are derived by `fold_in`, constant arrays, sums, copies and other shapes, these are made by NumPy and by programs that
  serve all sizes. Otherwise, and inside another trace, it is `jax.jit(function)`. Both give the same values.

  Args:
    function: pure function of one tree of arrays; keys are of JAX's kinds.
  """
  compiled = jax.jit(function)

  @functools.wraps(function)
  def call(argument):
    leaves = jax.tree.leaves(argument)
    partitionable = jax.config.jax_threefry_partitionable
    if not partitionable or any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
      return compiled(argument)
    traced = compiled.trace(argument)
    jaxpr = traced.jaxpr
    try:
      values = _evaluate(jaxpr.jaxpr, jaxpr.consts, leaves)
    except _Unknown:
      return compiled(argument)
    # Copies: a state whose buffers are donated must not hold one buffer twice.
    values = [jax.numpy.array(x) if isinstance(x, np.ndarray) else x for x in values]
    return jax.tree.unflatten(jax.tree.structure(traced.out_info), values)

  return call


def _draw(called, key):
  """Returns the numbers of a call of scaled_normal, which ends with the product with the scale and the sum."""
  if str(jax.random.key_impl(key)) != 'threefry2x32':
    raise _Unknown('another kind of key')
  constants = {}
  for equation in called.jaxpr.eqns[-2:]:
    if equation.primitive.name in ('add', 'mul'):
      constants[equation.primitive.name] = float(equation.invars[0].val)
  (size,) = called.out_avals[0].shape
  return rng.scaled_normal_on_host(jax.random.key_data(key), constants['mul'], size, constants.get('add', 0.0))


def _broadcast(x, shape, broadcast_dimensions, **_):
  sizes = np.ones(len(shape), int)
  sizes[list(broadcast_dimensions)] = x.shape
  return np.broadcast_to(x.reshape(sizes), shape)


_KEYS = ('random_fold_in', 'random_wrap', 'random_unwrap')
_ON_HOST = {
  'broadcast_in_dim': _broadcast,
  'convert_element_type': lambda x, new_dtype, **_: x.astype(new_dtype),
  'copy': lambda x: x,
  'reshape': lambda x, new_sizes, **_: x.reshape(new_sizes),
}


class _Unknown(Exception):
  """An operation that the host does not do."""


def _evaluate(jaxpr, consts, arguments):
  """Returns the values of a jaxpr; only what they depend on is computed."""
  live = {x for x in jaxpr.outvars if not isinstance(x, Literal)}
  needed = []
  for equation in reversed(jaxpr.eqns):
    if live & set(equation.outvars):
      needed.append(equation)
      live |= {x for x in equation.invars if not isinstance(x, Literal)}
  known = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *arguments]))

  def value(x):
    return np.asarray(x.val, x.aval.dtype) if isinstance(x, Literal) else known[x]

  for equation in reversed(needed):
    results = _apply(equation, [value(x) for x in equation.invars])
    known.update(zip(equation.outvars, results))
  return [value(x) for x in jaxpr.outvars]


def _apply(equation, inputs):
  """Returns the results of one operation.

  Raises:
    _Unknown: it is not one of ours.
  """
  name, parameters = equation.primitive.name, equation.params
  if name in ('jit', 'pjit'):
    called = parameters['jaxpr']
    if parameters['name'] == rng.scaled_normal.__name__:
      return [_draw(called, *inputs)]
    return _evaluate(called.jaxpr, called.consts, inputs)
  if name in _KEYS:
    return [equation.primitive.bind(*inputs, **parameters)]
  if name not in _ON_HOST:
    raise _Unknown(name)
  return [np.asarray(_ON_HOST[name](*(np.asarray(x) for x in inputs), **parameters))]
