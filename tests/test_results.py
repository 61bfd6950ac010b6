"""A number is written once: pages are what the files in results/ make of them, and the files fit their schema."""

import ast
import copy
import json
import pathlib
import re
import subprocess

import pytest

from deconv.errors import UserError
from scripts import result_files, results_table, table_format

ROOT = pathlib.Path(__file__).resolve().parent.parent
FILES = sorted(result_files.FOLDER.glob('*.json'))
CONFIGS = sorted((ROOT / 'configs').rglob('*.py'))
# Where the name of a processor belongs.
MACHINES = ('results/', 'docs/results.md', 'docs/benchmarks.md')


@pytest.mark.parametrize('path', results_table.pages(), ids=lambda path: path.name)
def test_pages_are_what_the_files_make_of_them(path):
  text = path.read_text(encoding='utf-8')
  assert results_table.fill(text, path.name) == text, 'run `python -m scripts.results_table`'


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.stem)
def test_every_file_fits_the_schema(path):
  content = result_files.load(path.stem)
  assert path.read_text(encoding='utf-8') == result_files.text(content), 'written by hand?'
  assert content['recorded'].startswith(('by scripts.', 'transcribed from '))
  for row in content['rows']:
    if row['config']:
      assert (ROOT / 'configs' / f'{row["config"]}.py').exists()


def test_every_file_is_shown_or_stands_beside_a_newer_one():
  shown = set()
  for page in results_table.pages():
    for name, file in re.findall(r'<!-- table: (\S+)(?: of (\S+))? -->', page.read_text(encoding='utf-8')):
      table = results_table.TABLES[name]
      if isinstance(table, table_format.Table):
        shown |= {entry.file for entry in table.entries([file] if file else None)}
  hidden = {path.stem for path in FILES} - shown
  assert {name for name in hidden if not re.search(r'-earlier|^benchmark_ops-', name)} == set()


def _slugs(page):
  return {
    re.sub(r'[^\w -]', '', title.lower()).strip().replace(' ', '-')
    for title in re.findall(r'^#+ (.*)$', page.read_text(encoding='utf-8'), re.MULTILINE)
  }


def test_pointers_of_configs_and_of_the_library_lead_somewhere():
  found = 0
  for path in [*CONFIGS, *sorted((ROOT / 'deconv').rglob('*.py'))]:
    for page, anchor in re.findall(r'docs/(results|benchmarks)\.md#([\w-]+)', path.read_text(encoding='utf-8')):
      assert anchor in _slugs(ROOT / 'docs' / f'{page}.md'), f'{path} points to #{anchor}'
      found += 1
  assert found > 20


def _docstrings(tree):
  for node in ast.walk(tree):
    if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
      yield ast.get_docstring(node) or ''


def test_processors_and_times_stand_in_the_results_alone():
  """Not in docstrings of configs and of the library, nor in other pages: they would be a second place for a number."""
  listed = subprocess.run(['git', 'ls-files', '-z'], cwd=ROOT, capture_output=True, check=False)
  names = listed.stdout.decode().split('\0')[:-1] if listed.returncode == 0 else []
  paths = [ROOT / name for name in names if not name.startswith((*MACHINES, 'tests/'))]
  naming = [path for path in paths if path.is_file() and re.search(rb'EPYC|Xeon|Threadripper', path.read_bytes())]
  assert len(naming) <= 3, naming
  for path in CONFIGS:
    for text in _docstrings(ast.parse(path.read_text(encoding='utf-8'))):
      assert not re.search(r'\d ms\b|\d min\b|a second|Measured', text), path


def _result(**values):
  rows = [result_files.row('a', values or {'miou': 0.5}, config='unet_scenes', variant='', seeds=[0], step=10)]
  about = {
    'started': '2026-01-02T03:04:05+00:00',
    'git_commit': 'c' * 40,
    'git_changed_files': 2,
    'versions': {'jax': '1.2'},
    'machine': {'cores': 2, 'processor': 'X', 'instructions': 'AVX2'},
    'devices': {'platform': 'cpu', 'kind': 'cpu', 'count': 1},
  }
  return result_files.make(about, 'by scripts.record_result', {'split': 'test', 'n': 1500}, rows, ['python', '-m', 'x'])


@pytest.mark.parametrize(
  'change, words',
  [
    (lambda r: r.pop('protocol'), "has no 'protocol'"),
    (lambda r: r.update(note='x'), "has 'note'"),
    (lambda r: r.update(date='2 Jan'), 'is not YYYY-MM-DD'),
    (lambda r: r.update(rows=[]), 'no rows'),
    (lambda r: r['device'].update(cores='two'), "'cores' is 'two'"),
    (lambda r: r['rows'][0].pop('seeds'), "row 'a' has no 'seeds'"),
    (lambda r: r['rows'][0].update(config=None), 'belong to a config'),
    (lambda r: r['rows'][0]['values'].update(miou='0.5'), "'miou' is '0.5'"),
    (lambda r: r['rows'][0]['values'].update(miou=float('nan')), 'is no number'),
    (lambda r: r['rows'][0]['values'].update(miou={'mean': 1.0}), 'needs numbers mean and std'),
    (lambda r: r['rows'][0]['values'].update(miou={'mean': 1.0, 'std': 0.0, 'each': [1.0, 1.0]}), 'for each seed'),
  ],
)
def test_what_does_not_fit_is_said_in_one_sentence(change, words):
  result = _result()
  result_files.check(result, 'x.json')
  change(result)
  with pytest.raises(UserError) as error:
    result_files.check(result, 'x.json')
  assert words in str(error.value) and 'x.json' in str(error.value)


