"""SIGTERM, SIGHUP and Ctrl-C end a run after the step at hand, with a checkpoint; a second signal ends it at once."""

import os
import signal
import sys
import threading

from deconv.training.ending import end_now

# A job in the background, or under nohup, has some of them ignored: they stay so.
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Interrupt:
  """A context manager that notes the first signal instead of dying of it.

  Python handles signals between two of its own instructions, and the main thread may be inside of a compilation for
  minutes. So the system writes each signal's number to a pipe as well, and a thread reads it: it answers the first
  signal at once with a line on stderr, and ends the process at the second one, whatever the main thread does. While
  there is nothing to lose, as during the compilation before the first step, it ends the process at the first one.

  Outside of the main thread, where Python cannot handle signals, it does nothing.

  Attributes:
    signal: name of the signal that came, such as 'SIGTERM', or None.
    exit_status: the process's exit status after it, 128 + its number; 0 before.
    nothing_to_lose: whether an end now would lose nothing; the owner sets it.
  """

  def __init__(self, nothing_to_lose=False):
    self.nothing_to_lose = nothing_to_lose
    self.signal = None
    self.exit_status = 0
    self._previous = {}

  def __bool__(self):
    return self.signal is not None

  def __enter__(self):
    if threading.current_thread() is threading.main_thread():
      self._reader, self._writer = os.pipe()
      os.set_blocking(self._writer, False)
      self._previous_fd = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
      self._previous = {
        number: signal.signal(number, self._note)
        for number in SIGNALS
        if signal.getsignal(number) is not signal.SIG_IGN
      }
      self._watcher = threading.Thread(target=self._watch, name='signals', daemon=True)
      self._watcher.start()
    return self

  def __exit__(self, *exception):
    if self._previous:
      for number, handler in self._previous.items():
        signal.signal(number, handler)
      signal.set_wakeup_fd(self._previous_fd)
      os.write(self._writer, b'\0')  # no signal has this number: the watcher ends
      self._watcher.join()
      os.close(self._reader)
      os.close(self._writer)
      self._previous = {}

  def _note(self, number, frame):
    del frame
    if self.signal is None:
      self.signal, self.exit_status = signal.Signals(number).name, 128 + number

  def _watch(self):
    came = 0
    while True:
      for number in os.read(self._reader, 64):
        if number == 0:
          return
        if number not in self._previous:
          continue
        came += 1
        name = signal.Signals(number).name
        if came > 1:
          end_now(128 + number, f'{name} came again: nothing more is saved')
        if self.nothing_to_lose:
          end_now(128 + number, f'{name} came before the first step: there was nothing to save')
        print(
          f'{name} came: the step at hand is finished and saved first; once more ends at once',
          file=sys.stderr,
          flush=True,
        )
