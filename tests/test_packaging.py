"""What an installation promises: the operators with JAX alone, sentences about what is missing, declared libraries."""

import ast
import importlib.metadata
import importlib.util
import pathlib
import re
import subprocess
import sys
import tomllib

import pytest

import deconv

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']

# Names of libraries by the names of their packages, where these differ.
LIBRARY_OF = {
  'PIL': 'pillow',
  'absl': 'absl-py',
  'orbax': 'orbax-checkpoint',
  'skimage': 'scikit-image',
  'sklearn': 'scikit-learn',
  'yaml': 'pyyaml',
}
# Imported where they are there, for comparisons and for a picture; what is done without them is said.
OPTIONAL = {'matplotlib'}

# Python finds nothing but its own library, deconv and what `pip install jax` brings.
JAX_ALONE = """
import importlib.machinery, sys
ALLOWED = {'deconv', 'jax', 'jaxlib', 'numpy', 'scipy', 'ml_dtypes', 'opt_einsum', *sys.stdlib_module_names}
class Finder(importlib.machinery.PathFinder):
  @classmethod
  def find_spec(cls, name, path=None, target=None):
    allowed = name.partition('.')[0] in ALLOWED or name.startswith('_sysconfigdata')
    return super().find_spec(name, path, target) if allowed else None
sys.meta_path[:] = [importlib.machinery.BuiltinImporter, importlib.machinery.FrozenImporter, Finder]
"""
OPERATOR = """
import jax.numpy as jnp
from deconv import ops
y = ops.conv_transpose(jnp.ones((1, 8, 8, 3)), jnp.ones((5, 5, 3, 4)), strides=2, padding=2, output_padding=1)
print(y.shape, float(y[0, 8, 8, 0]))
y = ops.lax_conv_transpose(jnp.ones((1, 8, 8, 3)), jnp.ones((5, 5, 3, 4)), (2, 2), 'SAME')
print(y.shape, float(y[0, 8, 8, 0]))
"""


def _run(program):
  return subprocess.run(
    [sys.executable, '-c', JAX_ALONE + program], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
  )


def test_operators_need_jax_alone():
  done = _run(OPERATOR)
  assert done.stdout == '(1, 16, 16, 4) 27.0\n(1, 16, 16, 4) 12.0\n', done.stderr  # 3x3 taps meet, of 3 channels; 2x2


@pytest.mark.parametrize(
  'module, library, extra',
  [
    ('layers', 'Flax', 'train'),
    ('linen', 'Flax', 'train'),
    ('nnx', 'Flax', 'train'),
    ('equinox', 'Equinox', 'equinox'),
  ],
)
def test_layers_without_their_library_say_what_is_missing(module, library, extra):
  done = _run(f'import deconv.{module}')
  last = done.stderr.strip().splitlines()[-1]
  sentence = f"deconv.{module} needs {library}: pip install 'deconv[{extra}]'; deconv.ops needs JAX alone"
  assert last == f'ModuleNotFoundError: {sentence}'


@pytest.mark.parametrize('name', PROJECT['scripts'])
def test_commands_without_their_libraries_say_what_is_missing(name):
  module, function = PROJECT['scripts'][name].split(':')
  done = _run(f'from {module} import {function}\n{function}()')
  assert done.returncode == 2
  assert re.fullmatch(r"error: '\w+' is not installed: pip install 'deconv\[train,data\]'\n", done.stderr), done.stderr


@pytest.mark.parametrize('name', PROJECT['scripts'])
def test_commands_are_the_entry_points(name):
  module, function = PROJECT['scripts'][name].split(':')
  program = f'import sys\nsys.argv = [{name!r}, "--help"]\nfrom {module} import {function}\n{function}()'
  done = subprocess.run(
    [sys.executable, '-c', program], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
  )
  entry_point = {'train': 'main'}.get(function, function)
  assert done.returncode == 0 and f'python -m experiments.{entry_point}' in done.stdout, done.stderr


def test_core_is_jax_and_numpy():
  assert [_library(line) for line in PROJECT['dependencies']] == ['jax', 'numpy']


def _library(requirement):
  return re.match(r'[\w-]+', requirement)[0].lower()


def test_every_library_that_is_imported_is_declared():
  """By what experiments, configs and deconv import anywhere, in functions too."""
  declared = {_library(line) for line in sum(PROJECT['optional-dependencies'].values(), PROJECT['dependencies'])}
  ours = {'deconv', *sys.stdlib_module_names}
  for folder in ('deconv', 'experiments', 'configs'):
    for path in (ROOT / folder).rglob('*.py'):
      for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) else []
        for name in {name.partition('.')[0] for name in names} - ours - OPTIONAL:
          library = LIBRARY_OF.get(name, name).replace('_', '-').lower()
          assert library in declared, f'{path} imports {name}'


def test_every_library_has_a_range_that_the_installed_one_is_in():
  packaging = pytest.importorskip('packaging.requirements')
  extras = PROJECT['optional-dependencies']
  for line in [*PROJECT['dependencies'], *extras['train'], *extras['equinox']]:
    requirement = packaging.Requirement(line)
    assert {clause.operator for clause in requirement.specifier} == {'>=', '<'}, line
    if line in extras['equinox'] and not importlib.util.find_spec('equinox'):
      continue
    assert importlib.metadata.version(requirement.name) in requirement.specifier, line


def test_version_is_the_same_everywhere():
  citation = re.search(r'^version: (.*)$', (ROOT / 'CITATION.cff').read_text(), re.MULTILINE)[1]
  newest = re.search(r'^## ([\d.]+)', (ROOT / 'CHANGELOG.md').read_text(), re.MULTILINE)[1]
  assert citation == newest == deconv.__version__


def test_commands_of_contributing_are_those_of_the_check():
  text, check = (ROOT / 'CONTRIBUTING.md').read_text(), (ROOT / '.ci' / 'run').read_text()
  for command in ('python -m pytest -n auto --dist=loadfile', 'mkdocs build --strict', 'mypy', 'ruff check'):
    assert command in text and command in check
