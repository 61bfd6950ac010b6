"""The interface between what is trained and the loop that trains it."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Batch = dict[str, Any]


class Task:
  """What is trained: networks, losses and pictures, as pure functions of (state, batch, key).

  A task knows its mathematics and nothing of how it is run: `train_step` and `eval_step` are traced under jit, pmap,
  vmap or scan by the caller. Batches are dicts of arrays (batch, ...): 'image' uint8 (batch, height, width, channels),
  or float32 (batch, 1, 1, 2) where it is a point of the plane; 'label' int32 (batch,) where known, 'weight' float32
  (batch,) in evaluation: 0 marks padding. What only some tasks can do stands in deconv/tasks/capabilities.py.

  Attributes:
    loss_names: the scalars that are losses: shown on the progress bar and checked to be finite.
    options: deconv.options.Experiment.
    data_axis: None or the mapped axis that divides the batch, for a loss that needs means over all of it; who runs the
      task on such an axis sets it.
  """

  data_axis: str | None = None
  loss_names: tuple[str, ...] = ('loss',)

  def __init__(self, options, make_optimizer, batch_norm_axis):
    """Keeps the options; a subclass makes its networks and optimizers here.

    Args:
      options: deconv.options.Experiment.
      make_optimizer: function of a factor: make_optimizer(scale) returns the optax transformation of the options, its
        learning rate times `scale`; make_optimizer(scale, updates) that of a network with so many updates a step.
      batch_norm_axis: None or the mapped axis over which batch norm takes its statistics.
    """
    del make_optimizer, batch_norm_axis
    self.options = options

  def inspect_source(self, source):
    """Looks at the training source once, before anything is traced (host): class frequencies and the like.

    What it takes from there has to be a function of the source alone. Whoever only samples does not call it.
    """

  def batch_shapes(self, batch_size):
    """Returns {name: jax.ShapeDtypeStruct} of a training batch, for who wants the shapes of a step without any data."""
    options = self.options.data
    return {'image': jax.ShapeDtypeStruct((batch_size, *options.image_shape), options.image_dtype)}

  def init(self, key, batch):
    """Returns the `State` at step 0; the batch (any size >= 1) only tells the shapes."""
    raise NotImplementedError

  def random_inputs(self, batch, key):
    """Returns {name: array (batch, ...)}, what a step takes at random for each image.

    The steps use the entries that the batch already has and make the rest themselves by the same rule; a caller on many
    devices hands them in to lay them out like the images.
    """
    del batch, key
    return {}

  def train_step(self, state, batch, key):
    """Returns (state after one step with step + 1, {name: scalar}). `key` is already that of the step (and device)."""
    raise NotImplementedError

  def alarms(self, numbers):
    """Returns {name: sentence}, what is wrong with a training whose scalars have these means (host).

    Args:
      numbers: {name: float}, the scalars of `train_step` averaged over the steps of a line of the log.
    """
    del numbers
    return {}

  def eval_step(self, state, batch, key):
    """Returns {name: sum over the batch}, additive over batches and devices; honours batch['weight']."""
    raise NotImplementedError

  def summarize(self, sums):
    """Returns {public metric name: float} from the sums of `eval_step` added over a whole pass (host)."""
    raise NotImplementedError

  def protocol(self, state):
    """Returns {name: what JSON can hold}, what has to stand beside the numbers of `summarize`."""
    del state
    return {}

  def pictures(self, state, batch, key):
    """Returns {name: uint8 image (height, width, channels)}; called with the same key and batch throughout a run."""
    raise NotImplementedError


def weights_of(batch):
  """Returns float32 (batch,): which images of a batch count, all of them where it has no 'weight'."""
  return batch['weight'] if 'weight' in batch else jnp.ones(len(batch['image']), jnp.float32)


def means_of(sums):
  """Returns {name: sum / count} of the sums of an evaluation, 'count' being one of them (host)."""
  return {name: float(value) / max(float(sums['count']), 1.0) for name, value in sums.items() if name != 'count'}


def batch_by_batch(function, size, *arrays):
  """Calls a function on at most `size` rows at a time, with one shape, and joins what it returns (host).

  Args:
    function: of a part of each array; returns a tree of arrays with as many rows.
    size: rows of a part, >= 1.
    *arrays: (n >= 1, ...). The last part is filled up with zeros, where there is more than one.

  Returns:
    The tree, of NumPy arrays with n rows.
  """
  number, parts = len(arrays[0]), []
  size = min(size, number)
  for start in range(0, number, size):
    part = [np.asarray(x[start : start + size]) for x in arrays]
    missing = size - len(part[0])
    found = function(*(np.pad(x, [(0, missing)] + [(0, 0)] * (x.ndim - 1)) for x in part))
    parts.append(jax.tree.map(lambda x, kept=size - missing: np.asarray(x)[:kept], found))
  return jax.tree.map(lambda *x: np.concatenate(x), *parts)
