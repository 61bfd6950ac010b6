"""Signals are noted once, then work as ever."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from deconv.training.interrupt import Interrupt


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_is_noted(number):
  before = signal.getsignal(number)
  with Interrupt() as interrupt:
    assert not interrupt
    os.kill(os.getpid(), number)
    assert interrupt and interrupt.signal == number.name and interrupt.exit_status == 128 + number
  assert signal.getsignal(number) is before


BLOCKED = """
import ctypes, signal
from deconv.training.interrupt import Interrupt
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background has it ignored
with Interrupt({nothing_to_lose}):
  print('ready', flush=True)
  mutex, libc = ctypes.create_string_buffer(64), ctypes.CDLL(None)
  for _ in range(2):  # the second time waits for ever, in C, whatever signals come
    libc.pthread_mutex_lock(mutex)
"""


def start_blocked(nothing_to_lose):
  code = BLOCKED.format(nothing_to_lose=nothing_to_lose)
  process = subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
  assert process.stdout.readline() == 'ready\n'
  return process


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_ends_a_process_that_has_nothing_to_lose(number):
  process = start_blocked(nothing_to_lose=True)
  try:
    process.send_signal(number)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 128 + number
    assert err == f'{number.name} came before the first step: there was nothing to save\n'
  finally:
    process.kill()


def test_a_process_ends_although_nobody_reads_its_last_words():
  code = """
import os
from deconv.training.ending import end_now
reader, writer = os.pipe()
os.dup2(writer, 2)
end_now(7, 'x' * 10**6)
"""
  assert subprocess.run([sys.executable, '-c', code], timeout=30, check=False).returncode == 7


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_the_second_signal_ends_a_process_that_is_busy_outside_of_python(number):
  """A compilation of minutes is like that. The first is answered at once."""
  process = start_blocked(nothing_to_lose=False)
  try:
    process.send_signal(number)
    assert f'{number.name} came: the step at hand' in process.stderr.readline()
    assert process.poll() is None
    process.send_signal(number)
    assert process.wait(10) == 128 + number and 'nothing more is saved' in process.stderr.read()
  finally:
    process.kill()


def test_a_signal_that_is_ignored_stays_so():
  before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
  try:
    with Interrupt() as interrupt:
      os.kill(os.getpid(), signal.SIGHUP)
      assert not interrupt
  finally:
    signal.signal(signal.SIGHUP, before)


def test_outside_of_the_main_thread_nothing_is_handled():
  before, seen = signal.getsignal(signal.SIGINT), []

  def work():
    with Interrupt() as interrupt:
      seen.append((bool(interrupt), signal.getsignal(signal.SIGINT)))

  thread = threading.Thread(target=work)
  thread.start()
  thread.join()
  assert seen == [(False, before)]
