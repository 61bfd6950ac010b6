"""The training loop of every task: config and folder in, trained state out."""

import collections
import contextlib
import signal
import time

from absl import logging
import jax
import numpy as np

from deconv.options import Experiment
from deconv.rng import stream
from deconv.training import compilation_cache, config_diff, evaluation, finite, pictures, provenance
from deconv.training import parallel as parallel_lib
from deconv.training.checkpoint import Checkpoints
from deconv.training.experiment import Run, prepare, start_state
from deconv.training.interrupt import Interrupt
from deconv.training.window import Timing, Window
from deconv.training.workdir import Workdir
from deconv.training.writers import MetricWriter, Progress, evaluations

# Calls whose results have not been looked at: the device always has one to go on with, and a failure is noticed soon.
MAX_IN_FLIGHT = 2
# Steps after which several processes ask each other whether one of them was told to stop.
STEPS_BETWEEN_STOP_CHECKS = 16


def train(run, workdir, *, allow_config_change=False):
  """Trains from a config to the end, or goes on where the workdir's last checkpoint stands.

  Args:
    run: ConfigDict, nested dict or deconv.options.Experiment; or a Run that deconv.training.experiment.prepare has
      made of one.
    workdir: path of the folder that gets everything that the run writes.
    allow_config_change: go on although the config would make another experiment than the one in the workdir.

  Returns:
    The final State, one replica, as host arrays.

  Raises:
    UserError: a mistake that the user can mend; NonFiniteError is one of them.
    SystemExit: status 128 + its number after a signal and the checkpoint that it causes: 143 for SIGTERM, 130 for
      Ctrl-C.
  """
  called = provenance.process_seconds()
  # Before the workdir's own config: a value that no run could have is the mistake to name.
  options = run.options if isinstance(run, Run) else Experiment.from_config(run)
  compilation_cache.enable(options.compilation_cache)
  plain = config_diff.to_plain(options)
  folder = Workdir(workdir)
  changes = folder.check_config(plain, allow_config_change)
  run = run if isinstance(run, Run) else prepare(options)
  writes = run.parallel.process_index == 0
  fingerprints = {'data_fingerprint': run.source.fingerprint(), 'data_content': run.source.content_fingerprint()}
  folder.check_data(fingerprints, allow_config_change)
  programs = {'cpu_rule': provenance.rule(), 'native': provenance.native_library()}
  parallel_lib.check_same({**config_diff.common(plain), **fingerprints, **provenance.versions(), **programs})
  progress = Progress(run.total_steps, run.task.loss_names, enabled=writes)
  for line in _what_there_is(run):
    progress.say(line)

  with contextlib.ExitStack() as stack:
    if writes:
      folder.lock()
      stack.callback(folder.unlock)
      folder.clean()
    checkpoints = stack.enter_context(
      Checkpoints(folder.file('checkpoints'), options.checkpoint, lambda step: run.due(step)[2])
    )
    state, meta, step = start_state(run, checkpoints)
    earlier = folder.run or {}
    # What is due after a step is due until it is done; process 0 knows, for its folder is the run's.
    done = meta is not None and (
      meta['between_done'] or parallel_lib.any_process(writes and earlier.get('done_after') == step)
    )
    finished = parallel_lib.any_process(writes and earlier.get('finished', False))
    if step >= run.total_steps and done and finished:
      progress.say(f'{folder.path} is finished: it stands at step {step} of {run.total_steps}; nothing was done')
      return state

    if changes:
      progress.say(f'another config began here ({"; ".join(changes)}) and saved nothing: the run starts anew')
    for line in _what_is_to_be_done(run, state, step):
      progress.say(line)
    record = {
      **provenance.describe(),
      'data': {'source': run.source.name, 'images': len(run.source)},
      **fingerprints,
      'batch_size': options.train.batch_size,
      'steps': run.total_steps,
      'resumed_from': step,
      'done_after': step if done else None,
      **_evaluation(earlier, step),
      'train_call_seconds': round(called, 3),
      'earlier': _earlier(folder.run),
    }
    _compare_rules(earlier.get('cpu_rule'), record['cpu_rule'], step)
    _compare_native(earlier, record, step)
    writer = MetricWriter(folder.path, options.log.tensorboard, step, writes, evaluated=done)
    if writes:
      checkpoints.note_metrics(evaluations(folder.file('metrics.jsonl')))
      checkpoints.prune()
    stack.callback(writer.close)
    if writes:
      folder.write_json('config.json', plain)
      folder.write_json('run.json', record)
    stack.callback(progress.close)
    alone = run.parallel.process_count == 1  # others would take a sudden end for a failure
    interrupt = stack.enter_context(Interrupt(nothing_to_lose=alone))
    loop = Loop(run, folder, checkpoints, writer, progress, interrupt, record)
    return loop.run_from(state, meta, step, done)


