"""The house rules that a machine can check: layout, arrows, the README's commands, what a config file must say."""

import ast
import functools
import graphlib
import inspect
import pathlib
import re

import pytest

from deconv.tasks import TASKS
from tests.training.tiny import TinyTask

ROOT = pathlib.Path(__file__).resolve().parent.parent
LIBRARY = sorted((ROOT / 'deconv').rglob('*.py'))
CONFIGS = sorted(path for path in (ROOT / 'configs').glob('*.py') if path.name not in ('base.py', '__init__.py'))

# Folders beside deconv/ that are its subpackages by a link: so a wheel holds them, under a name that no other project
# has.
LINKED = {'configs', 'experiments'}

# Who may import whom: a layer sees those below it, and itself.
LAYERS = [
  ('errors', 'rng', 'atomic_files', 'cache_folder', 'host_memory'),
  'native',
  ('options', 'ops'),
  ('layers', 'linen', 'nnx', 'equinox'),
  ('models', 'objectives', 'metrics', 'data', 'plots'),
  'visualization',
  'tasks',
  'evaluators',
  'training',
]

# What may be imported inside of a function of deconv/: packages that take long to import, or that are not on every
# machine, and that only some runs need.
LATE = {
  'PIL',
  'array_record',
  'fcntl',
  'grain',
  'imageio',
  'matplotlib',
  'safetensors',
  'scipy',
  'skimage',
  'sklearn',
  'tensorboardX',
  'tensorflow_datasets',
}
# And of an entry point, which answers mistakes on the command line before it starts JAX, or compares with others.
LATE_AT_THE_DOOR = LATE | {'equinox', 'jax', 'requests', 'sporco', 'torch'}
# Whoever imports one of these at its top starts JAX.
STARTERS = {'jax', 'flax', 'optax', 'orbax'}


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
    assert top not in ('tests', 'scripts') and not LINKED & {top, *rest[:1]}, f'{path} imports {name}'
    assert '_src' not in rest, f'{path} imports the private {name}'
    if top == 'deconv' and rest:
      assert _level(rest[0]) <= level, f'{path} imports {name}, which is above it'
    if name.startswith('flax.linen') or name == 'flax.linen':
      assert parts[0] in ('layers', 'linen', 'models'), f'only layers.py, linen.py and models/ see Linen, not {path}'


def _module(path):
  parts = path.relative_to(ROOT).with_suffix('').parts
  parts = ('deconv', *parts) if parts[0] in LINKED else parts
  return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


ENTRY_POINTS = sorted([*(ROOT / 'experiments').glob('*.py'), *(ROOT / 'scripts').glob('*.py')])
MODULES = {_module(path): path for path in [*LIBRARY, *ENTRY_POINTS]}


def _run_by_the_import(node):
  """Yields the nodes below a module that run when it is imported: those outside of functions."""
  for child in ast.iter_child_nodes(node):
    if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
      yield child
      yield from _run_by_the_import(child)


def _imported(node):
  """Yields the modules that an import names: `from a import b` is an import of a.b where that is a module, else of
  a. (That Python runs the packages above a module first is left out: every submodule would be in a circle with a
  package that imports it.)"""
  if isinstance(node, ast.Import):
    yield from (alias.name for alias in node.names)
  elif isinstance(node, ast.ImportFrom):
    for alias in node.names:
      whole = f'{node.module}.{alias.name}'
      yield whole if whole in MODULES else node.module


@functools.cache
def _graph():
  """{module: the modules, ours and others, that it imports when it is imported}."""
  return {
    module: {name for node in _run_by_the_import(ast.parse(path.read_text())) for name in _imported(node)}
    for module, path in MODULES.items()
  }


def _starts_jax(module):
  """Whether JAX is started by importing a module of ours, or a package above it, or what these import."""
  seen, todo = set(), [module]
  while todo:
    name = todo.pop()
    if name.split('.')[0] in STARTERS:
      return True
    if name in MODULES and name not in seen:
      seen.add(name)
      todo += [*_graph()[name], name.rpartition('.')[0]]
  return False


def test_configs_and_experiments_have_one_name():
  """What is imported is deconv.configs and deconv.experiments, as it is where only a wheel is."""
  for name in LINKED:
    assert (ROOT / 'deconv' / name).resolve() == ROOT / name
  for folder in (*sorted(LINKED), 'scripts', 'tests'):
    for path in (ROOT / folder).rglob('*.py'):
      assert not [name for name in _imports(path) if name.split('.')[0] in LINKED], path


def test_no_circle_of_imports():
  ours = {module: {name for name in names if name in MODULES} for module, names in _graph().items()}
  try:
    graphlib.TopologicalSorter(ours).prepare()
  except graphlib.CycleError as error:
    pytest.fail('imports in a circle: ' + ' -> '.join(reversed(error.args[1])))


