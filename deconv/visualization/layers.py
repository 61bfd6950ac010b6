"""The layers of any network, by their modules' names."""

from flax import linen as nn
import jax
import jax.numpy as jnp


def outputs(looking, images):
  """Runs a network and returns what each of its modules with parameters put out.

  Args:
    looking: deconv.tasks.capabilities.Looking.
    images: float32 (n, height, width, channels) in [-1, 1].

  Returns:
    {name, such as 'encoder/conv1_1': (n, h, w, units) or (n, units)}, in the order in which the modules are called. A
    module that is called again has a name with '_again'.
  """
  found, running = {}, []

  def record(call, arguments, keywords, context):
    module = context.module
    path = '/'.join(module.path)
    inner = path in running  # the call of a base class
    running.append(path)
    result = call(*arguments, **keywords)
    running.pop()
    own = path and not inner and context.method_name == '__call__' and _has_parameters(looking.variables, module.path)
    if own and isinstance(result, jax.Array) and result.ndim in (2, 4) and len(result) == len(images):
      found[f'{path}_again' if path in found else path] = result
    return result

  with nn.intercept_methods(record):
    looking.run(images)
  return found


def names(looking, image_shape):
  """Returns the layers that are shown where none are named: {name: (height, width, units) or (units,)}.

  These are the convolutions and dense layers. One that a norm follows gives way to it: the norm's output, to which the
  nonlinearity is applied, is what a unit says.

  Args:
    looking: see `outputs`.
    image_shape: (height, width, channels).
  """
  order = []

  def run(images):
    found = outputs(looking, images)
    order.extend(found)
    return found

  shapes = jax.eval_shape(run, jax.ShapeDtypeStruct((2, *image_shape), jnp.float32))
  chosen = {}
  for name, following in zip(order, [*order[1:], None]):
    norm = following and shapes[following].shape == shapes[name].shape and not _kernel(looking, following)
    if _kernel(looking, name):
      chosen[following if norm else name] = shapes[name].shape[1:]
  return chosen


def _has_parameters(variables, path):
  """Whether a module has parameters of its own, and not only those of modules in it."""
  return any(not isinstance(x, dict) for x in _parameters(variables, path).values())


def _kernel(looking, name):
  return 'kernel' in _parameters(looking.variables, name.removesuffix('_again').split('/'))


def _parameters(variables, path):
  parameters = variables['params']
  for part in path:
    parameters = parameters.get(part, {})
  return parameters
