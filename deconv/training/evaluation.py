"""Evaluation during a run: sums over the evaluation split, and what the evaluators of the config measure."""

import time
from typing import NamedTuple

from absl import logging
import jax
import numpy as np

from deconv import data
from deconv.evaluators import EVALUATORS
from deconv.rng import stream
from deconv.training import feature_networks, writers


class Stopped(Exception):
  """The run was told to stop in the middle of an evaluation."""


class Measured(NamedTuple):
  """What an evaluation has found; all empty where nothing is measured.

  Attributes:
    metrics: {name: number}.
    images: {name: uint8 picture}.
    protocol: {name: what JSON can hold}.
    seconds: {'eval': of the pass over the evaluation split, name of an evaluator: its}. Evaluators that share samples
      or features find them made: the first one pays.
  """

  metrics: dict
  images: dict
  protocol: dict
  seconds: dict


def in_words(protocol):
  """Returns a protocol, {name: what JSON can hold}, as a line; a dict follows its name: 'n 3; samples: ema on'."""
  plain = [f'{name} {_word(value)}' for name, value in protocol.items() if not isinstance(value, dict)]
  nested = [f'{name}: {in_words(value)}' for name, value in protocol.items() if isinstance(value, dict)]
  return '; '.join([', '.join(plain), *nested] if plain else nested)


def _word(value):
  if isinstance(value, bool):
    return 'on' if value else 'off'
  return ' '.join(map(str, value)) if isinstance(value, list | tuple) else value


