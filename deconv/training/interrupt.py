"""SIGTERM and Ctrl-C end a run after the step at hand, with a checkpoint."""
import os
import signal
import threading


class Interrupt:
  """A context manager that notes the first SIGTERM or SIGINT instead of dying of it; the second one kills as usual.

  Outside of the main thread, where Python cannot handle signals, it does nothing.

  Attributes:
    signal: name of the signal that came, such as 'SIGTERM', or None.
  """

  def __init__(self):
    self.signal = None
    self._previous = {}

  def __bool__(self):
    return self.signal is not None

  def __enter__(self):
    if threading.current_thread() is threading.main_thread():
      self._previous = {number: signal.signal(number, self._note) for number in (signal.SIGTERM, signal.SIGINT)}
    return self

  def __exit__(self, *exception):
    self._restore()

  def _note(self, number, frame):
    del frame
    if self.signal is None:
      self.signal = signal.Signals(number).name
      return
    self._restore()
    os.kill(os.getpid(), number)

  def _restore(self):
    for number, handler in self._previous.items():
      signal.signal(number, handler)
    self._previous = {}
