"""Every picture of the docs stands in the table that says what draws it, and every picture of the table is there."""

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent


def _table():
  """Returns {file names of a row: what draws them} of docs/results.md."""
  text = (ROOT / 'docs' / 'results.md').read_text()
  section = text.split('\n## Where the pictures come from\n')[1].split('\n## ')[0]
  rows = re.findall(r'^\| (`.*?) \| (.*) \|$', section, re.MULTILINE)
  return {tuple(re.findall(r'`([^`]+)`', names)): drawn for names, drawn in rows if 'drawn by' not in drawn}


def test_every_picture_has_what_draws_it():
  named = [name for names in _table() for name in names]
  assert sorted(named) == sorted(path.name for path in (ROOT / 'docs' / 'images').iterdir())


def test_what_draws_them_is_there():
  for names, drawn in _table().items():
    scripts = re.findall(r'python -m (?:scripts|experiments)\.(\w+)', drawn)
    configs = re.findall(r'the (?:run of|sweep) `(\w+)`', drawn)
    assert scripts or configs, names
    for script in scripts:
      assert list(ROOT.glob(f'scripts/{script}.py')) or list(ROOT.glob(f'experiments/{script}.py')), script
    for config in configs:
      assert list(ROOT.glob(f'configs/{config}.py')) or list(ROOT.glob(f'configs/sweeps/{config}.py')), config


def test_every_picture_that_a_page_shows_is_there():
  pages = [ROOT / 'README.md', *(ROOT / 'docs').glob('*.md')]
  for page in pages:
    for link in re.findall(r'!\[[^\]]*\]\(([^)#]+)\)', page.read_text()):
      assert link.startswith('http') or (page.parent / link).is_file(), f'{page.name}: {link}'
