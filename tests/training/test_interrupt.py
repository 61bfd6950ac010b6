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
with Interrupt():
  print('ready', flush=True)
  mutex, libc = ctypes.create_string_buffer(64), ctypes.CDLL(None)
  for _ in range(2):  # the second time waits for ever, in C, whatever signals come
    libc.pthread_mutex_lock(mutex)
"""


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_the_second_signal_ends_a_process_that_is_busy_outside_of_python(number):
  """A compilation of minutes is like that. The first is answered at once."""
  process = subprocess.Popen([sys.executable, '-c', BLOCKED], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
  try:
    assert process.stdout.readline() == 'ready\n'
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
