"""README.md and docs/: short enough, every link leads somewhere, every command and every name in them exists."""

import ast
import importlib.util
import inspect
import os
import re
import shlex
import subprocess
import sys

import pytest

from deconv import layers, ops
from deconv.errors import UserError
from deconv.experiments import command
from deconv.options import fields_of
from deconv.options.experiment import TASKS
from tests.experiments.run_experiment import ROOT

DOCS = ROOT / 'docs'
PAGES = sorted([*ROOT.glob('*.md'), *DOCS.rglob('*.md')])
CONFIGS = sorted(path.stem for path in (ROOT / 'configs').glob('*.py') if path.stem not in ('__init__', 'base'))
SWEEPS = sorted(path.stem for path in (ROOT / 'configs' / 'sweeps').glob('*.py') if path.stem != '__init__')
FIELDS = {name for task, sections in TASKS.items() for model in sections.models for name in fields_of(task, model)}

# Pages whose Python blocks a test of their own runs; extending.md's commands too.
TESTED_ELSEWHERE = {
  'docs/data.md': 'tests/data/test_source.py',
  'docs/deconvolution_in_jax.md': 'tests/test_docs_deconvolution_in_jax.py',
  'docs/extending.md': 'tests/test_docs_extending.py',
  'docs/operators.md': 'tests/test_docs_operators.py',
}


def name_of(page):
  return page.relative_to(ROOT).as_posix()


def prose_of(page):
  """The text of a page without its blocks of code."""
  return re.sub(r'^```.*?^```$', '', page.read_text(), flags=re.MULTILINE | re.DOTALL)


def blocks_of(page, language):
  return re.findall(rf'^```{language}\n(.*?)^```$', page.read_text(), re.MULTILINE | re.DOTALL)


def anchors_of(page):
  """The anchors of the headings of a page, as GitHub makes them."""
  headings = re.findall(r'^#+ (.*?)\s*$', prose_of(page), re.MULTILINE)
  return {re.sub(r'[^\w\- ]', '', heading.lower()).replace(' ', '-') for heading in headings}


def links_of(page):
  return re.findall(r'\]\(([^)\s]+)\)', prose_of(page))


def test_the_readme_is_short():
  text = (ROOT / 'README.md').read_text()
  assert len(text.splitlines()) <= 110
  assert len(text.split()) <= 800  # as `wc -w` counts


def test_the_speed_in_the_readme_is_that_of_the_benchmarks():
  said = (ROOT / 'README.md').read_text().partition('## Speed')[2].partition('## ')[0]
  (table,) = re.findall(r'<!-- table: speed -->(.*?)<!-- end of table -->', (DOCS / 'benchmarks.md').read_text(), re.S)
  layers_, step = ([float(cell) for cell in re.findall(r'\| ([\d.]+) (?=\|)', row)] for row in table.split('\n| ')[2:4])
  assert re.findall(r'([\d.]+) times', said) == [f'{number:.2g}' for number in (*layers_, step[0])]
  assert 'on a par with' in said and round(step[1], 1) == 1.0


# Links.


@pytest.mark.parametrize('page', PAGES, ids=name_of)
def test_relative_links_lead_somewhere(page):
  for target in links_of(page):
    if re.match(r'\w+:', target):
      continue
    path, _, anchor = target.partition('#')
    file = (page.parent / path).resolve() if path else page
    assert file.exists(), f'{page} links to {target}, which is not there'
    if page.is_relative_to(DOCS):
      assert file.is_relative_to(DOCS), f'{page} links to {target}, which the site does not have'
    if anchor:
      assert anchor in anchors_of(file), f'{page} links to {target}: the headings are {sorted(anchors_of(file))}'


def test_every_page_and_picture_is_linked():
  linked = {(page.parent / target.partition('#')[0]).resolve() for page in PAGES for target in links_of(page)}
  kept = {*DOCS.rglob('*.md'), *(DOCS / 'images').iterdir()}
  assert not sorted(kept - linked)


# Names.


