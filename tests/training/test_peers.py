"""Processes that wait for each other end when one of them does, each with one sentence."""

import json
import pathlib
import signal
import socket
import subprocess
import sys
import threading

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent

# Joins, says so, and does what it is told on stdin, a line at a time.
PROCESS = """
import ctypes, json, os, sys
from deconv.errors import UserError
from deconv.training.peers import Peers
try:
  peers = Peers(*json.loads(sys.argv[1]))
  print(json.dumps(peers.join()), flush=True)
except UserError as error:
  peers.fail(str(error))
  print(f'error: {error}', file=sys.stderr, flush=True)
  os._exit(2)
for order in sys.stdin:
  print(json.dumps(order.strip()), flush=True)
  if order == 'wait\\n':  # for ever, in C: as in a collective operation
    mutex, libc = ctypes.create_string_buffer(64), ctypes.CDLL(None)
    libc.pthread_mutex_lock(mutex), libc.pthread_mutex_lock(mutex)
  elif order == 'leave\\n':
    peers.leave()
  elif order == 'exit\\n':
    os._exit(0)
  else:
    peers.fail(order.strip())
    print(f'error: {order.strip()}', file=sys.stderr, flush=True)
    os._exit(2)
"""


class Process:
  def __init__(self, *arguments):
    self.popen = subprocess.Popen(
      [sys.executable, '-c', PROCESS, json.dumps(arguments)],
      cwd=ROOT,
      text=True,
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
    )

  def says(self):
    """The next line on its stdout."""
    return json.loads(self.popen.stdout.readline())

  def told(self, order):
    self.popen.stdin.write(f'{order}\n')
    self.popen.stdin.flush()
    assert self.says() == order

  def sentence(self):
    """Its one sentence, after it has ended with status 2."""
    _, err = self.popen.communicate(timeout=60)
    assert self.popen.returncode == 2 and err.startswith('error: ') and err.count('\n') == 1, err
    return err


@pytest.fixture
def address():
  with socket.socket() as free:
    free.bind(('127.0.0.1', 0))
    return f'127.0.0.1:{free.getsockname()[1]}'


@pytest.fixture
def start(address):
  started = []

  def start(index, count=3, timeout=60, at=address):
    started.append(Process(at, count, index, timeout))
    return started[-1]

  yield start
  for process in started:
    process.popen.kill()
    process.popen.communicate()


@pytest.fixture
def three(start):
  """Three processes that have found each other and wait in C."""
  processes = [start(index) for index in range(3)]
  for process in processes:
    assert process.says().startswith('127.0.0.1:')
  for process in processes:
    process.told('wait')
  return processes


@pytest.mark.parametrize('killed', [0, 2])
def test_a_process_that_is_killed_ends_the_others(three, killed):
  three[killed].popen.send_signal(signal.SIGKILL)
  for process in three:
    if process is not three[killed]:
      assert f'process {killed} of 3 (counted from 0)' in (said := process.sentence())
      assert 'is gone' in said and 'with the same command' in said


def test_an_error_of_one_process_is_told_by_the_others(start):
  processes = [start(index) for index in range(3)]
  for process in processes:
    process.says()
  processes[0].told('wait')
  processes[2].told('wait')
  processes[1].told('there is no picture')
  for process in (processes[0], processes[2]):
    assert 'process 1 of 3' in (said := process.sentence()) and 'stopped: there is no picture' in said


def test_the_same_error_everywhere_is_told_once_by_each(start):
  processes = [start(index, 2) for index in range(2)]
  for process in processes:
    process.says()
  for process in processes:
    process.told('no such folder')
  for process in processes:
    assert process.sentence() == 'error: no such folder\n'


def test_who_has_finished_may_go(start):
  first, second = start(0, 2), start(1, 2)
  first.says(), second.says()
  for process in (second, first):
    process.told('leave')
    process.told('exit')
    assert process.popen.wait(60) == 0
    assert process.popen.stderr.read() == ''


@pytest.mark.parametrize('host', ['127.0.0.1:9', 'no-such-host.invalid:9'])
def test_an_address_that_does_not_answer(start, host):
  said = start(1, timeout=1, at=host).sentence()
  assert f'does not answer at {host}' in said and '--distributed_timeout' in said


def test_an_address_where_something_else_answers(start):
  with socket.create_server(('127.0.0.1', 0)) as other:

    def answer():
      connection, _ = other.accept()
      connection.recv(100)
      connection.sendall(b'HTTP/1.1 400 Bad Request\r\n\r\n')
      connection.close()

    threading.Thread(target=answer, daemon=True).start()
    address = f'127.0.0.1:{other.getsockname()[1]}'
    assert f'{address} answers, but not as process 0' in start(1, at=address).sentence()


def test_process_0_does_not_wait_for_ever(start):
  there = start(1)  # says nothing until process 0 has come
  assert 'process 2 of 3 (counted from 0) had not come' in start(0, timeout=2).sentence()
  assert 'process 0 of 3' in (said := there.sentence()) and 'process 2 of 3 (counted from 0) had not come' in said


def test_a_port_that_is_in_use(start):
  with socket.create_server(('127.0.0.1', 0)) as other:
    port = other.getsockname()[1]
    assert f'cannot listen on port {port}' in start(0, at=f'127.0.0.1:{port}').sentence()


def test_processes_that_do_not_fit_are_refused_and_the_others_go_on(start, address):
  first, second = start(0), start(1)
  assert 'it is one of 3' in start(1, count=4).sentence()
  with socket.create_connection(address.split(':')) as stranger:
    stranger.sendall(b'GET / HTTP/1.1\r\n\r\n')
    assert stranger.recv(1) == b''
  third = start(2)
  assert [process.says() is not None for process in (first, second, third)] == [True] * 3
  assert 'process 1 is there already' in start(1).sentence()


def test_jax_coordinator_is_reached_through_the_connections(start):
  """And what connects to it is not told that it is gone: JAX would abort."""
  first, second = start(0, 2), start(1, 2)
  (host, port), outer = first.says().split(':'), second.says()
  with socket.create_server((host, int(port))) as coordinator, socket.create_connection(outer.split(':')) as client:
    client.sendall(b'ping')
    served, _ = coordinator.accept()
    assert served.recv(100) == b'ping'
    served.sendall(b'pong')
    assert client.recv(100) == b'pong'
    served.close()
    client.settimeout(0.5)
    with pytest.raises(TimeoutError):  # neither data nor an end
      client.recv(100)


def test_a_wait_that_the_user_ends(address):
  """The main thread waits where Ctrl-C reaches it."""
  code = f"""
import signal
from deconv.training.peers import Peers
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background has it ignored
print('ready', flush=True)
Peers('{address}', 2, 0, 60).join()
"""
  command = [sys.executable, '-c', code]
  with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(30) != 0 and b'KeyboardInterrupt' in process.stderr.read()
