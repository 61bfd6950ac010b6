"""A disk without room: one sentence, nothing hangs, what was there goes on. A limit on the size of a file stands in."""

import json
import os
import subprocess
import sys

import pytest

from tests.experiments.run_experiment import ROOT


def train(folder, limit, **overrides):
  """Runs the tiny task in a process whose files may have so many bytes; None = any."""
  text = json.dumps({'workdir': str(folder), 'overrides': overrides})
  # The process limits itself: a function between fork and exec may deadlock where JAX has its threads.
  code = (
    'import resource, sys; from tests.training import run_tiny; import json\n'
    f'if {limit}: resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n'
    'run_tiny.main(**json.loads(sys.argv[1]))'
  )
  return subprocess.run(
    [sys.executable, '-c', code, text],
    cwd=ROOT,
    timeout=120,
    check=False,
    capture_output=True,
    text=True,
    env={**os.environ, 'JAX_PLATFORMS': 'cpu'},
  )


@pytest.mark.parametrize('tensorboard', [False, True])
def test_lines_and_events(tmp_path, tensorboard):
  overrides = dict(
    train__steps=400, log__every=1, checkpoint__every=100, samples__every=0, eval__every=0, log__tensorboard=tensorboard
  )
  full = train(tmp_path, 30_000, **overrides)
  assert full.returncode == 2 and f"error: cannot write to '{tmp_path}'" in full.stderr, full.stderr
  assert 'make room' in full.stderr and 'Traceback' not in full.stderr
  again = train(tmp_path, None, **overrides)
  assert again.returncode == 0, again.stderr
  with open(tmp_path / 'metrics.jsonl') as file:
    steps = [line['step'] for line in map(json.loads, file) if line['split'] == 'train']
  assert steps == list(range(1, 401))


def test_a_checkpoint(tmp_path):
  # One array alone has no room: how arrays are put together in files depends on the time that each takes.
  overrides = dict(
    train__steps=20, checkpoint__every=5, samples__every=0, eval__every=0, log__tensorboard=False, data__image_size=32
  )
  assert train(tmp_path, None, **{**overrides, 'train__steps': 10}).returncode == 0
  # Room for the other files: run.json, which repeats the record of the process before, becomes the largest of them.
  room = 3 * (tmp_path / 'run.json').stat().st_size
  assert 3 * room < max(file.stat().st_size for file in (tmp_path / 'checkpoints').rglob('*'))
  full = train(tmp_path, room, **{**overrides, 'log__every': 20})
  assert full.returncode == 2 and 'error: cannot write' in full.stderr and 'make room' in full.stderr, full.stderr
  again = train(tmp_path, None, **overrides)
  assert again.returncode == 0, again.stderr
  assert json.loads((tmp_path / 'run.json').read_text())['resumed_from'] == 10


def test_a_tmpfs_that_is_too_small(tmp_path):
  """The real thing, where the system lets a test mount one."""
  mounted = subprocess.run(
    ['mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', str(tmp_path)], capture_output=True, check=False
  )
  if mounted.returncode:
    pytest.skip('no file system can be mounted here')
  try:
    full = train(
      tmp_path / 'run',
      None,
      train__steps=3000,
      log__every=1,
      checkpoint__every=0,
      samples__every=0,
      eval__every=0,
      log__tensorboard=True,
    )
    assert full.returncode == 2 and 'make room' in full.stderr and 'Traceback' not in full.stderr, full.stderr
  finally:
    subprocess.run(['umount', str(tmp_path)], check=True)
