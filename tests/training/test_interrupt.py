"""Signals are noted once, then work as ever."""
import os
import signal
import threading

import pytest

from deconv.training.interrupt import Interrupt


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_noted(number):
  before = signal.getsignal(number)
  with Interrupt() as interrupt:
    assert not interrupt
    os.kill(os.getpid(), number)
    assert interrupt and interrupt.signal == number.name
  assert signal.getsignal(number) is before


def test_the_second_ctrl_c_interrupts():
  before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background has it ignored
  try:
    with pytest.raises(KeyboardInterrupt), Interrupt():
      os.kill(os.getpid(), signal.SIGINT)
      os.kill(os.getpid(), signal.SIGINT)
      signal.pause()
  finally:
    signal.signal(signal.SIGINT, before)


def test_outside_of_the_main_thread_nothing_is_handled():
  before, seen = signal.getsignal(signal.SIGINT), []

  def work():
    with Interrupt() as interrupt:
      seen.append((bool(interrupt), signal.getsignal(signal.SIGINT)))
  thread = threading.Thread(target=work)
  thread.start()
  thread.join()
  assert seen == [(False, before)]