@pytest.mark.parametrize('path', [*LIBRARY, *ENTRY_POINTS], ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_stand_at_the_top(path):
  """Inside of functions there are only heavy packages; at the door also what starts JAX, of ours too."""
  tree, door = ast.parse(path.read_text()), path in ENTRY_POINTS
  at_the_top = set(map(id, _run_by_the_import(tree)))
  late = {name for node in ast.walk(tree) if id(node) not in at_the_top for name in _imported(node)}
  wrong = {
    name
    for name in late
    if name.split('.')[0] not in (LATE_AT_THE_DOOR if door else LATE)
    and not (door and name in MODULES and _starts_jax(name))
  }
  assert not wrong, f'{path} imports {sorted(wrong)} inside of a function'


@pytest.mark.parametrize('path', LIBRARY, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_parallel_places_computation(path):
  if path.name == 'parallel.py' and path.parent.name == 'training':
    return
  for word in (r'\bpmap\(', r'\bMesh\(', r'\bNamedSharding\(', r'\bshard_map\('):
    assert not re.search(word, path.read_text()), f"{path} says {word}: that is parallel.py's"


# What a wing of deconv/data may see of the others: what is read and what is made know nothing of batches.
WINGS = {
  'transforms': {'transforms'},
  'feed': {'feed'},
  'files': {'files', 'transforms'},
  'rendered': {'rendered', 'files'},
}


def test_data_has_four_wings():
  data = ROOT / 'deconv' / 'data'
  assert {path.name for path in data.iterdir() if path.is_dir() and path.name != '__pycache__'} == set(WINGS)
  assert {path.stem for path in data.glob('*.py')} == {'__init__', 'source', 'sources'}
  for wing, seen in WINGS.items():
    for path in (data / wing).glob('*.py'):
      for name in _imports(path):
        parts = name.split('.')
        if parts[:2] == ['deconv', 'data'] and len(parts) > 2:
          assert parts[2] in seen | {'source'}, f'{path} imports {name}'


def test_options_are_free_of_jax():
  for path in (ROOT / 'deconv' / 'options').rglob('*.py'):
    for name in _imports(path):
      assert name.split('.')[0] not in STARTERS, f'{path} imports {name}'
      assert not name.startswith('deconv.') or name.split('.')[1] in ('options', 'errors'), f'{path} imports {name}'


def _functions(tree):
  """(qualified name, node) of every function and method of a module."""
  for node in ast.walk(tree):
    if isinstance(node, ast.ClassDef):
      yield from ((f'{node.name}.{item.name}', item) for item in node.body if isinstance(item, ast.FunctionDef))
    elif isinstance(node, ast.FunctionDef):
      yield node.name, node


def test_builders_and_tasks_have_no_defaults_of_their_own():
  """The defaults of fields stand in deconv/options alone."""
  for path in sorted((ROOT / 'deconv' / 'models').glob('*.py')):
    for name, node in _functions(ast.parse(path.read_text())):
      if name.startswith('build'):
        given = node.args.defaults + [value for value in node.args.kw_defaults if value is not None]
        assert not given, f'{path}: {name} has a default'
    for node in ast.walk(ast.parse(path.read_text())):  # networks: Linen modules that hold options
      if isinstance(node, ast.ClassDef):
        fields = {item.target.id: item.value for item in node.body if isinstance(item, ast.AnnAssign)}
        if 'options' in fields and node.name != 'Encoder':  # VGG's encoder has settings that no config has
          assert not [field for field, value in fields.items() if value is not None], f'{path}: {node.name}'
  for task in (*TASKS.values(), TinyTask.__bases__[0]):
    parameters = inspect.signature(task.__init__).parameters.values()
    assert [parameter.name for parameter in parameters] == ['self', 'options', 'make_optimizer', 'batch_norm_axis']
    assert all(parameter.default is parameter.empty for parameter in parameters), task


# Where it is asked whether something has an attribute: of a library or of the operating system.
ASKS = {
  'deconv/data/files/opening.py',
  'deconv/ops/convolutions.py',
  'deconv/host_memory.py',
  'deconv/native/library.py',
  'experiments/sweep.py',
}


def test_classes_say_what_they_can():
  """No getattr with a default and no hasattr: a source, a task, a network is asked by isinstance or has the member."""
  for path in [*LIBRARY, *sorted((ROOT / 'experiments').glob('*.py')), *sorted((ROOT / 'scripts').glob('*.py'))]:
    for node in ast.walk(ast.parse(path.read_text())):
      if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        asks = node.func.id == 'hasattr' or (node.func.id == 'getattr' and len(node.args) > 2)
        assert not asks or str(path.relative_to(ROOT)) in ASKS, f'{path}:{node.lineno}'
        assert node.func.id != 'getattr' or 'source' not in ast.unparse(node.args[0]), f'{path}:{node.lineno}'


def test_no_entry_point_knows_a_task_by_its_name():
  for path in (ROOT / 'experiments').glob('*.py'):
    for node in ast.walk(ast.parse(path.read_text())):
      assert not (isinstance(node, ast.Constant) and node.value in TASKS), f'{path}:{node.lineno} names a task'


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
  assert re.search(r'^Cost: (minutes|an hour|hours) on two cores|^Cost: an accelerator\.$', text, re.MULTILINE)
  assert re.search(r'^Results: docs/results\.md#[\w-]+\.|^Not run', text, re.MULTILINE)


def test_every_module_and_public_function_says_what_it_is():
  silent = []
  for path in [*LIBRARY, *ENTRY_POINTS]:
    tree = ast.parse(path.read_text())
    if path.name != '__init__.py' and not ast.get_docstring(tree):
      silent.append(str(path.relative_to(ROOT)))
    silent += [
      f'{path.relative_to(ROOT)}:{node.name}'
      for node in tree.body
      if isinstance(node, (ast.FunctionDef, ast.ClassDef))
      and not node.name.startswith('_')
      and node.name != 'main'
      and not ast.get_docstring(node)
    ]
  assert not silent
