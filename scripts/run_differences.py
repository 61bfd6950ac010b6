"""In what two finished runs of one config differ, apart from their times: `python -m scripts.run_differences A B`."""

import argparse
import json
import os
import sys

import numpy as np
import orbax.checkpoint as ocp

from deconv.training.writers import is_time

# What an interruption or another place changes.
HISTORY = (
  'started',
  'command',
  'git_commit',
  'git_changed_files',
  'resumed_from',
  'earlier',
  'train_call_seconds',
  'first_step_seconds',
  'finished_seconds',
)


def differences(folder, other):
  """Compares all that two runs have left: arrays bit for bit, files byte for byte.

  Compared are the names of all files, the checkpoints with their descriptions, the lines of metrics.jsonl in their
  order, without the times in them, the pictures, config.json, and run.json without the history of the processes.
  TensorBoard's events may be in several files and are left out.

  Args:
    folder: the workdir of a run.
    other: that of the run that it should equal.

  Returns:
    A list of sentences; empty where the runs are equal.
  """
  here, there = _files(folder), _files(other)
  found = [f"there is '{name}', which the other run does not have" for name in sorted(here - there)]
  found += [f"'{name}' is missing" for name in sorted(there - here)]
  for name in sorted(here & there):
    ours, theirs = os.path.join(folder, name), os.path.join(other, name)
    if os.path.isdir(ours):
      found += [f"'{name}': {sentence}" for sentence in _between_checkpoints(ours, theirs)]
    elif name == 'metrics.jsonl':
      found += _between_lines(lines(ours), lines(theirs))
    elif name == 'run.json':
      found += _between_records(_json(ours), _json(theirs))
    elif _bytes(ours) != _bytes(theirs):
      found.append(f"'{name}' differs")
  return found


def lines(path):
  """Returns the lines of a metrics.jsonl as dicts, without the times in them."""
  with open(path, encoding='utf-8') as file:
    return [{name: value for name, value in json.loads(line).items() if not is_time(name)} for line in file]


def _files(folder):
  """The names of all files, and of the checkpoints, which are folders."""
  names = set()
  for place, folders, files in os.walk(folder):
    inside = os.path.relpath(place, folder)
    if inside == 'checkpoints':
      names.update(os.path.join(inside, name) for name in folders)
      folders.clear()
    names.update(os.path.normpath(os.path.join(inside, name)) for name in files if not name.startswith('events.'))
  return names


def _between_checkpoints(ours, theirs):
  if _description(ours) != _description(theirs):
    yield 'the description differs'
  a, b = (_arrays(folder) for folder in (ours, theirs))
  if a.keys() != b.keys():
    yield f'the names of the arrays differ: {sorted(a.keys() ^ b.keys())}'
  different = [
    name
    for name in a.keys() & b.keys()
    if a[name].dtype != b[name].dtype or a[name].shape != b[name].shape or a[name].tobytes() != b[name].tobytes()
  ]
  if different:
    yield f'{len(different)} of {len(a)} arrays differ, the first of them {min(different)}'


def _description(folder):
  return _json(os.path.join(folder, 'meta', 'metadata'))


def _arrays(folder):
  """{name: array} as they stand on the disk; nothing of the description is believed."""
  with ocp.StandardCheckpointer() as checkpointer:
    tree = checkpointer.restore(os.path.abspath(os.path.join(folder, 'state')))
  return dict(_leaves(tree, ''))


def _leaves(tree, name):
  if isinstance(tree, dict):
    for key, value in tree.items():
      yield from _leaves(value, f'{name}/{key}')
  elif isinstance(tree, (list, tuple)):
    for i, value in enumerate(tree):
      yield from _leaves(value, f'{name}/{i}')
  elif tree is not None:
    yield name, np.asarray(tree)


def _between_lines(ours, theirs):
  if ours == theirs:
    return []
  for number, (a, b) in enumerate(zip(ours, theirs), 1):
    if a != b:
      return [f'metrics.jsonl: line {number} is {a} and should be {b}']
  return [f'metrics.jsonl has {len(ours)} lines and should have {len(theirs)}']


def _between_records(ours, theirs):
  names = sorted((ours.keys() | theirs.keys()) - set(HISTORY))
  return [
    f'run.json: {name} is {ours.get(name)} and should be {theirs.get(name)}'
    for name in names
    if ours.get(name) != theirs.get(name)
  ]


def _json(path):
  with open(path, encoding='utf-8') as file:
    return json.load(file)


def _bytes(path):
  with open(path, 'rb') as file:
    return file.read()


def main(argv=None):
  """Prints the differences; the exit status is 1 where there are some."""
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument('folder')
  parser.add_argument('other')
  options = parser.parse_args(argv)
  found = differences(options.folder, options.other)
  print('\n'.join(found) or 'the runs are equal')
  sys.exit(bool(found))


if __name__ == '__main__':
  main()
