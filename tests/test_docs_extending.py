"""docs/extending.md, followed to the letter: each recipe in a copy of the repository, and its command."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest

from tests.experiments.run_experiment import ROOT
from tests.experiments.smoke import QUICK_TO_COMPILE, read_metrics

PAGE = (ROOT / 'docs' / 'extending.md').read_text()
RECIPES = dict(re.findall(r'^## (.*?)\n(.*?)(?=^## |\Z)', PAGE, re.MULTILINE | re.DOTALL))
# What the result of each recipe has to show in its evaluation, and in its config.
SHOWS = {
  'A network': ('neighbour_distance', ('model', 'name', 'shallow_gan')),
  'An objective': ('loss_disc', ('objective', 'name', 'absolute')),
  'A data set': ('coverage', ('data', 'source', 'stripes')),
  'A task': ('accuracy', ('objective', 'smoothing', 0.0)),
  'A metric': ('brightness_error', ('eval', 'evaluators', ['brightness', 'neighbours'])),
}


def blocks(text):
  """[(language, file or None, content)] of a recipe."""
  found = re.findall(r'^```(\w+)(?: title="(.*?)")?\n(.*?)^```$', text, re.MULTILINE | re.DOTALL)
  return [(language, file or None, content) for language, file, content in found]


def apply_change(path, change):
  """Replaces the lines with ' ' and '-' of a change by those with ' ' and '+'; they must stand there exactly once."""
  lines = change.splitlines()
  assert all(line[:1] in ' +-' for line in lines), change
  before = '\n'.join(line[1:] for line in lines if line[:1] in ' -')
  after = '\n'.join(line[1:] for line in lines if line[:1] in ' +')
  content = path.read_text()
  assert content.count(before) == 1, f'{path} holds this {content.count(before)} times:\n{before}'
  path.write_text(content.replace(before, after))


def test_every_recipe_is_followed():
  assert set(RECIPES) == set(SHOWS)


@pytest.mark.parametrize('title', SHOWS)
def test_recipe(title, tmp_path):
  text = RECIPES[title]
  for folder in ('deconv', 'configs', 'experiments'):
    shutil.copytree(ROOT / folder, tmp_path / folder, symlinks=True, ignore=shutil.ignore_patterns('__pycache__'))
  commands = []
  for language, file, content in blocks(text):
    if language == 'bash':
      commands.append(shlex.split(content))
      continue
    path = tmp_path / file
    if language == 'diff':
      apply_change(path, content)
    else:
      assert not path.exists(), f'{file} is there already'
      path.write_text(content)
    assert f'`{file}`' in text.split('```')[0], f'the list of files of this recipe lacks {file}'
  (command,) = commands
  assert command[:2] == ['python', '-m']
  finished = subprocess.run(
    [sys.executable, *command[1:]],
    cwd=tmp_path,
    capture_output=True,
    text=True,
    timeout=300,
    check=False,
    env={**os.environ, 'PYTHONPATH': str(tmp_path), 'XLA_FLAGS': QUICK_TO_COMPILE},
  )
  assert finished.returncode == 0, finished.stderr
  workdir = tmp_path / command[-1].removeprefix('--workdir=')
  name, (section, field, value) = SHOWS[title]
  assert name in [line for line in read_metrics(workdir) if line['split'] == 'eval'][-1]
  assert json.loads((workdir / 'config.json').read_text())[section][field] == value
