"""metrics.jsonl, TensorBoard events and what the user sees."""

import glob
import io
import json
import os
import re
import sys

import numpy as np
import pytest
import rich.console

from deconv.errors import UserError
from deconv.training import writers
from deconv.training.writers import MetricWriter, Progress


def read(folder):
  with open(folder / 'metrics.jsonl') as file:
    return [json.loads(line) for line in file]


def test_lines(tmp_path):
  writer = MetricWriter(tmp_path, tensorboard=False)
  writer.write(3, 'train', {'loss': np.float32(0.1), 'count': 2, 'bad': float('nan')})
  assert read(tmp_path) == [{'step': 3, 'split': 'train', 'loss': float(np.float32(0.1)), 'count': 2, 'bad': None}]
  writer.close()


def write_lines(folder, steps):
  writer = MetricWriter(folder, tensorboard=False, resume_step=10**9)
  for step in steps:
    writer.write(step, 'train', {'loss': step / 10})
  writer.close()


def test_resume_drops_later_lines_and_a_torn_one(tmp_path):
  write_lines(tmp_path, [1, 2, 3, 4])
  with open(tmp_path / 'metrics.jsonl', 'a') as file:
    file.write('{"step": 2, "split": "train", "lo')
  writer = MetricWriter(tmp_path, tensorboard=False, resume_step=2)
  assert [line['step'] for line in read(tmp_path)] == [1, 2]
  writer.write(3, 'train', {'loss': 9.0})
  writer.close()
  assert [(line['step'], line['loss']) for line in read(tmp_path)] == [(1, 0.1), (2, 0.2), (3, 9.0)]


def test_a_complete_file_is_not_rewritten(tmp_path):
  write_lines(tmp_path, [1, 2])
  before = os.stat(tmp_path / 'metrics.jsonl')
  MetricWriter(tmp_path, tensorboard=False, resume_step=2).close()
  after = os.stat(tmp_path / 'metrics.jsonl')
  assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_a_line_without_its_end_is_torn_even_if_it_parses(tmp_path):
  with open(tmp_path / 'metrics.jsonl', 'w') as file:
    file.write('{"step": 1}\n{"step": 2}')
  MetricWriter(tmp_path, tensorboard=False, resume_step=5).close()
  assert read(tmp_path) == [{'step': 1}]


def events(folder):
  import struct

  from tensorboardX.event_file_writer import EventsWriter  # noqa: F401 (the package is there)
  from tensorboardX.proto import event_pb2

  found = []
  for path in sorted(glob.glob(str(folder / 'events.*'))):
    with open(path, 'rb') as file:
      while header := file.read(12):
        (length,) = struct.unpack('<Q', header[:8])
        found.append(event_pb2.Event.FromString(file.read(length)))
        file.read(4)
  return found


def test_tensorboard_gets_scalars_and_images_and_purges_on_resume(tmp_path):
  writer = MetricWriter(tmp_path)
  writer.write(4, 'train', {'loss': 0.5})
  writer.image(4, 'samples', np.zeros((4, 4, 1), np.uint8))
  writer.close()
  values = {value.tag: event for event in events(tmp_path) for value in event.summary.value}
  assert values['train/loss'].step == 4 and values['train/loss'].summary.value[0].simple_value == 0.5
  assert values['samples'].summary.value[0].image.height == 4
  assert not any(event.HasField('session_log') for event in events(tmp_path))
  MetricWriter(tmp_path, resume_step=2).close()
  assert [event.step for event in events(tmp_path) if event.HasField('session_log')] == [3]


def test_without_tensorboardx(tmp_path, monkeypatch):
  monkeypatch.setitem(sys.modules, 'tensorboardX', None)
  with pytest.raises(UserError, match='pip install tensorboardX.*log.tensorboard=False'):
    MetricWriter(tmp_path)
  MetricWriter(tmp_path, tensorboard=False).close()


