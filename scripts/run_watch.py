"""What a run is doing at this moment, by the files in its folder."""

import json
import os
import re
from typing import NamedTuple

START_UP, TRAINING, CHECKPOINT, PICTURES, EVALUATION, CLOSING, FINISHED = PHASES = (
  'start-up',
  'training',
  'checkpoint',
  'pictures',
  'evaluation',
  'closing',
  'finished',
)


class Moment(NamedTuple):
  """What a run is doing.

  Attributes:
    phase: one of PHASES: start-up is all before the first step, compilation included; checkpoint: one is being written,
      whatever else is done; closing: all that is due after the last step is done, and `finished` is not yet noted.
    step: the last step that has a line, or that the run was resumed from.
    last: whether that is the last step of the run.
  """

  phase: str
  step: int
  last: bool


class Watch:
  """Looks at the folder of a run that writes a line after every step (log.every=1)."""

  def __init__(self, folder, since, evaluated):
    """Looks at nothing yet.

    Args:
      folder: the workdir.
      since: time.time_ns() before the process started: what is older is by an earlier one.
      evaluated: the steps after which an undisturbed run has the line of an evaluation.
    """
    self._folder, self._since, self._evaluated = folder, since, evaluated
    self._read = {}  # name: ((mtime, size), content)

  def moment(self):
    """Returns the Moment; one look costs well below a millisecond."""
    run = self._fresh('run.json', _parse)
    if run is None:
      return Moment(START_UP, 0, False)
    trained, evaluated = self._fresh('metrics.jsonl', _last_steps, old=True) or (0, 0)
    step = max(run['resumed_from'], trained)
    last = step >= run['steps']
    return Moment(self._phase(run, step, last, evaluated == step), step, last)

  def _phase(self, run, step, last, evaluated):
    behind, done = run['resumed_from'], run['done_after'] == step
    again = behind > 0 and run['done_after'] is None and step == behind  # what was due before the interruption
    if run.get('finished'):
      phase = FINISHED
    elif 'first_step_seconds' not in run and not again and not last:
      phase = START_UP
    elif self._writes_checkpoint():
      phase = CHECKPOINT
    elif not done and self._draws(step, last) and not self._drawn(step):
      phase = PICTURES
    elif not done and step in self._evaluated and not evaluated:
      phase = EVALUATION
    else:
      phase = CLOSING if last else TRAINING
    return phase

  def _fresh(self, name, parse, old=False):
    """The parsed content of a file that this process has written; None while there is none. With `old` any's."""
    path = os.path.join(self._folder, name)
    try:
      stat = os.stat(path)
      if stat.st_mtime_ns < self._since and not old:
        return None
      key = stat.st_mtime_ns, stat.st_size, stat.st_ino
      if self._read.get(name, (None,))[0] != key:
        with open(path, 'rb') as file:
          self._read[name] = key, parse(file)
    except (OSError, ValueError):
      return None
    return self._read[name][1]

  def _writes_checkpoint(self):
    return any(
      'orbax-checkpoint-tmp' in entry.name and _mtime(entry) >= self._since
      for entry in _entries(os.path.join(self._folder, 'checkpoints'))
    )

  def _draws(self, step, last):
    every = self._fresh('config.json', _parse, old=True)['samples']['every']
    return every > 0 and (last or step % every == 0)

  def _drawn(self, step):
    return any(
      re.fullmatch(rf'.+_{step:08d}\.png', entry.name) and _mtime(entry) >= self._since
      for entry in _entries(os.path.join(self._folder, 'samples'))
    )


def _entries(folder):
  try:
    with os.scandir(folder) as entries:
      return list(entries)
  except FileNotFoundError:
    return []


def _mtime(entry):
  try:
    return entry.stat().st_mtime_ns
  except FileNotFoundError:
    return 0


def _parse(file):
  return json.load(file)


def _last_steps(file):
  """(the last step with a line of training, the last with one of an evaluation); 0 for none."""
  file.seek(max(0, file.seek(0, os.SEEK_END) - 20_000))
  last = {'train': 0, 'eval': 0}
  for line in file.read().splitlines(keepends=True):
    try:
      line = json.loads(line) if line.endswith(b'\n') else {}
    except ValueError:  # the first one is cut
      continue
    if line:
      split = 'train' if line['split'] == 'train' else 'eval'
      last[split] = max(last[split], line['step'])
  return last['train'], last['eval']
