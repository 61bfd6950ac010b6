"""The house rules that a machine can check: layout, arrows, the README's commands, what a config file must say."""
import ast
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
LIBRARY = sorted((ROOT / 'deconv').rglob('*.py'))
CONFIGS = sorted(path for path in (ROOT / 'configs').glob('*.py') if path.name not in ('base.py', '__init__.py'))

# Who may import whom: a layer sees those below it, and itself.
LAYERS = [('errors', 'rng', 'atomic_files'), ('options', 'ops'), 'layers', ('models', 'objectives', 'metrics', 'data', 'plots'), 'tasks',
          'evaluators', 'training']


def _level(module):
  for level, names in enumerate(LAYERS):
    if module in ((names,) if isinstance(names, str) else names):
      return level
  raise AssertionError(f'deconv.{module} has no place in the house')


def _imports(path):
  for node in ast.walk(ast.parse(path.read_text())):
    if isinstance(node, ast.Import):
      yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
      assert node.level == 0, f'{path}: relative import'
      yield node.module
      yield from (f'{node.module}.{alias.name}' for alias in node.names)


@pytest.mark.parametrize('path', LIBRARY, ids=lambda path: str(path.relative_to(ROOT)))
def test_arrows_go_down_only(path):
  parts = path.relative_to(ROOT / 'deconv').with_suffix('').parts
  if parts == ('__init__',):
    return
  level = _level(parts[0])
  for name in _imports(path):
    top, *rest = name.split('.')
    assert top not in ('experiments', 'configs', 'tests', 'scripts'), f'{path} imports {name}'
    assert '_src' not in rest, f'{path} imports the private {name}'
    if top == 'deconv' and rest:
      assert _level(rest[0]) <= level, f'{path} imports {name}, which is above it'
    if name.startswith('flax.linen') or name == 'flax.linen':
      assert parts[0] in ('layers', 'models'), f'only layers.py and models/ see Linen, not {path}'


@pytest.mark.parametrize('path', LIBRARY, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_parallel_places_computation(path):
  if path.name == 'parallel.py' and path.parent.name == 'training':
    return
  for word in (r'\bpmap\(', r'\bMesh\(', r'\bNamedSharding\(', r'\bshard_map\('):
    assert not re.search(word, path.read_text()), f'{path} says {word}: that is parallel.py\'s'


def test_no_file_called_utils():
  assert not [path for path in ROOT.rglob('*util*.py') if '.venv' not in path.parts]


def _readme_commands():
  blocks = re.findall(r'```bash\n(.*?)```', (ROOT / 'README.md').read_text(), re.DOTALL)
  return [block.strip() for block in blocks if 'pip install -q -r requirements.txt' in block]


def test_ci_runs_the_readme_commands():
  """The README and the check cannot drift apart: both hold the same two lines."""
  ci = re.findall(r'^readme_\w+\(\) \{ (.*); \}$', (ROOT / '.ci' / 'run').read_text(), re.MULTILINE)
  assert len(ci) == 2
  assert _readme_commands() == ci


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.name)
def test_config_docstring_has_command_cost_and_result(path):
  text = ast.get_docstring(ast.parse(path.read_text()))
  assert f'python -m experiments.main --config=configs/{path.name}' in text
  assert re.search(r'Cost', text) and re.search(r'Measured|[Nn]ot run', text)


def test_every_module_and_public_function_says_what_it_is():
  silent = []
  for path in LIBRARY + sorted((ROOT / 'experiments').glob('*.py')) + sorted((ROOT / 'scripts').glob('*.py')):
    tree = ast.parse(path.read_text())
    if path.name != '__init__.py' and not ast.get_docstring(tree):
      silent.append(str(path.relative_to(ROOT)))
    silent += [f'{path.relative_to(ROOT)}:{node.name}' for node in tree.body
               if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith('_')
               and node.name != 'main' and not ast.get_docstring(node)]
  assert not silent
