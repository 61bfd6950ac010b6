"""How rows of results/*.json become a Markdown table with a caption that says how they were measured."""

from collections.abc import Callable, Sequence
import dataclasses

from scripts import result_files

NONE = '–'
_FEW = 10


@dataclasses.dataclass(frozen=True)
class Entry:
  """A row with the file that it stands in: what a cell is made of."""

  file: str
  result: dict
  row: dict

  def number(self, name):
    """Returns the value `name`, its mean where it has several; None where there is none."""
    value = self.row['values'].get(name)
    return value['mean'] if isinstance(value, dict) else value

  def show(self, name, digits, scale=1.0):
    """Returns the value `name` times `scale` as text, 'mean ± std' where it has several; a dash where there is none.

    `digits` after the point; None = one below 10, none above.
    """
    value = self.row['values'].get(name)
    if value is None:
      return NONE
    mean, std = (value['mean'], value['std']) if isinstance(value, dict) else (value, 0)
    if digits is None:
      digits = 1 if abs(mean * scale) < _FEW else 0
    return f'{mean * scale:,.{digits}f}' + (f' ± {std * scale:,.{digits}f}' if std else '')


@dataclasses.dataclass(frozen=True)
class Column:
  """A column of a table.

  Attributes:
    heading: at its top.
    cell: of an Entry, the text.
    rank: of an Entry, the number by which the best one is set in bold type; None = no such thing.
    best: max or min.
  """

  heading: str
  cell: Callable[[Entry], str]
  rank: Callable[[Entry], float | None] | None = None
  best: Callable = max


def value(heading, name, digits, scale=1.0, best=None):
  """Returns the column of a value; `best` (max or min) sets the best one in bold type."""
  rank = (lambda entry: entry.number(name)) if best else None
  return Column(heading, lambda entry: entry.show(name, digits, scale), rank, best or max)


def field(heading, name, code=False):
  """Returns the column of a field of the row, such as its name; `code`: in a typewriter's letters."""

  def cell(entry):
    found = entry.row[name]
    if found is None:
      return NONE
    if isinstance(found, int):
      return f'{found:,}'
    return f'`{found}`' if code else found

  return Column(heading, cell)


def config(heading='config'):
  """Returns the column of the config, its variant and the fields that differ, in a typewriter's letters."""

  def cell(entry):
    row = entry.row
    changed = ', '.join(f'{name}={value}' for name, value in row['fields'].items())
    name = f'`{row["config"]}' + (f':{row["variant"]}`' if row['variant'] else '`')
    return f'{name} ({changed})' if changed else name

  return Column(heading, cell)


def trail(heading, name, digits, scale=1.0):
  """Returns the column of a value at every evaluation of a run; at the last step that of its row, unless the history
  has one: of fewer samples, as those before it."""

  def cell(entry):
    at = {entry.row['step']: entry.row['values'], **{values['step']: values for values in entry.row['history']}}
    found = [Entry(entry.file, entry.result, {'values': at[step]}).show(name, digits, scale) for step in sorted(at)]
    return ', '.join(text for text in found if text != NONE)

  return Column(heading, cell)


def fastest(heading, name, rivals):
  """Returns the column of a time in milliseconds, in bold type where no rival in its row is faster.

  Args:
    heading: at its top.
    name: of the value, in seconds.
    rivals: names of the values that it is compared with; () = never bold.
  """

  def cell(entry):
    text, mine = entry.show(name, None, 1000), entry.number(name)
    others = [entry.number(rival) for rival in rivals]
    best = mine is not None and rivals and mine <= min(other for other in others if other is not None)
    return f'**{text}**' if best else text

  return Column(heading, cell)


@dataclasses.dataclass(frozen=True)
class Table:
  """A table.

  Attributes:
    files: names of results, in the order of the rows, or a function that returns them.
    columns: from left to right.
    keep: which entries become rows.
    footer: of the entries, a sentence below the table.
    caption: whether it is said how the rows were measured.
  """

  files: Sequence[str] | Callable[[], Sequence[str]]
  columns: Sequence[Column]
  keep: Callable[[Entry], bool] = lambda entry: True
  footer: Callable[[list], str] | None = None
  caption: bool = True

  def entries(self, files=None):
    """Returns the entries of its rows; `files` in place of its own."""
    files = files or (self.files() if callable(self.files) else self.files)
    found = [(file, result_files.load(file)) for file in files]
    return [entry for file, result in found for row in result['rows'] if self.keep(entry := Entry(file, result, row))]

  def render(self, files=None):
    """Returns the Markdown of the table and its caption; `files` in place of its own."""
    entries = self.entries(files)
    columns = [self._cells(column, entries) for column in self.columns]
    lines = ['| ' + ' | '.join(column.heading for column in self.columns) + ' |', '|---' * len(columns) + '|']
    lines += ['| ' + ' | '.join(cells) + ' |' for cells in zip(*columns)]
    parts = ['\n'.join(lines)]
    if self.footer:
      parts.append(self.footer(entries))
    if self.caption:
      parts.append(caption(entries))
    return '\n\n'.join(parts)

  @staticmethod
  def _cells(column, entries):
    cells = [column.cell(entry) for entry in entries]
    ranks = [column.rank(entry) if column.rank else None for entry in entries]
    known = [rank for rank in ranks if rank is not None]
    if len(known) < 2:
      return cells
    return [f'**{cell}**' if rank == column.best(known) else cell for cell, rank in zip(cells, ranks)]


