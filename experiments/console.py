"""The commands that an installation brings: deconv-train, deconv-evaluate, deconv-sample, deconv-complete,
deconv-visualize, deconv-sweep and deconv-compare.

Each is `python -m experiments.NAME` from any folder. They come with every installation, also with one of the operators
alone, so a library that is not there is named here.
"""

import importlib
import sys


def train():
  """deconv-train."""
  _start('main')


def evaluate():
  """deconv-evaluate."""
  _start('evaluate')


def sample():
  """deconv-sample."""
  _start('sample')


def complete():
  """deconv-complete."""
  _start('complete')


def visualize():
  """deconv-visualize."""
  _start('visualize')


def sweep():
  """deconv-sweep."""
  _start('sweep')


def compare():
  """deconv-compare."""
  _start('compare')


def _start(name):
  try:
    entry_point = importlib.import_module(f'deconv.experiments.{name}')
  except ModuleNotFoundError as error:
    if error.name.split('.')[0] == 'deconv':
      raise
    print(f"error: '{error.name}' is not installed: pip install 'deconv[train,data]'", file=sys.stderr)
    sys.exit(2)
  entry_point.console()
