"""What the tests of the segmentation networks share: shapes and counts without computing, and kernels that pass on."""

import jax
import jax.numpy as jnp
import numpy as np

from deconv.models import SEGMENTERS
from deconv.options.models import segmenters

KEY = jax.random.key(0)


def build(name, image_shape, num_classes, *, side_scores=False, dtype=jnp.float32, batch_norm_axis=None, **fields):
  """The network of this name with these fields of its options."""
  return SEGMENTERS[name](
    segmenters.MODELS[name](**fields),
    image_shape=image_shape,
    num_classes=num_classes,
    side_scores=side_scores,
    dtype=dtype,
    batch_norm_axis=batch_norm_axis,
  )


def shapes(module, sides, channels=3):
  """({'encoder/conv1_1': (h, w, c), ...} of every layer's output, shape of the logits, parameter shapes)."""

  def run(x):
    variables = module.init(KEY, x, train=False)
    logits, captured = module.apply(variables, x, train=False, capture_intermediates=True, mutable=['intermediates'])
    return logits, captured['intermediates'], variables

  logits, captured, variables = jax.eval_shape(run, jax.ShapeDtypeStruct((1, *sides, channels), jnp.float32))
  found = {}
  for path, value in jax.tree_util.tree_leaves_with_path(captured):
    *layer, call, _ = path
    if getattr(call, 'key', None) == '__call__':  # else a part of what the encoder returns
      found['/'.join(part.key for part in layer)] = value.shape[1:]
  return found, logits.shape[1:], variables


def init(module, sides, channels=3):
  """Variables at step 0, compiled as one program."""
  x = jax.ShapeDtypeStruct((1, *sides, channels), jnp.float32)
  return jax.jit(lambda: module.lazy_init(KEY, x, train=False))()


def random(module, sides, channels=3, scale=0.3, seed=0):
  """Variables drawn with numpy, without compiling an initialisation: kernels normal, variances and gains about 1."""
  rng = np.random.default_rng(seed)
  x = jax.ShapeDtypeStruct((1, *sides, channels), jnp.float32)

  def draw(name, leaf):
    centre = 1 if name.endswith(('scale', 'var')) else 0
    return (centre + scale * rng.uniform(-1, 1, leaf.shape)).astype(np.float32)

  return edit(jax.eval_shape(lambda x: module.init(KEY, x, train=False), x), draw)


def apply(module, variables, x, **kwargs):
  """Logits by the running statistics, compiled."""
  return jax.tree.map(np.asarray, jax.jit(lambda v, x: module.apply(v, x, train=False, **kwargs))(variables, x))


def count(tree):
  """Number of parameters."""
  return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(tree))


def images(n, sides, channels=3, seed=0):
  """Random images in [-1, 1]."""
  return np.random.default_rng(seed).uniform(-1, 1, (n, *sides, channels)).astype(np.float32)


def convs(c_in, *features, side=3):
  """Parameters of a chain of convolutions with biases, by hand."""
  total = 0
  for c_out in features:
    total += side * side * c_in * c_out + c_out
    c_in = c_out
  return total


def delta(kernel):
  """A kernel of the same shape that passes channel i on to channel i."""
  out = np.zeros(kernel.shape, np.float32)
  for i in range(min(kernel.shape[-2:])):
    out[kernel.shape[0] // 2, kernel.shape[1] // 2, i, i] = 1
  return out


def passing(module, sides, channels=1):
  """Variables of which every kernel passes on and everything else is zero."""
  x = jax.ShapeDtypeStruct((1, *sides, channels), jnp.float32)
  variables = jax.eval_shape(lambda x: module.init(KEY, x, train=False), x)
  return edit(variables, lambda name, leaf: delta(leaf) if 'kernel' in name else np.zeros(leaf.shape, np.float32))


def edit(params, change):
  """Parameters with every leaf replaced by change('encoder/conv1_1/kernel', leaf)."""
  return jax.tree_util.tree_map_with_path(lambda path, leaf: change('/'.join(part.key for part in path), leaf), params)
