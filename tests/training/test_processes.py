"""Runs in processes of their own: killed, told to stop, and two at once."""

import fcntl
import json
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import time

import pytest

from deconv.training.writers import is_time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def start(workdir, overrides=None, sleep=0.0, distributed='', env=None):
  options = {
    'workdir': str(workdir),
    'sleep': sleep,
    'distributed': distributed,
    'overrides': {'log__tensorboard': False, 'train__steps': 40, **(overrides or {})},
  }
  return subprocess.Popen(
    [sys.executable, '-m', 'tests.training.run_tiny', json.dumps(options)],
    cwd=ROOT,
    text=True,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    env={**os.environ, **(env or {})},
  )


def finish(process, timeout=120, status=0):
  """Output of a process that must end with a status."""
  try:
    out, err = process.communicate(timeout=timeout)
  finally:
    process.kill()
  assert process.returncode == status, f'{process.returncode}\n{out}\n{err}'
  return out


def lines(folder, times=False):
  with open(folder / 'metrics.jsonl') as file:
    found = [json.loads(line) for line in file]
  return [{name: value for name, value in line.items() if times or not is_time(name)} for line in found]


def wait_for_step(process, folder, step, timeout=120):
  """Returns once metrics.jsonl has a line of a step, or a later one."""
  end = time.time() + timeout
  while time.time() < end and process.poll() is None:
    try:
      if lines(folder)[-1]['step'] >= step:
        return
    except (OSError, ValueError, IndexError):
      pass
    time.sleep(0.01)
  pytest.fail(f'step {step} did not come: {process.communicate() if process.poll() is not None else "too slow"}')


def arrays_of(folder):
  """The checksums of the newest checkpoint: equal for states that are equal bit for bit."""
  newest = max(int(name) for name in os.listdir(folder / 'checkpoints') if name.isdigit())
  description = json.loads((folder / f'checkpoints/{newest}/meta/metadata').read_text())
  return description['step'], description['arrays']


@pytest.fixture(scope='module')
def environment(tmp_path_factory):
  return {
    'JAX_COMPILATION_CACHE_DIR': str(tmp_path_factory.mktemp('programs')),
    'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS': '0',
  }


@pytest.fixture(scope='module')
def straight(tmp_path_factory, environment):
  folder = tmp_path_factory.mktemp('straight')
  finish(start(folder, env=environment))
  return folder


def test_kill_9_then_resume_equals_an_uninterrupted_run(straight, tmp_path, environment):
  rng = random.Random(0)
  first = rng.randrange(6, 18)
  for step in (first, first + rng.randrange(6, 18)):
    process = start(tmp_path, sleep=0.02, env=environment)
    wait_for_step(process, tmp_path, step)
    time.sleep(rng.random() * 0.1)  # somewhere inside a step or a checkpoint
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
  assert lines(tmp_path)[-1]['step'] < 40
  finish(start(tmp_path, env=environment))
  assert json.loads((tmp_path / 'run.json').read_text())['resumed_from'] > 0
  assert lines(tmp_path) == lines(straight)
  assert arrays_of(tmp_path) == arrays_of(straight)
  assert sorted(os.listdir(tmp_path / 'samples')) == sorted(os.listdir(straight / 'samples'))
  for name in os.listdir(straight / 'samples'):
    assert (tmp_path / 'samples' / name).read_bytes() == (straight / 'samples' / name).read_bytes()


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_says_so_in_the_exit_status(straight, tmp_path, environment, number):
  process = start(tmp_path, sleep=0.02, env=environment)
  wait_for_step(process, tmp_path, 12)
  process.send_signal(number)
  out = finish(process, status=128 + number)
  assert f'{number.name} came' in out and 'run the same command again' in out
  step = max(int(name) for name in os.listdir(tmp_path / 'checkpoints') if name.isdigit())
  assert 12 <= step < 40 and f'step {step} of 40' in out
  finish(start(tmp_path, env=environment))
  assert json.loads((tmp_path / 'run.json').read_text())['resumed_from'] == step
  assert lines(tmp_path) == lines(straight)
  assert arrays_of(tmp_path) == arrays_of(straight)


def test_a_signal_before_the_first_step_ends_at_once(tmp_path, environment):
  process = start(tmp_path, sleep=5.0, env=environment)
  status = pathlib.Path(f'/proc/{process.pid}/status')
  while process.poll() is None and not (
    (tmp_path / 'run.json').exists() and _catches(status.read_text(), signal.SIGTERM)
  ):
    time.sleep(0.01)
  process.send_signal(signal.SIGTERM)
  _, err = process.communicate(timeout=4)  # less than a batch takes
  assert process.returncode == 143 and err == 'SIGTERM came before the first step: there was nothing to save\n'


def _catches(status, number):
  mask = int(status.split('SigCgt:')[1].split()[0], 16)
  return bool(mask >> (number - 1) & 1)


