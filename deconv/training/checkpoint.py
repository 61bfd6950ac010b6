"""Checkpoints: asynchronous, atomic, and with checksums that are verified when one is read.

Orbax commits a checkpoint by renaming its folder, so that a kill leaves either all of it or a folder that is ignored.
It does not notice a flipped bit in the arrays, so the SHA-256 of every array is taken in memory before the write, and
the manifest travels inside the checkpoint: no moment exists at which a committed checkpoint lacks it, and what is
restored is what was saved or is refused.
"""

import concurrent.futures
import contextlib
import hashlib
import json
import os

from absl import logging
import jax
import numpy as np
import orbax.checkpoint as ocp

from deconv.errors import UserError
from deconv.options import CheckpointOptions
from deconv.training import parallel

# How the folder of a damaged checkpoint begins; its step follows.
_SET_ASIDE = 'damaged-'


class Checkpoints:
  """The checkpoints of one run: the newest `keep`, and the best by a metric.

  Process 0 reads and writes; the others get what it read. A context manager: leaving it waits for what is being
  written.
  """

  def __init__(self, folder, options=CheckpointOptions(), due=lambda step: True, read_only=False):
    """Opens the folder.

    Args:
      folder: path; made if need be.
      options: CheckpointOptions.
      due: whether a step is one after which the run makes a checkpoint; those of other steps, which a signal caused,
        are kept until the next one that is due.
      read_only: only look: nothing is made, cleaned up or set aside.
    """
    self.folder = os.path.abspath(folder)
    self.read_only = read_only
    self._best_metric = options.best_metric
    self._manager = None
    if jax.process_index() > 0 or (read_only and not os.path.isdir(self.folder)):
      return
    if not read_only:
      try:
        os.makedirs(self.folder, exist_ok=True)
      except OSError as error:
        raise UserError(
          f"'{self.folder}' is to be the folder of the checkpoints and cannot be made "
          f'({error.strerror}): move what is there away, or choose another workdir'
        ) from error
    self._policy = _NewestAndBest(options.keep, options.best_value, due)
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)  # it warns that a folder that is only to be read is only read
    try:
      managing = ocp.CheckpointManagerOptions(
        create=False,
        read_only=read_only,
        cleanup_tmp_directories=not read_only,
        preservation_policy=self._policy,
        multiprocessing_options=ocp.options.MultiprocessingOptions(
          primary_host=0, active_processes={0}, barrier_sync_key_prefix='deconv'
        ),
      )
      self._manager = ocp.CheckpointManager(self.folder, options=managing)
    finally:
      logging.set_verbosity(verbosity)
    for step in self.steps() if self._best_metric else ():
      try:
        self._policy.metrics.update({step: self._read_description(step).get('metrics', {}).get(self._best_metric)})
      except _Damaged:
        pass  # found and told when it is to be restored

  def __enter__(self):
    return self

  def __exit__(self, *exception):
    self.close()

  def steps(self):
    """The steps of the committed checkpoints, ascending; [] on processes other than 0."""
    return sorted(self._manager.all_steps()) if self._manager else []

  def save(self, step, state, meta):
    """Starts to write a checkpoint and returns before it is on disk.

    Args:
      step: int.
      state: pytree of host arrays that nobody changes afterwards; that they are finite is the caller's business.
      meta: what JSON can hold.

    Returns:
      Whether one was started: not when this step has a checkpoint already, nor on processes other than 0.
    """
    if not self._manager or step in self.steps():
      return False
    content = {'step': step, 'meta': meta, 'arrays': _manifest(state)}
    with self._writing():
      started = self._manager.save(
        step,
        args=ocp.args.Composite(
          state=ocp.args.StandardSave(state), meta=ocp.args.JsonSave({**content, 'sha256': _digest(content)})
        ),
      )
    if not started:
      raise AssertionError(f'orbax refused to save step {step}; there are {self.steps()}')
    return True

  def restore_latest(self, template):
    """Reads the newest checkpoint that is intact, and sets those after it aside as `damaged-STEP` with a warning.

    Args:
      template: pytree of arrays or shapes like the state that was saved.

    Returns:
      (state of host arrays, meta, step), or None when there is none.

    Raises:
      UserError: a checkpoint is intact but of another network or optimizer; or all of them are damaged.
    """
    if jax.process_count() == 1:
      return self._restore_latest(template)
    return parallel.from_first_process(lambda: self._restore_latest(template), template)

  def restore(self, step, template):
    """Reads the checkpoint of one step.

    Returns:
      (state of host arrays, meta, step).

    Raises:
      UserError: there is none of that step, it is damaged, or of another network or optimizer.
    """
    if step not in self.steps():
      steps = ', '.join(map(str, self.steps())) or 'none'
      raise UserError(f"'{self.folder}' has no checkpoint of step {step}; it has: {steps}")
    try:
      return (*self._read(step, template), step)
    except _Damaged as error:
      others = ', '.join(str(other) for other in self.steps() if other != step)
      way_out = f'take another of: {others}' if others else 'put back a copy of it, or train again in another workdir'
      raise UserError(f'the checkpoint of step {step} is damaged: {error}; {way_out}') from error

  def wait(self):
    """Returns when everything that was started is on disk."""
    if self._manager:
      with self._writing():
        self._manager.wait_until_finished()

  def close(self):
    """Waits, then ends the threads."""
    if self._manager:
      manager, self._manager = self._manager, None
      with self._writing():
        manager.close()  # waits

  def note_metrics(self, evaluations):
    """Says how good checkpoints are, which are written before their evaluation; see `prune`.

    Args:
      evaluations: {step: {name: number}}.
    """
    values = {step: metrics.get(self._best_metric) for step, metrics in evaluations.items()}
    known = {step: float(value) for step, value in values.items() if value is not None and np.isfinite(value)}
    if not self._manager or self.read_only or not known:
      return
    self._policy.metrics.update(known)
    self.prune()

  def prune(self):
    """Deletes the checkpoints that are neither new nor the best any more. Orbax does that after it has written one,
    so that a kill between the two leaves one too many."""
    if not self._manager or self.read_only:
      return
    self.wait()
    for other in self.steps():
      if other not in self._policy.kept(self.steps()):
        self._manager.delete(other)

  @contextlib.contextmanager
  def _writing(self):
    """No room is one sentence, whichever library says it; what was there before is untouched."""
    try:
      yield
    except OSError as error:
      raise _cannot_write(self.folder, error.strerror or error) from error
    except Exception as error:  # tensorstore raises ValueError, its asynchronous writes others
      if any(word in str(error) for word in _NO_ROOM):
        raise _cannot_write(self.folder, 'no space left on device') from error
      raise

  def _restore_latest(self, template):
    damaged = []
    for step in reversed(self.steps()):
      try:
        state, meta = self._read(step, template)
        return state, meta, step
      except _Damaged as error:
        damaged.append(self._set_aside(step, error))
    damaged = damaged or [name for name in _listdir(self.folder) if name.startswith(_SET_ASIDE)]
    if damaged:
      raise UserError(
        f"no intact checkpoint is left in '{self.folder}' (damaged: {', '.join(damaged)}); put back a "
        'copy of one, or start again in another workdir'
      )
    return None

  def _read_description(self, step):
    try:
      content = self._manager.restore(step, args=ocp.args.Composite(meta=ocp.args.JsonRestore())).meta
      sha256 = content.pop('sha256')
    except Exception as error:  # whatever orbax raises on broken files: the types are many and not documented
      raise _Damaged(f'its description cannot be read ({_first_line(error)})') from error
    if sha256 != _digest(content):
      raise _Damaged('the checksum of its description does not fit')
    if content['step'] != step:  # its folder was renamed: the numbers of its steps would come again
      raise _Damaged(f'it is that of step {content["step"]}')
    return content

  def _read(self, step, template):
    content = self._read_description(step)
    expected = content['arrays']
    _check_fits(step, expected, template)
    empty = jax.tree.map(lambda x: np.empty(x.shape, x.dtype), template)
    try:
      state = self._manager.restore(step, args=ocp.args.Composite(state=ocp.args.StandardRestore(empty))).state
    except Exception as error:
      raise _Damaged(f'its arrays cannot be read ({_first_line(error)})') from error
    found = _manifest(state)
    wrong = [name for name in expected if found.get(name) != expected[name]]
    if wrong:
      raise _Damaged(f'the checksum of {wrong[0]} does not fit')
    return state, content['meta']

  def _set_aside(self, step, error):
    if self.read_only:
      logging.warning('Checkpoint of step %d is damaged: %s. It is passed over.', step, error)
      return str(step)
    name, number = f'{_SET_ASIDE}{step}', 1
    while os.path.exists(os.path.join(self.folder, name)):
      number += 1
      name = f'{_SET_ASIDE}{step}-{number}'
    os.rename(os.path.join(self.folder, str(step)), os.path.join(self.folder, name))
    self._manager.reload()
    logging.warning(
      'Checkpoint of step %d is damaged: %s. It is set aside as %s; the one before it is used.',
      step,
      error,
      os.path.join(self.folder, name),
    )
    return name