class Loop:
  """The steps of a run and what happens between them."""

  def __init__(self, run, folder, checkpoints, writer, progress, interrupt, record):
    self.run, self.folder, self.checkpoints = run, folder, checkpoints
    self.writer, self.progress, self.interrupt, self.record = writer, progress, interrupt, record
    self.writes = run.parallel.process_index == 0
    self.step_key = stream(run.key, 'train')
    self.timing = Timing()
    self.pending = collections.deque()  # (steps done before the call, steps in it, its scalars)
    self.alarmed = []  # names of the alarms that stand
    self.step_functions = {}
    self.waiting = True  # the user, for the first numbers
    self.pictures = pictures.Pictures(run, folder, writer)
    alone = run.parallel.process_count == 1  # else all of them would have to stop at the same batch
    self.evaluation = evaluation.Evaluation(
      run, writer, progress, self.pictures, lambda: alone and bool(self.interrupt)
    )

  def run_from(self, state, meta, step, done):
    """Runs from `step` to the end and returns the final state on the host.

    Args:
      state: State on the host.
      meta: of the checkpoint that it is from, or None.
      step: int, steps done.
      done: whether what was due after that step has been done.
    """
    run, total = self.run, self.run.total_steps
    self.window = Window(meta and meta['window'])
    self.last_checkpoint = step if meta else None
    state = run.parallel.put_state(state)
    if meta and not done:  # interrupted after the step, before what was due after it
      self.do_what_is_due(state, step)
    batches = run.batches.iterate(step)
    self.progress.start(step)
    try:
      while step < total:
        num = steps_of_call(step, run.intervals, run.options.train.steps_per_call, total)
        self.retire_ready()
        state = self.call(state, step, num, self.next_batch(batches, num))
        step += num
        stop = self.told_to_stop(step)
        if stop and step < total:
          self.stop(state, step)
        if any(self.run.due(step)):
          self.drain()
          self.do_what_is_due(state, step)
    finally:
      batches.close()
    self.checkpoints.wait()
    self.pictures.save_gif(step)
    self.record.update(finished=True, finished_seconds=round(provenance.process_seconds(), 3))
    self.write_record()
    self.progress.close()
    self.progress.say(f'finished: step {step} of {total}; everything is in {self.folder.path}')
    return run.parallel.get_state(state)

  def next_batch(self, batches, num):
    """Returns the batch of `num` steps on the devices."""
    began = time.perf_counter()
    parts = [next(batches) for _ in range(num)]
    self.timing.waited(time.perf_counter() - began)
    if num == 1:
      return self.run.parallel.put_batch(parts[0])
    stacked = {name: np.stack([part[name] for part in parts]) for name in parts[0]}
    return self.run.parallel.put_batch(stacked, stacked=True)

  def call(self, state, step, num, batch):
    """Starts a call of `num` steps and returns the state after it, which may not have been computed yet."""
    compiles = num not in self.step_functions
    if compiles:
      self.drain()
      self.progress.say(f'compiling {_steps(num)}')
      began = time.perf_counter()
      self.timing.pause()
      self.step_functions[num] = self.run.parallel.train_step(self.run.task, num)
    while len(self.pending) >= MAX_IN_FLIGHT:
      self.retire()
    state, scalars = self.step_functions[num](state, batch, self.step_key)
    self.pending.append((step, num, scalars))
    if compiles:
      jax.block_until_ready(scalars)
      self.progress.say(f'compiled, and {_steps(num)} made, in {time.perf_counter() - began:.1f} s')
      self.drain()
      self.timing.start()
      if 'first_step_seconds' not in self.record:
        self.record['first_step_seconds'] = round(provenance.process_seconds(), 3)
        self.write_record()
    return state

  def retire_ready(self):
    """Looks at the calls that have ended. Else, where data are the bottleneck, lines would lag behind their times."""
    while self.pending and all(x.is_ready() for x in jax.tree.leaves(self.pending[0][2])):
      self.retire()

  def drain(self):
    """Returns when every call has been looked at."""
    while self.pending:
      self.retire()

  def retire(self):
    """Waits for the oldest call, checks its scalars and writes the lines that are due."""
    options = self.run.options
    self.interrupt.nothing_to_lose = False
    first, num, scalars = self.pending.popleft()
    scalars = {name: np.atleast_1d(x) for name, x in self.run.parallel.fetch(scalars).items()}
    self.timing.trained(num * options.images_per_step)
    timed = {}
    for i in range(num):
      step = first + i + 1
      values = {name: x[i] for name, x in scalars.items()}
      finite.check_scalars(values, step, self.last_checkpoint)
      self.window.add(values)
      if step % options.log.every == 0 or step == self.run.total_steps:
        timed = timed or self.timing.take()  # the steps of a call end together: its lines share their times
        self.log(step, timed)
      elif self.waiting:
        self.progress.numbers(step, values)
      self.waiting = False
    self.progress.step(first + num)

  def log(self, step, timed):
    """Writes a line with the means of the window and {name: number} of the times."""
    means = self.window.take()
    self.warn(step, self.run.task.alarms(means))
    numbers = {
      **means,
      'learning_rate': float(self.run.learning_rate(step - 1)),
      'epoch': step / self.run.batches.steps_per_epoch,
      **timed,
    }
    self.writer.write(step, 'train', numbers)
    self.progress.numbers(step, numbers, self.alarmed)

  def warn(self, step, alarms):
    """Says {name: sentence} of what is wrong with the training; what was said stays unsaid until it has ended."""
    for name, sentence in alarms.items():
      if name not in self.alarmed:
        self.progress.say(f'warning, step {step}: {sentence}')
    self.alarmed = list(alarms)

  def do_what_is_due(self, state, step):
    """Does what is due after a step: first the checkpoint, so that nothing can lose it, then pictures and evaluation.

    What comes after the checkpoint is noted in run.json when it is done; until then a run that goes on from this step
    does it again.
    """
    timed = self.timing.running
    self.timing.pause()
    sample, evaluate, save = self.run.due(step)
    if save:
      self.save(state, step, between_done=not (sample or evaluate))
    if sample:
      self.pictures.make(state, step)
    if evaluate:
      try:
        metrics, protocol = self.evaluation.evaluate(state, step)
      except evaluation.Stopped:
        self.stop(state, step)
      self.note_metrics(step, metrics)
      self.record['evaluation'] = {'step': step, 'protocol': protocol}
    if sample or evaluate:
      self.writer.flush()
      self.record['done_after'] = step
      self.write_record()
    if timed:
      self.timing.start()

  def note_metrics(self, step, metrics):
    """Tells the checkpoints how good that of a step is."""
    best = self.run.options.checkpoint.best_metric
    if best and best not in metrics:
      logging.warning(
        "checkpoint.best_metric='%s' is no metric of the evaluation of step %d, which has: %s",
        best,
        step,
        ', '.join(sorted(metrics)) or 'none',
      )
    self.checkpoints.note_metrics({step: metrics})

  def save(self, state, step, between_done):
    """Starts to write a checkpoint; all lines up to its step are on disk before."""
    host = self.run.parallel.get_state(state)
    finite.check_state(host, step, self.last_checkpoint)
    self.writer.flush()
    self.checkpoints.save(step, host, {'window': self.window.saved(), 'between_done': between_done})
    self.last_checkpoint = step

  def told_to_stop(self, step):
    """Whether to stop after this step: the same answer in all processes."""
    if self.run.parallel.process_count == 1:
      return bool(self.interrupt)
    return step % STEPS_BETWEEN_STOP_CHECKS == 0 and parallel_lib.any_process(self.interrupt)

  def stop(self, state, step):
    """Saves and leaves."""
    self.drain()
    self.save(state, step, between_done=not any(self.run.due(step)[:2]))
    self.checkpoints.wait()
    self.pictures.save_gif(step)
    self.write_record()
    self.progress.close()
    self.progress.say(
      f'{self.interrupt.signal or "a signal to another process"} came: step {step} of '
      f'{self.run.total_steps} is saved in {self.folder.path}; run the same command again to go on'
    )
    raise SystemExit(self.interrupt.exit_status or 128 + signal.SIGTERM)

  def write_record(self):
    """Writes run.json."""
    if self.writes:
      self.folder.write_json('run.json', self.record)


