"""Runs an entry point as a user does: its own process, from the root of the repository."""

import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def run(module, *arguments, env=None, timeout=300):
  """Returns the finished process of `python -m experiments.MODULE ARGUMENTS` with its output as text."""
  return subprocess.run(
    [sys.executable, '-m', f'experiments.{module}', *map(str, arguments)],
    cwd=ROOT,
    check=False,
    timeout=timeout,
    capture_output=True,
    text=True,
    env={**os.environ, **(env or {})},
  )


def error_of(finished):
  """Asserts that the process ended as a user's mistake must, and returns its one sentence."""
  assert finished.returncode == 2, f'{finished.returncode}\n{finished.stdout}\n{finished.stderr}'
  assert 'Traceback' not in finished.stderr
  errors = [line for line in finished.stderr.splitlines() if line.startswith('error: ')]
  assert len(errors) == 1, finished.stderr
  return errors[0].removeprefix('error: ')