class _NewestAndBest(ocp.checkpoint_managers.PreservationPolicy):
  """Which checkpoints stay. Orbax' own BestN forgets the metrics at a restart, unless it stores them in a file of its
  own, which stops it from opening the folder when it is damaged; so they come from the checked description.

  Attributes:
    metrics: {step: number, or None}, filled by the owner.
  """

  def __init__(self, keep, best_value, due):
    self.metrics = {}
    self._keep, self._sign, self._due = keep, -1 if best_value == 'min' else 1, due

  def should_preserve(self, checkpoints, *, context):
    steps = [checkpoint.step for checkpoint in checkpoints]
    kept = self.kept(steps)
    return [step in kept for step in steps]

  def kept(self, steps):
    """Returns the set of those steps that stay."""
    due = sorted(filter(self._due, steps))[-self._keep :]
    newer = [step for step in sorted(steps) if step > max(due, default=-1)]
    kept = {*due, *newer[-self._keep :]}
    known = [step for step in steps if self.metrics.get(step) is not None]
    if known:
      kept.add(max(known, key=lambda step: (self._sign * self.metrics[step], step)))
    return kept


# Words of the libraries for a disk, a quota or a file that is full.
_NO_ROOM = 'RESOURCE_EXHAUSTED', 'No space left', 'Disk quota exceeded', 'File too large'