def steps_of_call(step, intervals, steps_per_call, total):
  """Returns how many steps the call that starts at `step` makes: steps_per_call, or 1 where that would jump over
  something that is due. A function of the step alone, so that a resumed run makes the same calls."""
  jumps = (
    step % steps_per_call
    or step + steps_per_call > total
    or any(any(intervals.due(i)) for i in range(step + 1, step + steps_per_call))
  )
  return 1 if jumps else steps_per_call


def _what_there_is(run):
  """Yields what a run is made of, for the user to read while it starts."""
  source, options, devices = run.source, run.options, run.parallel.devices
  place = '' if source.place == source.name else f' in {source.place}'
  heldout = f'; to evaluate on: {len(run.eval_source):,} ({options.data.eval_split})' if run.eval_source else ''
  yield f'data: {len(source):,} images of {source.name}{place} ({options.data.split}){heldout}'
  kind = devices[0].device_kind
  what = devices[0].platform if kind == devices[0].platform else f'{devices[0].platform} ({kind})'
  processes = f', {run.parallel.process_count} processes' if run.parallel.process_count > 1 else ''
  yield f'devices: {len(devices)} {what}{processes}'


def _what_is_to_be_done(run, state, step):
  """Yields the size of the networks and the length of the run."""
  sizes = {name: sum(np.size(x) for x in jax.tree.leaves(network.params)) for name, network in state.networks.items()}
  yield 'parameters: ' + ', '.join(f'{name} {size:,}' for name, size in sizes.items())
  epochs = run.total_steps / run.batches.steps_per_epoch
  yield (
    f'steps: {run.total_steps:,} of {run.options.images_per_step} images ({epochs:.3g} epochs), from step {step:,} on'
  )


