"""What a run says: metrics.jsonl, TensorBoard events, and a progress bar or plain lines.

Only process 0 writes; on the others the same objects do nothing.
"""

import contextlib
import glob
import json
import math
import os
import sys
import time

from absl import logging
import rich.console
import rich.progress
import rich.text

from deconv import atomic_files
from deconv.errors import UserError

# What a clock says in the lines of metrics.jsonl: no two runs have it in common. `seconds_` begins what an evaluation
# took: `seconds_eval` the pass over the evaluation split, `seconds_NAME` an evaluator.
TIMES = ('images_per_second', 'data_wait', 'inference_images_per_second')
SECONDS = 'seconds_'


def is_time(name):
  """Whether a number of metrics.jsonl comes from a clock."""
  return name in TIMES or name.startswith(SECONDS)


class MetricWriter:
  """Appends to metrics.jsonl (the truth: one JSON object a line) and, if wanted, to TensorBoard event files."""

  def __init__(self, folder, tensorboard=True, resume_step=0, enabled=True, evaluated=True):
    """Opens the files; what an earlier process wrote after `resume_step` is dropped, for it will be written again.

    Args:
      folder: the workdir.
      tensorboard: also write events.* files.
      resume_step: step of the checkpoint that the run goes on from; 0 at the start.
      enabled: False = do nothing.
      evaluated: whether the evaluation of that step was done to its end; False = it comes again.

    Raises:
      UserError: TensorBoard events are wanted without tensorboardX, or the files cannot be written.
    """
    self._file = self._events = None
    if not enabled:
      return
    self._folder = folder
    path = os.path.join(folder, 'metrics.jsonl')
    with self._no_room():
      truncate(path, resume_step, evaluated)
      self._file = open(path, 'a')
      if tensorboard:
        again = bool(glob.glob(os.path.join(glob.escape(folder), 'events.*')))
        self._events = _Events(folder, resume_step + 1 if again else None)

  def write(self, step, split, numbers):
    """Writes one line.

    Args:
      step: int, steps done.
      split: 'train', 'eval', or 'final': an evaluation at the end with more samples than those before.
      numbers: {name: number}; what is not finite becomes null, since JSON has no nan.
    """
    if not self._file:
      return
    numbers = {name: value if isinstance(value, int) else float(value) for name, value in numbers.items()}
    line = {name: value if math.isfinite(value) else None for name, value in numbers.items()}
    with self._no_room():
      self._file.write(json.dumps({'step': step, 'split': split, **line}) + '\n')
      self._file.flush()
      if self._events:
        for name, value in numbers.items():
          self._events.scalar(f'{split}/{name}', value, step)

  def image(self, step, name, image):
    """Shows an image, uint8 (height, width, 1 or 3), in TensorBoard."""
    if self._events:
      with self._no_room():
        self._events.image(name, image, step)

  def flush(self):
    """Returns when all lines are on disk."""
    with self._no_room():
      if self._file:
        self._file.flush()
        os.fsync(self._file.fileno())
      if self._events:
        self._events.flush()

  def close(self):
    """Flushes and closes the files."""
    file, events, self._file, self._events = self._file, self._events, None, None
    with self._no_room():
      if file:
        file.close()
      if events:
        events.close()

  @contextlib.contextmanager
  def _no_room(self):
    """A disk that is full, or gone, is the user's to mend."""
    try:
      yield
    except OSError as error:
      raise UserError(
        f"cannot write to '{self._folder}': {error.strerror or error}; make room, and run the same "
        'command again to go on'
      ) from error


class _Events:
  """TensorBoard events, written when they come: a thread that wrote them later could die unseen of a full disk."""

  def __init__(self, folder, purge_step):
    try:
      from tensorboardX import event_file_writer, summary
      from tensorboardX.proto import event_pb2
    except ImportError as error:
      raise UserError(
        'log.tensorboard needs the package tensorboardX: run `pip install tensorboardX`, or set '
        '--config.log.tensorboard=False'
      ) from error
    self._event, self._summary = event_pb2.Event, summary
    self._writer = event_file_writer.EventsWriter(os.path.join(folder, 'events'))
    if purge_step is not None:  # what comes after is hidden: it is written again
      start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
      self._writer.write_event(event_pb2.Event(wall_time=time.time(), step=purge_step, session_log=start))

  def scalar(self, name, value, step):
    self._write(self._summary.scalar(name, value), step)

  def image(self, name, image, step):
    self._write(self._summary.image(name, image, dataformats='HWC'), step)

  def _write(self, summary, step):
    self._writer.write_event(self._event(wall_time=time.time(), step=step, summary=summary))

  def flush(self):
    self._writer.flush()

  def close(self):
    self._writer.close()