def commands_of(page):
  """[words of a command] in the blocks of a page."""
  lines = '\n'.join(blocks_of(page, 'bash')).replace('\\\n', ' ').splitlines()
  return [shlex.split(part, comments=True) for line in lines for part in line.split('&&') if part.strip()]


def docstring_of(config):
  return ast.get_docstring(ast.parse((ROOT / 'configs' / f'{config}.py').read_text()))


def command_of(config):
  """The first command in the docstring of a config or sweep, its words."""
  lines = docstring_of(config).replace('\\\n', ' ').splitlines()
  return next(line.split() for line in lines if line.strip().startswith('python -m experiments.'))


@pytest.mark.parametrize('config', [*CONFIGS, *(f'sweeps/{name}' for name in SWEEPS)])
def test_every_config_has_a_row_its_command_and_its_cost(config):
  page = DOCS / 'experiments.md'
  (row,) = re.findall(rf'^\| `{os.path.basename(config)}` \|(.*)\|$', page.read_text(), re.MULTILINE)
  assert all(cell.strip() for cell in row.split('|'))
  assert command_of(config) in commands_of(page)
  cost = re.search(r'^Cost: (?:an (?=accelerator))?(.*?)\.$', docstring_of(config), re.MULTILINE)[1]
  told = row.split('|')[-1].strip()
  assert re.split('[;,]', told)[0] == re.split('[;,]', cost.replace(' on two cores', ''))[0]
  assert ('estimated' in told) == ('estimated' in cost)


def variants(config):
  """The variants of a config."""
  with pytest.raises(ValueError, match='it has: ') as error:
    command.load_module(f'configs/{config}.py', '').get_config('no such variant')
  return str(error.value).partition('it has: ')[2].split(', ')


@pytest.mark.parametrize('page', PAGES, ids=name_of)
def test_configs_variants_and_fields_exist(page, monkeypatch):
  monkeypatch.chdir(ROOT)
  text = page.read_text()
  if name_of(page) in ('docs/extending.md', 'CHANGELOG.md'):  # what the reader adds; what was
    return
  for folder, name in re.findall(r'configs/(sweeps/)?(\w+)\.py', text):
    assert name in (SWEEPS if folder else [*CONFIGS, 'base', 'NAME']), f'{page}: configs/{folder}{name}.py'
  for name, variant in re.findall(r'\b(\w+)(?:\.py)?:(\w+)', text):
    assert name not in CONFIGS or variant in [*variants(name), 'VARIANT'], f'{page}: {name}:{variant}'
  for field in re.findall(r'--config\.([a-z]\w*(?:\.\w+)*)', text):
    assert field in FIELDS, f'{page}: --config.{field}'
  sections = {name.partition('.')[0] for name in FIELDS if '.' in name}
  for section, field in re.findall(r'`(\w+)\.(\w+)(?:=[^`]*)?`', text):
    if section in sections and field != 'md':
      assert f'{section}.{field}' in FIELDS, f'{page}: {section}.{field}'


@pytest.mark.parametrize('page', PAGES, ids=name_of)
def test_paths_in_the_text_exist(page):
  if name_of(page) in ('docs/extending.md', 'CHANGELOG.md'):
    return
  for path in re.findall(r'`((?:configs|deconv|experiments|scripts|tests|docs|results)/[\w./]*)`', page.read_text()):
    assert (ROOT / path).exists() or 'NAME' in path, f'{page}: {path}'