def _steps(num):
  return 'one training step' if num == 1 else f'{num} training steps in a call'


def _evaluation(run, step):
  """The last evaluation, if an earlier process made it and it is not made again after `step`."""
  evaluation = run.get('evaluation')
  return {'evaluation': evaluation} if evaluation and evaluation['step'] <= step else {}


def _compare_rules(before, now, step):
  """Warns where a run goes on by other forms of the operators than those that it began with."""
  if step and before and now and before['fingerprint'] != now['fingerprint']:
    before, now = ("'{name}' ({fingerprint})".format(**rule) for rule in (before, now))
    _warn_of_other_digits(step, f'the CPU rule {before}', now)


def _compare_native(earlier, now, step):
  """Warns where a run goes on with other convolutions outside of XLA than those that it began with, or without."""
  before, after = earlier.get('native'), now['native']
  if step and now['devices']['platform'] == 'cpu' and before != after:
    said = ['oneDNN {onednn} (build {build})'.format(**used) if used else 'XLA alone' for used in (before, after)]
    _warn_of_other_digits(step, *said, f'; DECONV_NATIVE={"on" if before else "off"} undoes it')


def _warn_of_other_digits(step, before, now, remedy=''):
  logging.warning(
    'Up to step %d this run computed its convolutions by %s, and goes on by %s: the same sums in another order, so '
    'that the last digits differ from those of a run without the change%s.',
    step,
    before,
    now,
    remedy,
  )


def _earlier(run):
  """The records of the processes that worked in this folder before, oldest first."""
  if not run:
    return []
  return [*run.get('earlier', ()), {name: value for name, value in run.items() if name != 'earlier'}]