class Evaluation:
  """Evaluates a state. The same random numbers each time make values of different steps comparable."""

  def __init__(self, run, writer=None, progress=None, pictures=None, told_to_stop=lambda: False):
    """Makes the evaluation of a run.

    Args:
      run: deconv.training.experiment.Run.
      writer, progress, pictures: for `evaluate` alone.
      told_to_stop: asked between two batches and two evaluators; where it is true, Stopped is raised.
    """
    self._run, self._writer, self._progress, self._pictures = run, writer, progress, pictures
    self._told_to_stop = told_to_stop
    self._key = stream(run.key, 'eval')
    self._step_function = run.parallel.eval_step(run.task)
    self._batches = None
    # At the start: a path that leads nowhere is told before the hours of the training.
    looks = run.options.eval.looks and run.parallel.process_index == 0
    self._network = feature_networks.open_network(run.options) if looks else None

  def evaluate(self, state, step):
    """Measures, writes a line with split 'eval' and the pictures, and returns (metrics, protocol).

    With `eval.interim_samples` the lines of split 'eval' are of so many samples from the first to the last step, and
    so are the metrics that are returned: they can be compared with those of the steps before. At the last step there
    is a line of split 'final' besides, of `eval.num_samples`, whose pictures and protocol are those of the run.

    Args:
      state: State on the devices.
      step: int.
    """
    run, known = self._run, {}
    interim = run.options.eval.interim
    if interim is run.options.eval:
      found = final = self._say(step, 'eval', self.measure(state))
    else:
      found = final = self._say(step, 'eval', self.measure(state, interim, known))
      if step == run.total_steps:
        final = self._say(step, 'final', self.measure(state, known=known))
    self._pictures.save(step, final.images)
    return found.metrics, final.protocol

  def _say(self, step, split, found):
    """Writes the line of an evaluation and says it; returns `found`."""
    if found.metrics:
      seconds = {f'{writers.SECONDS}{name}': value for name, value in found.seconds.items()}
      self._writer.write(step, split, {**found.metrics, **seconds})
      shown = '  '.join(f'{name} {value:.4g}' for name, value in found.metrics.items())
      self._progress.say(f'step {step}: {split}  {shown}')
      self._progress.say(f'  protocol: {in_words({"seed": self._run.options.seed, **found.protocol})}')
      self._progress.say('  seconds: ' + ', '.join(f'{name} {value:.3g}' for name, value in found.seconds.items()))
    return found

  def measure(self, state, options=None, known=None):
    """Returns Measured.

    Args:
      state: State on the devices.
      options: EvalOptions of the evaluators; None = those of the run.
      known: dict that keeps what does not depend on the number of samples, for another call with the same state.
    """
    run, known = self._run, {} if known is None else known
    metrics, images, protocol, seconds = {}, {}, {}, {}
    batches = self._eval_batches()
    if batches is not None:
      if 'eval' not in known:
        began = time.perf_counter()
        known['eval'] = run.task.summarize(self._sums(state, batches))
        seconds['eval'] = time.perf_counter() - began
      metrics.update(known['eval'])
      source = batches.source
      protocol.update(split=run.options.data.eval_split, n=len(source) - len(source.broken), **run.task.protocol(state))
    if run.parallel.process_index == 0:
      numbers, images, extra, times = self._run_evaluators(state, options or run.options.eval, known)
      metrics.update(numbers)
      seconds.update(times)
      if extra:
        protocol['samples'] = {'split': run.options.data.split, **extra}
    return Measured(metrics, images, protocol, seconds)

  def score_images(self, state):
    """Returns one row per image of the evaluation split, {name: array (n,)}, and its source; both None without a split.

    'index' in the split, 'label' where known, and what the task's `score_images` says of each. Images that cannot be
    decoded are left out. One process.

    Args:
      state: State on the devices, of a task that is deconv.tasks.capabilities.ScoresImages.
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

  def _run_evaluators(self, state, options, known):
    """The Measured of all evaluators together.

    They share one protocol, as long as they agree in what they call the same; one that does not has its own in there.
    """
    run = self._run
    metrics, images, protocol, seconds = {}, {}, {}, {}
    local, key = run.parallel.local_state(state), stream(self._key, 'samples')
    for name in run.options.eval.evaluators:
      evaluator = EVALUATORS[name]
      source = run.source if evaluator.split == 'train' else run.eval_source
      if source is None:
        continue
      self._check_stop()
      try:
        if ('evaluator', name) not in known:
          began = time.perf_counter()
          network = (self._network,) if evaluator.looks else ()
          found = evaluator.measure(run.task, local, source, key, options, *network)
          seconds[name] = time.perf_counter() - began
          if not evaluator.counts_samples:
            known['evaluator', name] = found
        else:
          found = known['evaluator', name]
      except Exception as error:  # whatever an image or a library has against it: the trained state is worth more
        reason = ' '.join(f'{type(error).__name__}: {error}'.split())
        logging.warning("the evaluator '%s' could not measure: %s", name, reason)
        protocol.setdefault('not_measured', {})[name] = reason
        continue
      numbers, pictures, extra = found
      metrics.update(numbers)
      images.update(pictures)
      agrees = all(protocol.get(field, value) == value for field, value in extra.items())
      protocol.update(extra if agrees else {name: extra})
    return Measured(metrics, images, protocol, seconds)

  def _sums(self, state, batches):
    """Sums over a whole pass. They are additive, so only their last addition, in 64 bits, happens on the host: counts
    stay integers, whatever their number."""
    total = None
    for i, batch in enumerate(batches):
      self._check_stop()
      key = jax.random.fold_in(self._key, i)
      sums = self._run.parallel.fetch(self._step_function(state, self._run.parallel.put_batch(batch), key))
      sums = jax.tree.map(lambda x: x.astype('int64' if np.issubdtype(x.dtype, np.integer) else 'float64'), sums)
      total = sums if total is None else jax.tree.map(lambda a, b: a + b, total, sums)
    return total

  def _check_stop(self):
    if self._told_to_stop():
      raise Stopped

  def _eval_batches(self):
    """The batches of the evaluation split, or None where there is none."""
    run = self._run
    if self._batches is None and run.eval_source is not None:
      self._batches = data.EvalBatches(
        run.eval_source, run.options.eval.batch_size, run.parallel.process_index, run.parallel.process_count
      )
    return self._batches
