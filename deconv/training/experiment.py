"""From a config to what a run is made of: its data, its task, its length and the state that it starts from."""

import dataclasses
from typing import Any, NamedTuple

from absl import logging
import jax
import numpy as np

from deconv import data
from deconv.errors import UserError, did_you_mean
from deconv.evaluators import EVALUATORS, judged
from deconv.options import Experiment
from deconv.options.options import default
from deconv.rng import stream
from deconv.tasks import TASKS
from deconv.tasks.capabilities import MakesImages
from deconv.training import generated, optimizers
from deconv.training import parallel as parallel_lib
from deconv.training.building import build_task


class Intervals(NamedTuple):
  """Steps between pictures, evaluations and checkpoints; 0 = none on the way.

  The first pictures come earlier: after `first_samples` steps, twice, four times, ... as many, below `samples`.
  """

  samples: int
  evaluation: int
  checkpoint: int
  first_samples: int = 0

  def due(self, step):
    """Returns whether after this step there are (pictures, an evaluation, a checkpoint) to make."""
    sample, evaluate, save = (
      every > 0 and step % every == 0 for every in (self.samples, self.evaluation, self.checkpoint)
    )
    return sample or self._early(step), evaluate, save

  def _early(self, step):
    if not self.first_samples or not 0 < step < self.samples or step % self.first_samples:
      return False
    return (step // self.first_samples).bit_count() == 1  # a power of two


@dataclasses.dataclass
class Run:
  """What a run is made of; see `prepare`.

  Attributes:
    options: deconv.options.Experiment.
    parallel: deconv.training.parallel.Parallel.
    source: data.Source that is trained on.
    eval_source: data.Source of the evaluation split, or None.
    batches: data.TrainBatches.
    task: deconv.tasks.task.Task.
    total_steps: its length.
    intervals: when pictures, evaluations and checkpoints are due.
    learning_rate: function of the steps done.
    key: PRNG key of the run.
  """

  options: Experiment
  parallel: parallel_lib.Parallel
  source: data.Source
  eval_source: data.Source | None
  batches: data.TrainBatches
  task: Any
  total_steps: int
  intervals: Intervals
  learning_rate: Any
  key: jax.Array

  def due(self, step):
    """Returns whether after this step there are (pictures, an evaluation, a checkpoint) to make."""
    sample, evaluate, save = self.intervals.due(step)
    if step == self.total_steps:
      return bool(self.intervals.samples), True, True
    return sample, evaluate, save or (evaluate and bool(self.options.checkpoint.best_metric))


def prepare(config, make_task=None):
  """Opens the data, builds the task and checks what can be checked before anything is written.

  Args:
    config: ConfigDict, nested dict or deconv.options.Experiment.
    make_task: what is trained instead of the config's task, called as deconv.tasks.TASKS' entries are.

  Returns:
    Run.

  Raises:
    UserError: see the parts.
  """
  options = Experiment.from_config(config)
  options.train.check_length()
  check_evaluators(options, make_task or TASKS[options.task])
  parallel = parallel_lib.Parallel(options.parallel)
  parallel.check_batch(options.train.batch_size // options.train.accumulate)
  parallel.check_batch(options.eval.batch_size, 'eval.batch_size')
  source = data.open_source(options.data)
  if options.data.generated:
    source = generated.add(source, options)
  batches = data.TrainBatches(
    source, options.images_per_step, options.seed, options.data, parallel.process_index, parallel.process_count
  )
  total = options.train.total_steps(batches.steps_per_epoch)
  samples = options.samples
  every = max(1, round(samples.every_epochs * batches.steps_per_epoch)) if samples.every_epochs else samples.every
  per_call = options.train.steps_per_call  # an early picture does not cut a call in pieces: a second program to compile
  first = -(-samples.first // per_call) * per_call

  task = build_task(options, parallel, total, make_task)
  task.inspect_source(source)
  return Run(
    options,
    parallel,
    source,
    open_eval_source(options.data),
    batches,
    task,
    total,
    Intervals(every, options.eval.every, options.checkpoint.every, first),
    optimizers.learning_rate(options.optimizer, total),
    jax.random.key(options.seed),
  )


def open_eval_source(options):
  """Opens the evaluation split.

  Args:
    options: deconv.options.DataOptions.

  Returns:
    data.Source; None where `eval_split` is '', and, with a warning, where the source has no split of the default name:
    many folders of images have no test split. A folder of its own (`eval_path`) is meant: there it is an error.

  Raises:
    UserError: anything else that keeps the split from being opened, a misspelt name too.
  """
  if not options.eval_split:
    return None
  try:
    return data.open_source(options.held_out, split=options.eval_split)
  except data.NoSuchSplit as error:
    if options.eval_path or options.eval_split != default(type(options), 'eval_split'):
      raise UserError(f"data.eval_split='{options.eval_split}': {error} Choose one of them, or '' for none.") from error
    logging.warning('No evaluation on held-out data: %s', error)
    return None


def check_evaluators(options, task):
  """Raises UserError where `eval.evaluators` names something that is not there or that the task cannot do.

  Args:
    options: deconv.options.Experiment.
    task: class of deconv.tasks.task.Task, or a function that makes one (of which nothing is known yet).
  """
  for name in options.eval.evaluators:
    if name not in EVALUATORS:
      raise UserError(
        f"eval.evaluators has '{name}'{did_you_mean(name, EVALUATORS)}, which does not exist; there are "
        f'{", ".join(EVALUATORS)}'
      )
    needs = EVALUATORS[name].needs
    if needs is MakesImages:  # which ones is a field
      needs = judged.of_judged(options.eval)
    if isinstance(task, type) and not issubclass(task, needs):
      can = [other for other, evaluator in EVALUATORS.items() if issubclass(task, evaluator.needs)]
      raise UserError(
        f"eval.evaluators has '{name}', which needs a task that is {needs.__name__}, and "
        f"task='{options.task}' is not; choose from {', '.join(can) or 'none'}"
      )


def start_state(run, checkpoints):
  """Returns (state on the host, meta, step) of the newest checkpoint, or of a fresh start with meta None."""
  example = {name: x[:1] for name, x in run.batches.at(0).items()}
  key = stream(run.key, 'init')
  template = jax.eval_shape(run.task.init, key, example)
  restored = checkpoints.restore_latest(template)
  return restored or (jax.tree.map(np.asarray, run.task.init(key, example)), None, 0)