def check_command(words):
  """Fails where a command names a module, a flag, a config or a field that does not exist."""
  while re.match(r'[A-Z_]+=', words[0]):
    words = words[1:]
  program, *rest = words
  if program.endswith('.sh'):
    assert (ROOT / program).exists(), program
    module = 'experiments.main'
  elif program.startswith('deconv-'):
    name = program.removeprefix('deconv-')
    module = f'experiments.{"main" if name == "train" else name}'
  elif program in ('python', 'python3') and rest[:1] == ['-m']:
    module, rest = rest[1], rest[2:]
  else:
    assert program in ('pip', '.', 'git', 'pre-commit', 'mkdocs', 'mypy', 'ruff'), f'what is {words}?'
    return
  if module.split('.')[0] not in ('experiments', 'scripts'):
    assert importlib.util.find_spec(module), module
    return
  file = ROOT / f'{module.replace(".", "/")}.py'
  assert file.exists(), f'no {module}'
  source = file.read_text() + (ROOT / 'experiments' / 'command.py').read_text()
  given = dict(re.match(r'--([\w.]+)=?(.*)$', word).groups() for word in rest if word.startswith('--'))
  for name in given:
    assert name.startswith('config.') or re.search(rf"""['"](?:--)?{name}['"]""", source), f'{module} has no --{name}'
  if 'sweep' in given:
    assert (ROOT / given['sweep']).exists(), given['sweep']
  overrides = [word for word in rest if word.startswith('--config.')]
  config = given.get('config', '')
  if not config and overrides:  # of a run: of the config that its folder is named for, or of any
    near = f'configs/{os.path.basename(given.get("workdir", ""))}.py'
    config = near if os.path.exists(near) else 'configs/dcgan_digits.py'
  if config and 'NAME' not in config:
    command.check_fields(config, [word for word in overrides if 'SECTION' not in word])


@pytest.mark.parametrize(
  'page', [page for page in PAGES if TESTED_ELSEWHERE.get(name_of(page)) != 'tests/test_docs_extending.py'], ids=name_of
)
def test_commands_can_be_given(page, monkeypatch):
  monkeypatch.chdir(ROOT)
  for words in commands_of(page):
    check_command(words)


@pytest.mark.parametrize(
  'words',
  [
    'python -m experiments.mine --config=configs/dcgan_digits.py',
    'python -m experiments.main --config=configs/dcgan_digit.py',
    'python -m experiments.main --config=configs/dcgan_digits.py --config.train.step=1',
    'python -m experiments.main --config=configs/dcgan_digits.py --folder=runs',
    'scripts/run_tpus.sh NAME ZONE',
    'make docs',
  ],
)
def test_a_command_that_cannot_be_given_is_found(words, monkeypatch):
  monkeypatch.chdir(ROOT)
  with pytest.raises((AssertionError, UserError)):
    check_command(words.split())


def test_the_reference_has_every_operator_and_layer():
  page = (DOCS / 'api' / 'ops.md').read_text()
  found = re.findall(r'^::: deconv\.(?:ops\.\w+|host_memory)\.(\w+)$', page, re.MULTILINE)
  assert sorted(found) == sorted(ops.__all__)
  page = (DOCS / 'api' / 'layers.md').read_text()
  assert set(re.findall(r'^::: deconv\.layers\.([^_]\w+)$', page, re.MULTILINE)) == {
    name
    for name, member in inspect.getmembers(layers)
    if inspect.isroutine(member) or inspect.isclass(member)
    if member.__module__ == 'deconv.layers' and member.__name__ == name and not name.startswith('_')
  }


# Code.


@pytest.mark.parametrize('page', [page for page in PAGES if blocks_of(page, 'python')], ids=name_of)
def test_python_blocks_run(page):
  if name_of(page) in TESTED_ELSEWHERE:
    assert page.name in (ROOT / TESTED_ELSEWHERE[name_of(page)]).read_text()
    return
  for block in blocks_of(page, 'python'):
    names = {}
    exec(compile(block, name_of(page), 'exec'), names)
    for shape in re.findall(r'^y = .*# (\([\d, ]+\))', block, re.MULTILINE):
      assert names['y'].shape == ast.literal_eval(shape)


# The site.


def test_the_site_builds_without_a_warning(tmp_path):
  for library in ('mkdocs', 'material', 'mkdocstrings_handlers'):
    pytest.importorskip(library)
  finished = subprocess.run(
    [sys.executable, '-m', 'mkdocs', 'build', '--strict', '--site-dir', str(tmp_path / 'site')],
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=False,
    timeout=300,
  )
  assert finished.returncode == 0, finished.stderr
  assert 'conv_transpose' in (tmp_path / 'site/api/ops/index.html').read_text()
