"""The files results/NAME.json: the one place where a measured number is written. results/README.md has the schema."""

import datetime
import json
import math
import numbers
import pathlib
import statistics
import sys

from deconv import atomic_files
from deconv.errors import UserError

FOLDER = pathlib.Path(__file__).resolve().parent.parent / 'results'

_TEXT, _OBJECT, _COUNT = (str, type(None)), (dict, type(None)), (int, type(None))
# What a file has, what a row has, and what the device is: {field: types}. A field that is not known is null.
FILE = {
  'recorded': str,
  'date': _TEXT,
  'commit': _TEXT,
  'changed_files': _COUNT,
  'command': _TEXT,
  'device': dict,
  'versions': _OBJECT,
  'protocol': dict,
  'rows': list,
}
DEVICE = {
  'processor': _TEXT,
  'instructions': _TEXT,
  'cores': _COUNT,
  'accelerator': _TEXT,
  'count': _COUNT,
  'load': _TEXT,
}
ROW = {
  'name': str,
  'group': _TEXT,
  'config': _TEXT,
  'variant': _TEXT,
  'fields': dict,
  'step': _COUNT,
  'seeds': list,
  'values': dict,
  'history': list,
}
# The help of the flag --save of a benchmark.
SAVE = 'also write the numbers to this file, results/NAME.json; see results/README.md'
_SPREAD = {'mean', 'std', 'each'}
_WIDTH = 110


def read_json(path):
  """Returns what a JSON file of a run holds; None where there is no such file.

  Raises:
    UserError: it cannot be read.
  """
  try:
    with open(path, encoding='utf-8') as file:
      return json.load(file)
  except FileNotFoundError:
    return None
  except (OSError, ValueError) as error:
    raise UserError(f"'{path}' cannot be read: {error}") from error


def load(name):
  """Returns the checked content of results/NAME.json.

  Raises:
    UserError: there is no such file, or it does not fit the schema.
  """
  path = FOLDER / f'{name}.json'
  try:
    content = json.loads(path.read_text(encoding='utf-8'))
  except FileNotFoundError:
    raise UserError(f'there is no results/{name}.json; the files there are made by scripts/record_result.py') from None
  except ValueError as error:
    raise UserError(f'results/{name}.json is not JSON: {error}') from error
  check(content, f'results/{name}.json')
  return content


def check(content, path):
  """Raises UserError with the first thing in a result that does not fit the schema.

  Args:
    content: what the file holds.
    path: of the file, for the sentence.
  """
  _check_fields(content, FILE, path)
  _check_fields(content['device'], DEVICE, f'{path}: device')
  if content['date'] is not None:
    try:
      datetime.date.fromisoformat(content['date'])
    except ValueError:
      raise UserError(f"{path}: date '{content['date']}' is not YYYY-MM-DD") from None
  if not content['rows']:
    raise UserError(f'{path}: there are no rows')
  for row in content['rows']:
    where = f'{path}: row {row.get("name") if isinstance(row, dict) else row!r}'
    _check_fields(row, ROW, where)
    if row['config'] is None and (row['variant'] or row['fields'] or row['seeds']):
      raise UserError(f'{where}: a variant, fields and seeds belong to a config, and there is none')
    for values in (row['values'], *row['history']):
      for name, value in values.items():
        _check_value(value, f"{where}: '{name}'", len(row['seeds']))


def _check_fields(content, fields, where):
  if not isinstance(content, dict):
    raise UserError(f'{where} is no object')
  for name, types in fields.items():
    if name not in content:
      raise UserError(f"{where} has no '{name}'")
    if not isinstance(content[name], types):
      raise UserError(f"{where}: '{name}' is {content[name]!r}, which is not of its type")
  strange = sorted(set(content) - set(fields))
  if strange:
    raise UserError(f"{where} has '{strange[0]}', which the schema does not know")