def caption(entries):
  """Returns how the entries were measured: a line for each protocol, machine and day."""
  about = {}
  for entry in entries:
    about.setdefault(_about(entry), {}).setdefault(entry.file)
  return '\n'.join(
    f'- {", ".join(f"`results/{file}.json`" for file in files)}: {text}' for text, files in about.items()
  )


def _about(entry):
  """Returns sentences on a result: protocol, seeds, machine, versions, day, and how the file came to be."""
  result = entry.result
  seeds = sorted({tuple(row['seeds']) for row in result['rows'] if row['seeds']})
  protocol = [*phrases(result['protocol']), *_seeds(seeds)]
  sentences = [_sentence('; '.join(protocol))] if protocol else []
  machine = [text for text in (device(result['device']), _versions(result['versions']), result['date']) if text]
  sentences.append(_sentence('; '.join(machine)))
  return ' '.join([*sentences, _sentence(_recorded(result))])


def _sentence(text):
  return text[:1].upper() + text[1:] + '.'


def _recorded(result):
  """Returns how the file came to be, the commit shortened as git does it."""
  *words, last = result['recorded'].split(' ')
  text = ' '.join([*words, last[:7] if words[-1:] == ['commit'] else last])
  if result['commit']:
    changed = f' with {result["changed_files"]} changed files' if result['changed_files'] else ''
    text += f', code of commit {result["commit"][:7]}{changed}'
  return text


def _seeds(seeds):
  """Returns phrases on the seeds of the rows; `seeds` is a list of tuples."""
  return [
    f'seed {of_row[0]}' if len(of_row) == 1 else f'mean ± standard deviation of seeds {", ".join(map(str, of_row))}'
    for of_row in seeds
  ]


def device(about):
  """Returns the machine of a result in words."""
  parts = []
  if about['accelerator']:
    count = about['count'] or 1
    parts.append(f'{count} {about["accelerator"]}' if count > 1 else about['accelerator'])
  else:
    cores = f'{about["cores"]} cores' if about['cores'] else ''
    parts.append(' of '.join(text for text in (cores, about['processor']) if text) or 'machine not noted')
    if about['instructions']:
      parts.append(about['instructions'])
  if about['load']:
    parts.append(about['load'])
  return ', '.join(parts)


def _versions(versions):
  """Returns the versions that change speed or numbers most."""
  shown = (('python', 'Python'), ('jax', 'JAX'), ('torch', 'PyTorch'))
  return ', '.join(f'{name} {versions[key]}' for key, name in shown if key in (versions or {}))


# What the entries of a protocol say. Others that are a number or a short text are shown as they are.
_PHRASES = {
  'split': 'split {}',
  'n': '{:,} images',
  'whole_images': '{} whole images',
  'binarization': 'binarization: {}',
  'unit': '{}',
  'importance_samples': '{:,} importance samples per image',
  'baseline': 'baseline: {}',
  'shave': '{} pixels shaved',
  'boundary': 'boundary IoU on {}',
  'miou_is': 'mIoU by {}',
  'num_samples': '{:,} samples',
  'num_reference': '{:,} reference images',
  'num_heldout': '{:,} held-out images',
  'completed': '{:,} completed images',
  'missing': 'missing: {}',
  'batch_stats': '{} batch statistics',
  'dtype': '{}',
  'freed_memory': 'freed memory {}',
  'rounds': '{} rounds',
  'workers': '{} workers',
  'batch_size': 'batch {}',
  'steps_per_turn': '{} steps per turn',
  'note': '{}',
}
# Too long for a caption, of no help to a reader, or told by another entry.
_LEFT_OUT = (
  'classifier',
  'distance',
  'elbo_samples',
  'fingerprint',
  'likelihood',
  'num_source',
  'sample_batch_size',
  'seed',
  'source',
  'step',
)
_LONGEST = 40


def phrases(protocol):
  """Returns the phrases of a protocol; that of samples, an object of its own, is among them."""
  found = []
  for name, value in protocol.items():
    if isinstance(value, dict):
      found += [phrase for phrase in phrases(value) if phrase not in found]
    elif name == 'ema':
      found.append('averaged parameters' if value else 'parameters of the last step')
    elif name in _PHRASES and value not in ('', 0, None):
      found.append(_PHRASES[name].format(value))
    elif name not in _LEFT_OUT and not name.endswith('_is') and value not in ('', 0, None, False, []):
      text = f'{name.replace("_", " ")} {"yes" if value is True else value}'
      found += [text] if len(text) <= _LONGEST else []
  return found