def test_other_processes_write_nothing(tmp_path, capsys):
  writer = MetricWriter(tmp_path, enabled=False)
  writer.write(1, 'train', {'loss': 1.0})
  writer.image(1, 'a', np.zeros((2, 2, 1), np.uint8))
  writer.flush()
  writer.close()
  progress = Progress(10, ('loss',), enabled=False)
  progress.start(0)
  progress.numbers(1, {'loss': 1.0})
  progress.say('x')
  progress.close()
  assert not os.listdir(tmp_path) and capsys.readouterr().out == ''


def test_plain_lines_where_there_is_no_terminal(capsys):
  progress = Progress(100, ('loss_gen', 'loss_disc'))
  progress.start(0)
  progress.step(5)
  progress.numbers(10, {'loss_disc': 0.25, 'loss_gen': 1.5, 'accuracy': 1.0, 'images_per_second': 321.4})
  progress.say('[b]a very long line ' + 'x' * 200)
  progress.close()
  out = capsys.readouterr().out
  assert out == f'step 10/100  loss_gen 1.5  loss_disc 0.25  321 images/s\n[b]a very long line {"x" * 200}\n'


def test_bar_on_a_terminal():
  out = io.StringIO()
  progress = Progress(100, ('loss',), console=rich.console.Console(file=out, force_terminal=True, width=100))
  progress.start(0)
  progress.numbers(10, {'loss': 0.25, 'images_per_second': 321.4})
  progress.close()
  assert '10/100' in out.getvalue() and 'loss 0.25  321 images/s' in out.getvalue()


class Terminal(io.StringIO):
  """A terminal of an encoding."""

  def __init__(self, encoding='utf-8'):
    super().__init__()
    self._encoding = encoding

  @property
  def encoding(self):
    return self._encoding


def frames(terminal):
  """What each redrawing of a line has shown, without colours."""
  return [re.sub(r'\x1b\[[0-9;?]*[a-zA-Z]', '', line) for line in re.split(r'[\r\n]+', terminal.getvalue())]


@pytest.mark.parametrize('encoding', ['utf-8', 'ascii'])
@pytest.mark.parametrize('names', [('loss',), ('loss_gen', 'loss_disc'), tuple(f'loss_{i}' for i in range(9))])
@pytest.mark.parametrize('total', [4, 2500, 1_000_000])
def test_a_bar_fits_70_columns(names, total, encoding):
  out = Terminal(encoding)
  progress = Progress(total, names, console=rich.console.Console(file=out, force_terminal=True, width=70))
  progress.start(0)
  for step in (1, total):
    progress.numbers(step, {**dict.fromkeys(names, -1234.5678), 'images_per_second': 123456.7})
    progress.say('a line of text')
  progress.close()
  shown = frames(out)
  assert max(map(len, shown)) <= 70
  assert any(line.startswith(f'step {total}/{total} ') for line in shown) and 'a line of text' in shown
  below = '  '.join([*(f'{name} -1235' for name in names), '123457 images/s'])
  assert below[:70].rstrip() in [line.rstrip() for line in shown]
  assert encoding == 'utf-8' or out.getvalue().isascii()


def test_a_terminal_that_cannot_move_its_cursor_gets_lines(monkeypatch):
  monkeypatch.setenv('TERM', 'dumb')
  out = io.StringIO()
  progress = Progress(100, ('loss',), console=rich.console.Console(file=out, force_terminal=True))
  progress.start(0)
  progress.numbers(10, {'loss': 0.25})
  progress.close()
  assert out.getvalue() == 'step 10/100  loss 0.25\n'


def test_text_is_shown_as_it_is(capsys):
  Progress(1, ()).say('in runs/a:smile:b and [red]')
  assert capsys.readouterr().out == 'in runs/a:smile:b and [red]\n'


def test_truncate_without_a_file(tmp_path):
  writers.truncate(str(tmp_path / 'none'), 3)
