"""Evaluation during a run: sums over the evaluation split, and what a task measures on its samples."""
from absl import logging
import jax

from deconv import data
from deconv.errors import UserError
from deconv.tasks.random import stream


class Evaluation:
  """Evaluates a state. The same random numbers are used each time, so that values of different steps can be compared."""

  def __init__(self, run, writer=None, progress=None, pictures=None):
    """Makes the evaluation of a run; writer, progress and pictures are for `evaluate` alone."""
    self._run, self._writer, self._progress, self._pictures = run, writer, progress, pictures
    self._key = stream(run.key, 'eval')
    self._step_function = run.parallel.eval_step(run.task)
    self._batches = None
    self._opened = False

  def evaluate(self, state, step):
    """Measures, writes one line with split 'eval' and the pictures, and returns (metrics, protocol).

    Args:
      state: State on the devices.
      step: int.
    """
    metrics, images, protocol = self.measure(state)
    self._pictures.save(step, images)
    if metrics:
      self._writer.write(step, 'eval', metrics)
      shown = '  '.join(f'{name} {value:.4g}' for name, value in metrics.items())
      self._progress.say(f'step {step}: eval  {shown}')
    return metrics, protocol

  def measure(self, state):
    """Returns ({metric: number}, {name: uint8 picture}, protocol), all empty where a task measures nothing.

    Args:
      state: State on the devices.
    """
    config, task = self._run.config, self._run.task
    metrics, images, protocol = {}, {}, {}
    batches = self._eval_batches()
    if batches is not None:
      metrics.update(task.summarize(self._sums(state, batches)))
      protocol.update(split=config.data.eval_split, n=len(batches.source))
    if hasattr(task, 'evaluate_samples') and self._run.parallel.process_index == 0:
      local = self._run.parallel.local_state(state)
      numbers, images, extra = task.evaluate_samples(local, self._run.source, stream(self._key, 'samples'),
                                                     config.eval.num_samples)
      metrics.update(numbers)
      protocol['samples'] = {'split': config.data.split, **extra}
    return metrics, images, protocol

  def _sums(self, state, batches):
    """Sums over a whole pass. They are additive, so only their last addition, in float64, happens on the host."""
    total = None
    for i, batch in enumerate(batches):
      key = jax.random.fold_in(self._key, i)
      sums = self._run.parallel.fetch(self._step_function(state, self._run.parallel.put_batch(batch), key))
      sums = jax.tree.map(lambda x: x.astype('float64'), sums)
      total = sums if total is None else jax.tree.map(lambda a, b: a + b, total, sums)
    return total

  def _eval_batches(self):
    """The batches of the evaluation split, or None where the source has none."""
    if not self._opened:
      self._opened = True
      config = self._run.config
      try:
        source = data.open_source(data.DataOptions(**config.data), split=config.data.eval_split)
      except UserError as error:
        logging.warning('No evaluation on held-out data: %s', error)
        return None
      self._batches = data.EvalBatches(source, config.eval.batch_size, self._run.parallel.process_index,
                                       self._run.parallel.process_count)
    return self._batches