class _Damaged(Exception):
  """A checkpoint is not what was written."""


def _manifest(tree):
  """{path in the tree: {'shape', 'dtype', 'sha256'}} of every array."""

  def describe(item):
    path, x = item
    x = np.ascontiguousarray(x)
    sha256 = hashlib.sha256(x.reshape(-1).view(np.uint8)).hexdigest()
    return _name(path), {'shape': list(np.shape(item[1])), 'dtype': str(x.dtype), 'sha256': sha256}

  leaves = jax.tree_util.tree_leaves_with_path(tree)
  with concurrent.futures.ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:  # hashing releases the GIL
    return dict(pool.map(describe, leaves))


def _digest(content):
  return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _check_fits(step, arrays, template):
  """Raises UserError, not _Damaged: a checkpoint of another network is nobody's fault but the config's."""
  wanted = {
    _name(path): [list(x.shape), str(np.dtype(x.dtype))] for path, x in jax.tree_util.tree_leaves_with_path(template)
  }
  saved = {name: [entry['shape'], entry['dtype']] for name, entry in arrays.items()}
  for name in [*saved, *wanted]:
    if saved.get(name) != wanted.get(name):
      there, here = (
        f'{entry[1]}{tuple(entry[0])}' if entry else 'nothing' for entry in (saved.get(name), wanted.get(name))
      )
      raise UserError(
        f"the checkpoint of step {step} has {there} as '{name}' where this config makes {here}; "
        'use the config that it was trained with, or another workdir'
      )


def _name(path):
  return jax.tree_util.keystr(path, simple=True, separator='/')


def holds_any(folder):
  """Whether a folder of checkpoints holds one, perhaps a damaged one that was set aside."""
  return any(name.isdigit() or name.startswith(_SET_ASIDE) for name in _listdir(folder))


def _listdir(folder):
  return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


def _first_line(error):
  return f'{type(error).__name__}: {str(error).splitlines()[0][:200] if str(error) else ""}'


def _cannot_write(folder, reason):
  return UserError(
    f"cannot write a checkpoint to '{folder}': {reason}; make room, and run the same command again to "
    'go on, or choose another workdir'
  )
