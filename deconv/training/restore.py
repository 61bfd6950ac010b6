"""A trained state for those who do not train: sampling and evaluation, with or without the data set at hand."""

import os

import jax
import numpy as np

from deconv.errors import UserError
from deconv.training.building import build_task
from deconv.training.checkpoint import Checkpoints
from deconv.training.parallel import Parallel


def restore(options, workdir, step=None, task=None):
  """Reads a checkpoint of a run. The folder is only looked at, so a run that is still training is not disturbed.

  Args:
    options: the run's deconv.options.Experiment.
    workdir: its folder.
    step: of which checkpoint; None = the newest that is intact.
    task: the Task of the run, where it is there already; it is built without the data set otherwise.

  Returns:
    (task, state of host arrays, step).

  Raises:
    UserError: there is no such checkpoint, or it does not fit the options.
  """
  task, template = shapes(options, task)
  with Checkpoints(os.path.join(workdir, 'checkpoints'), options.checkpoint, read_only=True) as checkpoints:
    found = checkpoints.restore_latest(template) if step is None else checkpoints.restore(step, template)
  if found is None:
    raise UserError(f"'{workdir}' has no checkpoint yet: train it first, or wait for the first one")
  state, _, step = found
  return task, state, step


def shapes(options, task=None):
  """Returns (task, State of shapes and types) of an experiment; arguments as for `restore`."""
  # Nothing is trained, so where the schedule ends does not matter, as long as it is after the warm-up.
  task = task or build_task(options, Parallel(options.parallel), total=2**30)
  example = {'image': np.zeros((1, *options.data.image_shape), options.data.image_dtype)}
  return task, jax.eval_shape(task.init, jax.random.key(0), example)
