"""Evaluation during a run: sums over the evaluation split, and what a task measures on its samples."""
from absl import logging
import jax
import numpy as np

from deconv import data
from deconv.errors import UserError
from deconv.rng import stream


class Evaluation:
  """Evaluates a state. The same random numbers each time make values of different steps comparable."""

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
      about = ', '.join(f'{name} {value}' for name, value in protocol.items() if not isinstance(value, dict))
      self._progress.say(f'step {step}: eval  {shown}' + (f'  ({about})' if about else ''))
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
      if hasattr(task, 'protocol'):
        protocol.update(task.protocol(state))
    if hasattr(task, 'evaluate_samples') and self._run.parallel.process_index == 0:
      local = self._run.parallel.local_state(state)
      numbers, images, extra = task.evaluate_samples(local, self._run.source, stream(self._key, 'samples'),
                                                     config.eval.num_samples)
      metrics.update(numbers)
      if extra:
        protocol['samples'] = {'split': config.data.split, **extra}
    return metrics, images, protocol

  def score_images(self, state):
    """Returns one row an image of the evaluation split, {name: array (n,)}, and its source; both None without a split.

    'index' in the split, 'label' where known, and what the task's `score_images` says of each. Images that cannot be
    decoded are left out. One process.

    Args:
      state: State on the devices.
    """
    batches = self._eval_batches()
    if batches is None:
      return None, None
    local, rows = self._run.parallel.local_state(state), []
    for i, batch in enumerate(batches):
      scores = self._run.task.score_images(local, batch, jax.random.fold_in(self._key, i))
      row = {'index': i * batches.batch_size + np.arange(len(batch['image']))}
      row.update({'label': batch['label']} if 'label' in batch else {}, **scores)
      rows.append({name: value[batch['weight'] > 0] for name, value in row.items()})
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}, batches.source

  def _sums(self, state, batches):
    """Sums over a whole pass. They are additive, so only their last addition, in 64 bits, happens on the host: counts
    stay integers, whatever their number."""
    total = None
    for i, batch in enumerate(batches):
      key = jax.random.fold_in(self._key, i)
      sums = self._run.parallel.fetch(self._step_function(state, self._run.parallel.put_batch(batch), key))
      sums = jax.tree.map(lambda x: x.astype('int64' if np.issubdtype(x.dtype, np.integer) else 'float64'), sums)
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
