"""From a config to what a run is made of: its data, its task, its length and the state that it starts from."""
import copy
import dataclasses
import difflib
from typing import Any

import jax
import numpy as np

from deconv import data
from deconv.errors import UserError
from deconv.tasks import TASKS
from deconv.rng import stream
from deconv.training import optimizers, parallel as parallel_lib


@dataclasses.dataclass
class Run:
  """What a run is made of; see `prepare`."""
  config: Any
  parallel: parallel_lib.Parallel
  source: data.Source
  batches: data.TrainBatches
  task: Any
  total_steps: int
  learning_rate: Any
  key: jax.Array


def check_values(config):
  """Checks what needs neither the data nor the networks: fields that no run could have.

  Raises:
    UserError: names the first that is wrong.
  """
  for field in ('log.every', 'train.steps_per_call'):
    section, name = field.split('.')
    if config[section][name] < 1:
      raise UserError(f'{field}={config[section][name]} must be at least 1; change it')
  if config.train.dtype not in ('float32', 'bfloat16'):
    raise UserError(f"train.dtype='{config.train.dtype}' does not exist; choose float32 or bfloat16")
  data.DataOptions(**config.data)
  check_task(config.task)


def prepare(config):
  """Opens the data, builds the task and checks what can be checked before anything is written.

  Raises:
    UserError: see the parts.
  """
  check_values(config)
  parallel = parallel_lib.Parallel(**config.parallel)
  parallel.check_batch(config.train.batch_size)
  parallel.check_batch(config.eval.batch_size, 'eval.batch_size')
  options = data.DataOptions(**config.data)
  source = data.open_source(options)
  batches = data.TrainBatches(source, config.train.batch_size, config.seed, options, parallel.process_index,
                              parallel.process_count)
  total = total_steps(config.train, batches.steps_per_epoch)
  if config.samples.every_epochs > 0:
    config = copy.deepcopy(config)  # config.json keeps what the user said
    config.samples.every = max(1, round(config.samples.every_epochs * batches.steps_per_epoch))

  task = build_task(config, parallel, total)
  if hasattr(task, 'see'):
    task.see(source)
  learning_rate = optimizers.learning_rate(optimizers.OptimizerOptions(**config.optimizer), total)
  return Run(config, parallel, source, batches, task, total, learning_rate, jax.random.key(config.seed))


def check_task(name):
  """Raises UserError when there is no task of this name."""
  if name not in TASKS:
    near = difflib.get_close_matches(name, TASKS, n=1)
    hint = f" (did you mean '{near[0]}'?)" if near else ''
    raise UserError(f"task='{name}' does not exist{hint}; choose one of: {', '.join(TASKS)}")


def build_task(config, parallel, total):
  """Returns the Task of a config, whose optimizers' schedules end at step `total`."""
  check_task(config.task)
  optimizer = optimizers.OptimizerOptions(**config.optimizer)

  def make_optimizer(scale=1.0):
    return parallel.wrap_optimizer(optimizers.make_optimizer(optimizer, total, scale))
  return TASKS[config.task](config, make_optimizer, batch_norm_axis=parallel.batch_norm_axis)


def total_steps(train, steps_per_epoch):
  """Returns the length of a run in steps, from `train.steps` or `train.epochs`.

  Raises:
    UserError: not exactly one of them is above 0.
  """
  if (train.steps > 0) == (train.epochs > 0) or train.steps < 0 or train.epochs < 0:
    raise UserError(f'set one of train.steps (now {train.steps}) and train.epochs (now {train.epochs}) above 0 and the '
                    'other to 0')
  return train.steps or max(1, round(train.epochs * steps_per_epoch))


def start_state(run, checkpoints):
  """Returns (state on the host, meta, step) of the newest checkpoint, or of a fresh start with meta None."""
  example = {name: x[:1] for name, x in run.batches.at(0).items()}
  key = stream(run.key, 'init')
  template = jax.eval_shape(run.task.init, key, example)
  restored = checkpoints.restore_latest(template)
  return restored or (jax.tree.map(np.asarray, run.task.init(key, example)), None, 0)