def truncate(path, step, evaluated=True):
  """Drops the lines of a metrics file that come after a step, and lines that a killed process left half written.

  Args:
    path: of the file.
    step: of the checkpoint that the run goes on from.
    evaluated: False = the evaluation of that step is made again, and its line goes too.
  """
  if not os.path.exists(path):
    return
  with open(path, 'rb') as file:
    lines = file.read().splitlines(keepends=True)
  kept = [line for line in lines if _is_up_to(line, step, evaluated)]
  if len(kept) == len(lines):
    return
  logging.info(
    'Dropped %d of %d lines of %s: they come after step %d and are written again.',
    len(lines) - len(kept),
    len(lines),
    path,
    step,
  )
  atomic_files.write(path, b''.join(kept), durable=True)


def _is_up_to(line, step, evaluated):
  if not line.endswith(b'\n'):
    return False
  try:
    line = json.loads(line)
    return line['step'] <= step and (evaluated or line['step'] < step or line['split'] == 'train')
  except (ValueError, KeyError, TypeError):
    return False


def evaluations(path, split='eval'):
  """Returns {step: {name: number}} of the evaluations in a metrics file, times left out; {} where there is none."""
  try:
    with open(path, encoding='utf-8') as file:
      lines = [json.loads(line) for line in file if line.endswith('\n')]
  except FileNotFoundError:
    return {}
  return {
    line['step']: {name: value for name, value in line.items() if name not in ('step', 'split') and not is_time(name)}
    for line in lines
    if line['split'] == split
  }


class Progress:
  """A bar with losses and images a second on a terminal, a line now and then elsewhere."""

  def __init__(self, total_steps, loss_names, enabled=True, console=None):
    """Shows nothing yet.

    Args:
      total_steps: length of the run.
      loss_names: the scalars that are shown.
      enabled: False = show nothing at all.
      console: rich.console.Console; None = standard output.
    """
    self.total_steps = total_steps
    self.loss_names = loss_names
    self._console = console or rich.console.Console(file=sys.stdout)
    self._enabled = enabled
    self._bar = self._task = None

  def start(self, step):
    """Shows the bar at a step."""
    if self._enabled and self._console.is_interactive:
      self._bar = _Bar(
        rich.progress.TextColumn('step'),
        rich.progress.MofNCompleteColumn(),
        rich.progress.BarColumn(bar_width=None),
        rich.progress.TimeRemainingColumn(),
        console=self._console,
      )
      self._task = self._bar.add_task('', total=self.total_steps, completed=step)
      self._bar.start()

  def step(self, step):
    """Moves the bar."""
    if self._bar:
      self._bar.update(self._task, completed=step)

  def numbers(self, step, numbers, alarms=()):
    """Shows the numbers of a line of metrics.jsonl, and the names of what is wrong."""
    parts = [f'{name} {numbers[name]:.4g}' for name in self.loss_names if name in numbers]
    if 'images_per_second' in numbers:
      parts.append(f'{numbers["images_per_second"]:.0f} images/s')
    parts += [f'! {name}' for name in alarms]
    if self._bar:
      self._bar.below = '  '.join(parts)
      self._bar.update(self._task, completed=step)
    else:
      self.say('  '.join([f'step {step}/{self.total_steps}', *parts]))

  def say(self, text):
    """Shows a line of text, above the bar where there is one."""
    if self._enabled:
      self._console.print(text, markup=False, highlight=False, emoji=False, soft_wrap=True)

  def close(self):
    """Leaves the bar as it is."""
    if self._bar:
      self._bar.stop()
      self._bar = None


class _Bar(rich.progress.Progress):
  """A bar of one line, and a line of text below it, so that both fit a narrow terminal.

  Attributes:
    below: the text; what the terminal has no room for is cut off.
  """

  below = ''

  def get_renderables(self):
    yield self.make_tasks_table(self.tasks)
    yield rich.text.Text(self.below, no_wrap=True, overflow='crop')