def start_two(folder, environment, *overrides, sleep=0.0):
  """Starts two processes with two devices each, on loopback, each with overrides of its own."""
  with socket.socket() as free:
    free.bind(('127.0.0.1', 0))
    address = f'127.0.0.1:{free.getsockname()[1]}'
  flags = os.environ['XLA_FLAGS'].replace('device_count=4', 'device_count=2')
  return [
    start(folder, own, sleep, f'{address},2,{i}', {**environment, 'XLA_FLAGS': flags})
    for i, own in enumerate(overrides)
  ]


def train_in_two(folder, environment, overrides):
  """Trains in two processes; returns what they said."""
  processes = start_two(folder, environment, overrides, overrides)
  try:
    return [finish(process) for process in processes]
  finally:
    for process in processes:
      process.kill()


def sentences(processes):
  """What each of them says, which must be one sentence and exit status 2."""
  try:
    said = [process.communicate(timeout=120)[1] for process in processes]
  finally:
    for process in processes:
      process.kill()
  said = [_without_transport(err) for err in said]
  for process, err in zip(processes, said, strict=True):
    assert process.returncode == 2 and err.startswith('error: ') and err.count('\n') == 1, err
  return said


def _without_transport(err):
  """What a process said, less the lines that the network library writes when the other process ends first."""
  return ''.join(line for line in err.splitlines(keepends=True) if not line.startswith('[external/gloo/'))


def test_two_processes_that_do_not_agree_say_in_what(tmp_path, environment):
  processes = start_two(tmp_path, environment, {}, {'optimizer__learning_rate': 0.02, 'data__workers': 1})
  for said in sentences(processes):
    assert 'do not agree in optimizer.learning_rate:' in said
  assert not (tmp_path / 'metrics.jsonl').exists()


def test_two_processes_train_one_run_and_resume_it(straight, tmp_path, environment):
  """The numbers are those of one process with four devices."""
  train_in_two(tmp_path, environment, {'train__steps': 10})
  outs = train_in_two(tmp_path, environment, {})
  assert 'finished' in outs[0] and 'step' not in outs[1]  # process 0 alone speaks
  run = json.loads((tmp_path / 'run.json').read_text())
  assert run['resumed_from'] == 10 and run['devices'] == {'platform': 'cpu', 'kind': 'cpu', 'count': 4, 'processes': 2}
  for ours, theirs in zip(lines(tmp_path), lines(straight), strict=True):
    assert ours.pop('split') == theirs.pop('split')
    assert ours == {name: pytest.approx(value, rel=1e-4) for name, value in theirs.items()}


def test_two_processes_under_pmap(tmp_path, environment):
  train_in_two(
    tmp_path, environment, {'train__steps': 4, 'eval__every': 0, 'data__eval_split': '', 'parallel__mode': 'pmap'}
  )
  assert [line['step'] for line in lines(tmp_path)] == [2, 4] and arrays_of(tmp_path)[0] == 4


def test_when_one_of_two_processes_is_killed_the_other_ends_and_the_run_goes_on(straight, tmp_path, environment):
  """First process 1 is killed, then process 0, which holds the coordinator and writes the checkpoints."""
  resumed_from = []
  for killed, step in (1, 8), (0, 20):
    processes = start_two(tmp_path, environment, {}, {}, sleep=0.05)
    wait_for_step(processes[0], tmp_path, step)
    processes[killed].send_signal(signal.SIGKILL)
    (said,) = sentences([processes[1 - killed]])
    assert f'process {killed} of 2 (counted from 0)' in said and 'is gone' in said
    processes[killed].communicate()
    resumed_from.append(json.loads((tmp_path / 'run.json').read_text())['resumed_from'])
  train_in_two(tmp_path, environment, {})
  resumed_from.append(json.loads((tmp_path / 'run.json').read_text())['resumed_from'])
  assert resumed_from[0] == 0 < resumed_from[1] < resumed_from[2]  # a checkpoint each 5 steps
  assert [line['step'] for line in lines(tmp_path)] == [line['step'] for line in lines(straight)]
  assert arrays_of(tmp_path)[0] == 40


def test_two_processes_end_when_process_0_is_refused_by_a_lock(tmp_path, environment):
  with open(tmp_path / '.lock', 'a') as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    said = sentences(start_two(tmp_path, environment, {}, {}))
  assert 'another run is writing' in said[0] and 'process 0 of 2' not in said[0]
  assert 'process 0 of 2' in said[1] and 'another run is writing' in said[1]


def test_two_processes_end_when_one_of_them_breaks(tmp_path, environment):
  """By an error that is nobody's mistake: its traceback is told where it happened, a sentence elsewhere."""
  processes = start_two(tmp_path, environment, {}, {}, sleep=0.05)
  wait_for_step(processes[0], tmp_path, 6)
  processes[1].send_signal(signal.SIGUSR1)
  (said,) = sentences([processes[0]])
  assert 'process 1 of 2' in said and 'stopped: ZeroDivisionError' in said
  _, err = processes[1].communicate(timeout=60)
  assert processes[1].returncode == 1 and err.startswith('Traceback') and err.endswith('ZeroDivisionError: told to\n')