def test_a_file_is_read_as_it_was_written(tmp_path, monkeypatch):
  monkeypatch.setattr(result_files, 'FOLDER', tmp_path)
  result = _result(miou={'mean': 0.75, 'std': 0.1, 'each': [0.75]}, psnr=31.25)
  result_files.write(tmp_path / 'a.json', result)
  assert result_files.load('a') == result == json.loads((tmp_path / 'a.json').read_text())
  with pytest.raises(UserError, match=r'there is no results/b\.json'):
    result_files.load('b')
  (tmp_path / 'c.json').write_text('{')
  with pytest.raises(UserError, match='is not JSON'):
    result_files.load('c')


def test_spread_by_hand():
  assert result_files.spread([3.0]) == 3.0
  assert result_files.spread([1.0, 2.0, 3.0]) == {'mean': 2.0, 'std': 1.0, 'each': [1.0, 2.0, 3.0]}


def test_a_table_by_hand(tmp_path, monkeypatch):
  monkeypatch.setattr(result_files, 'FOLDER', tmp_path)
  first, second = _result(miou={'mean': 0.7504, 'std': 0.0123}, seconds=0.0042), _result(miou=0.8)
  second['rows'][0].update(variant='long', fields={'train.steps': 5}, step=2000)
  for name, result in (('a', first), ('b', second)):
    (tmp_path / f'{name}.json').write_text(json.dumps(result))
  table = table_format.Table(
    ('a', 'b'),
    [
      table_format.config(),
      table_format.field('steps', 'step'),
      table_format.value('mIoU', 'miou', 3, best=max),
      table_format.value('ms', 'seconds', 1, 1000),
    ],
  )
  assert table.render().splitlines() == [
    '| config | steps | mIoU | ms |',
    '|---|---|---|---|',
    '| `unet_scenes` | 10 | 0.750 ± 0.012 | 4.2 |',
    '| `unet_scenes:long` (train.steps=5) | 2,000 | **0.800** | – |',
    '',
    '- `results/a.json`, `results/b.json`: Split test; 1,500 images; seed 0. 2 cores of X, AVX2; JAX 1.2; 2026-01-02. '
    'By scripts.record_result, code of commit ccccccc with 2 changed files.',
  ]
  assert '0.800' not in table.render(['a'])


def test_a_page_is_filled_between_its_markers(tmp_path, monkeypatch, capsys):
  (tmp_path / 'docs').mkdir()
  page = tmp_path / 'docs' / 'x.md'
  page.write_text('a\n<!-- table: pooling -->\nold\n<!-- end of table -->\nb\n')
  (tmp_path / 'README.md').write_text('no table\n')
  monkeypatch.setattr(results_table, 'ROOT', tmp_path)
  assert results_table.main(['--check']) == 1 and 'docs/x.md differs' in capsys.readouterr().out
  assert results_table.main([]) == 0
  text = page.read_text()
  assert text.startswith('a\n<!-- table: pooling -->\n\n| operator |') and text.endswith('\n<!-- end of table -->\nb\n')
  assert 'old' not in text and results_table.main(['--check']) == 0
  page.write_text(text.replace('pooling', 'reports of reports-single_channel'))
  assert results_table.main([]) == 0 and 'reports-single_channel.json' in page.read_text()
  for wrong, words in (
    ('<!-- table: poling -->\n<!-- end of table -->\n', "did you mean 'pooling'?"),
    ('<!-- table: pooling -->\n', 'has no line `<!-- end of table -->`'),
    ('<!-- table: speed of pooling -->\n<!-- end of table -->\n', 'names its own files'),
    ('<!-- table: pooling of nowhere -->\n<!-- end of table -->\n', 'there is no results/nowhere.json'),
  ):
    page.write_text(wrong)
    with pytest.raises(UserError) as error:
      results_table.main([])
    assert words in str(error.value) and page.read_text() == wrong


def test_the_newest_measurement_on_a_processor_is_shown(tmp_path, monkeypatch):
  monkeypatch.setattr(result_files, 'FOLDER', tmp_path)
  old, new, gpu = (copy.deepcopy(_result()) for _ in range(3))
  old['date'], new['date'], gpu['date'] = '2026-01-01', '2026-02-01', '2026-03-01'
  gpu['device']['accelerator'] = 'H100'
  for name, result in (('ops-z', old), ('ops-a', new), ('ops-b', gpu)):
    (tmp_path / f'{name}.json').write_text(json.dumps(result))
  assert results_table.newest('ops-*')() == ['ops-a']


def test_headline_is_short():
  assert len(results_table.TABLES['headline'].render().splitlines()) <= 2 + 8


def test_geometric_mean():
  assert results_table.geometric_mean([1.0, 4.0, 16.0]) == pytest.approx(4)
