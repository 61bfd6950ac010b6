"""Scripts have one way to start and one style of command line."""

import ast
import importlib
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
# Those that are started; the others of the folder are parts of these.
SCRIPTS = sorted(path for path in (ROOT / 'scripts').glob('*.py') if "__name__ == '__main__'" in path.read_text())
# Those that take the config of an experiment, and so read their command line as entry points do.
OF_A_CONFIG = {path for path in SCRIPTS if 'command.run(main)' in path.read_text()}


@pytest.mark.parametrize('path', SCRIPTS, ids=lambda path: path.stem)
def test_started_by_dash_m_alone(path):
  text = path.read_text()
  assert f'python -m scripts.{path.stem}' in ast.get_docstring(ast.parse(text))
  assert 'sys.path' not in text


@pytest.mark.parametrize('path', sorted(set(SCRIPTS) - OF_A_CONFIG), ids=lambda path: path.stem)
def test_help_and_a_misspelt_flag(path, capsys):
  script = importlib.import_module(f'scripts.{path.stem}')
  with pytest.raises(SystemExit) as stopped:
    script.main(['--help'])
  shown = capsys.readouterr().out
  assert stopped.value.code == 0 and script.__doc__.splitlines()[0] in shown and 'usage: ' in shown
  with pytest.raises(SystemExit) as stopped:
    script.main(['--no_such_flag=1'])
  assert stopped.value.code == 2 and 'error: ' in capsys.readouterr().err


def test_nothing_starts_a_script_by_its_path():
  pages = [ROOT / 'README.md', *(ROOT / 'docs').rglob('*.md')]
  for path in [*pages, *(path for name in ('configs', 'deconv', 'scripts') for path in (ROOT / name).rglob('*.py'))]:
    assert 'python scripts/' not in path.read_text(), path
