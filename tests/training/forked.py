"""Processes that start with JAX imported already, so that a test can afford many; see `Forked`."""

import multiprocessing
import os
import runpy
import sys

_CONTEXT = multiprocessing.get_context('forkserver')
_CONTEXT.set_forkserver_preload(['deconv.training.loop', 'deconv.experiments.command', 'tests.training.run_tiny'])


class Forked:
  """A process that has `pid` and `poll()` as subprocess.Popen has them, and leads a session of its own."""

  def __init__(self, target, arguments, log, environment=()):
    self._process = _CONTEXT.Process(target=_child, args=(target, arguments, log, dict(environment)))
    self._process.start()
    self.pid = self._process.pid

  def poll(self):
    return self._process.exitcode


def _child(target, arguments, log, environment):
  os.setsid()
  os.environ.update(environment)  # JAX has not looked for devices yet
  file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
  for descriptor in (1, 2):
    os.dup2(file, descriptor)
  target(*arguments)


def run_module(module, arguments):
  """Does what `python -m MODULE ARGUMENTS` does."""
  sys.argv = [module, *arguments]
  sys.orig_argv = [sys.executable, '-m', *sys.argv]
  runpy.run_module(module, run_name='__main__', alter_sys=True)