def _check_value(value, where, seeds):
  if isinstance(value, dict):
    if not {'mean', 'std'} <= set(value) <= _SPREAD or not all(_is_number(value[x]) for x in ('mean', 'std')):
      raise UserError(f'{where} needs numbers mean and std, and may have each')
    each = value.get('each', [])
    if not all(map(_is_number, each)) or (each and seeds and len(each) != seeds):
      raise UserError(f'{where}: each needs one number for each seed')
  elif not _is_number(value):
    raise UserError(f'{where} is {value!r}, which is no number')


def _is_number(value):
  return isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)


def spread(values):
  """Returns one number as it is, several as {'mean', 'std', 'each'}; std is the sample's standard deviation."""
  if len(values) == 1:
    return values[0]
  return {'mean': statistics.mean(values), 'std': statistics.stdev(values), 'each': list(values)}


def row(name, values, **fields):
  """Returns a row of a result; what is not given is empty.

  Args:
    name: what the row is called in a table.
    values: {name: number, or {'mean', 'std', 'each'}}.
    **fields: others of ROW.
  """
  empty = {'group': None, 'config': None, 'variant': None, 'fields': {}, 'step': None, 'seeds': [], 'history': []}
  found = {**empty, 'name': name, 'values': values, **fields}
  return {field: found[field] for field in ROW}


def device_of(about):
  """Returns the `device` of a result.

  Args:
    about: run.json, or deconv.training.provenance.describe().
  """
  machine, devices = about['machine'], about['devices']
  return {
    'processor': machine.get('processor'),
    'instructions': machine.get('instructions'),
    'cores': machine['cores'],
    'accelerator': None if devices['platform'] == 'cpu' else devices['kind'],
    'count': devices['count'],
    'load': None,
  }


def make(about, recorded, protocol, rows, command):
  """Returns a result.

  Args:
    about: run.json, or deconv.training.provenance.describe().
    recorded: how the file came to be.
    protocol: {name: value}, how the numbers were measured.
    rows: made by `row`.
    command: list of words.
  """
  return {
    'recorded': recorded,
    'date': about['started'][:10],
    'commit': about['git_commit'],
    'changed_files': about['git_changed_files'],
    'command': ' '.join(command),
    'device': device_of(about),
    'versions': about['versions'],
    'protocol': protocol,
    'rows': rows,
  }


def write(path, content):
  """Checks a result and writes it whole or not at all.

  Raises:
    UserError: it does not fit the schema, or the file cannot be written.
  """
  check(content, path)
  atomic_files.write(path, text(content).encode())
  print(f'written: {path}; `python -m scripts.results_table` renders the tables again')


def text(content):
  """Returns the JSON of a result, with what fits into a line in one line."""

  def lines(value, indent):
    whole = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, (dict, list)) or len(whole) + len(indent) <= _WIDTH:
      return whole
    inner = indent + '  '
    if isinstance(value, dict):
      parts = [f'{inner}{json.dumps(name)}: {lines(part, inner)}' for name, part in value.items()]
    else:
      parts = [inner + lines(part, inner) for part in value]
    opened, closed = '{}' if isinstance(value, dict) else '[]'
    return f'{opened}\n' + ',\n'.join(parts) + f'\n{indent}{closed}'

  return lines(content, '') + '\n'


def save_benchmark(path, script, protocol, rows, libraries=()):
  """Writes what a benchmark script measured.

  Args:
    path: of the file; nothing happens where it is empty.
    script: name of the module, such as 'scripts.benchmark_ops'.
    protocol: {name: value}, how the numbers were measured.
    rows: made by `row`.
    libraries: imported modules that were compared with; their versions are noted.
  """
  if not path:
    return
  from deconv.training import provenance

  about = provenance.describe()
  about['versions'] |= {library.__name__: library.__version__ for library in libraries}
  # Not where the interpreter and the file lie: the words after them.
  command = ['python', '-m', script, *(word for word in sys.argv[1:] if not word.startswith('--save'))]
  write(path, make(about, f'by {script}', protocol, rows, command))
