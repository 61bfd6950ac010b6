"""Puts the numbers of trained runs into one table, and refuses to where they do not mean the same:

  python -m experiments.compare DIR DIR ... [--metric=fid,kid] [--despite=n_fake,...]

DIR is the folder of a run that `python -m experiments.evaluate` has measured. Runs that differ in nothing but their
seed are one row: mean and 95 % interval of the mean over the seeds (Student's). Every number carries its protocol; a
table stands only where all rows agree in it: in the numbers of images, the data and their size, the feature network
and its weights, the resizer, how samples were made, the versions of the libraries. The fields that differ are named
otherwise, and `--despite=FIELD,...` says that you know.

The numbers are those of the newest file in DIR/evaluation that has all metrics asked for. `--json` prints an object a
row in place of the table.
"""

import argparse
import fnmatch
import json
import os
import statistics
import sys

from deconv.errors import UserError, did_you_mean
from deconv.experiments import command
from deconv.metrics.intervals import half_width
from deconv.training import config_diff
from deconv.training.saved_config import load_config

# The stamp of a number, in the order in which differences are named. `evaluated` is the protocol of what the task
# itself sums over the evaluation split.
STAMP = (
  'protocol_version',
  'source',
  'split',
  'fingerprint',
  'size',
  'reference',
  'n_real',
  'n_fake',
  'judged',
  'made_of',
  'network',
  'network_hash',
  'resizer',
  'neighbours',
  'n_manifold',
  'kid_subsets',
  'kid_subset_size',
  'fid_points',
  'splits',
  'evaluated',
  'ema',
  'batch_stats',
  'truncation',
  'versions',
)
# What some tasks have not: a VAE without batch norm agrees with a GAN in the rest.
_OF_SOME_TASKS = ('ema', 'batch_stats')
# What a stamp without the field means.
_ABSENT = {'truncation': 0.0}
# Fields that concern some metrics alone, by what is in their names.
_OF_SOME_METRICS = {
  'neighbours': ('precision', 'recall', 'density', 'manifold'),
  'n_manifold': ('precision', 'recall', 'density', 'manifold'),
  'kid_subsets': ('kid',),
  'kid_subset_size': ('kid',),
  'fid_points': ('infinity',),
  'splits': ('inception_score',),
}
# What the names of numbers have in them that are measured on images that the task makes; the others are the task's own.
_OF_SAMPLES = (
  'fid',
  'kid',
  'precision',
  'recall',
  'density',
  'coverage',
  'inception_score',
  'memori',
  'ms_ssim',
  'knn_error',
  'two_sample',
  'mode',
  'good_samples',
  'neighbour',
  'checkerboard',
  'phase_contrast',
)
# What is not a number of quality: left out where no metrics are asked for.
_BESIDE = ('_std', '_low', '_high', '_halves', '_expected', '_error')


def main(argv=None):
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument('workdir', nargs='+', metavar='DIR', help='folder of a run')
  parser.add_argument('--metric', default='', help='comma-separated; default: all that every run has')
  parser.add_argument('--despite', default='', help='fields of the protocol that may differ, comma-separated')
  parser.add_argument('--json', action='store_true', help='an object a row')
  options = parser.parse_args(argv)
  with command.one_sentence():
    despite = despite_of(options.despite)
    runs = [read(os.path.expanduser(folder), _words(options.metric)) for folder in options.workdir]
    metrics = _words(options.metric) or _common(runs)
    check_alike(runs, despite, metrics)
    rows = grouped(runs, metrics)
    if options.json:
      for row in rows:
        print(json.dumps(row))
    else:
      print(table(rows, metrics))
      print(f'\nof all rows: {_in_words(shared(runs, metrics))}')


def despite_of(text):
  """Returns the fields of STAMP that the flag `--despite` names.

  Raises:
    UserError: a protocol has no such field.
  """
  despite = _words(text)
  unknown = [name for name in despite if name not in (*STAMP, 'seed')]
  if unknown:
    raise UserError(
      f'--despite={text}: a protocol has no field {unknown[0]!r}{did_you_mean(unknown[0], STAMP)}; it has '
      f'{", ".join(STAMP)}'
    )
  return despite


def _words(text):
  return [word for word in text.split(',') if word]


def read(folder, metrics=()):
  """Returns what the newest evaluation of a run says.

  Args:
    folder: of the run.
    metrics: names that it must have; none = those with a protocol of samples.

  Returns:
    {'folder', 'config': flat fields, 'step', 'metrics': {name: number}, 'stamp': {field of STAMP: value}}.

  Raises:
    UserError: no run there, or it has not been measured.
  """
  experiment = load_config(folder)
  where = os.path.join(folder, 'evaluation')
  paths = (
    [os.path.join(where, name) for name in os.listdir(where) if name.endswith('.json')] if os.path.isdir(where) else []
  )
  paths.sort(key=lambda path: (os.path.getmtime(path), path))
  lacking = None
  for path in reversed(paths):
    try:
      with open(path, encoding='utf-8') as file:
        report = json.load(file)
      found, stamp = report['metrics'], stamp_of(report['protocol'], report.get('versions', 'unknown'))
    except (OSError, ValueError, KeyError, AttributeError) as error:
      raise UserError(f"'{path}' cannot be read ({error!r}): remove it, or measure the run again") from error
    lacking = [name for name in metrics if name not in found]
    if 'protocol_version' in stamp and not lacking:
      return {
        'folder': folder,
        'config': config_diff.flatten(experiment.to_dict()),
        'step': report['step'],
        'metrics': found,
        'stamp': stamp,
      }
  what = ', '.join(lacking or metrics) or 'fid, kid or prdc'
  raise UserError(
    f"'{folder}' has no evaluation with {what}: measure it with python -m experiments.evaluate --workdir={folder} "
    '--config.eval.evaluators=fid,kid,prdc'
  )


def stamp_of(protocol, versions):
  """Returns {field of STAMP: value} of the numbers of an evaluation.

  Args:
    protocol: of the evaluation, as run.json and DIR/evaluation/*.json hold it.
    versions: of the libraries that computed them.
  """
  samples = protocol.get('samples', {})
  parts = {**samples, **{k: v for part in samples.values() if isinstance(part, dict) for k, v in part.items()}}
  if 'protocol_version' in parts:  # older stamps do not say it
    parts.setdefault('judged', 'reconstructions' if 'made_of' in parts else 'samples')
  parts['evaluated'] = {name: value for name, value in protocol.items() if name != 'samples'}
  parts['versions'] = versions
  return {name: parts[name] for name in STAMP if name in parts}


def check_alike(runs, despite=(), metrics=None):
  """Refuses runs whose numbers do not mean the same.

  Args:
    runs: of `read`; 'folder' and 'stamp' of each are looked at.
    despite: fields of STAMP that may differ.
    metrics: what is compared; None = anything.

  Raises:
    UserError: names the fields that differ, with two values of each.
  """
  first, differing = runs[0], {}
  for run in runs[1:]:
    for name in STAMP:
      there = [name in other['stamp'] for other in (first, run)]
      if (
        name in despite or not any(there) or (name in _OF_SOME_TASKS and not all(there)) or not _concerns(name, metrics)
      ):
        continue
      one, other = (each['stamp'].get(name, _ABSENT.get(name)) for each in (first, run))
      if one != other and name not in differing:
        differing[name] = f'{name} ({_difference(one, other)} in {run["folder"]})'
  if differing:
    raise UserError(
      f'these numbers do not mean the same: they differ in {"; ".join(differing.values())}; measure all runs alike, or '
      f'say that you know with --despite={",".join(differing)}'
    )


def _concerns(field, metrics):
  if field == 'evaluated':
    return metrics is None or not all(is_of_samples(name) for name in metrics)
  words = _OF_SOME_METRICS.get(field)
  return metrics is None or words is None or any(word in metric for word in words for metric in metrics)


def is_of_samples(metric):
  """Whether a number is of images that the task makes, or else one of its own over the evaluation split."""
  return any(word in metric for word in _OF_SAMPLES)


def _difference(one, other):
  if isinstance(one, dict) and isinstance(other, dict):
    names = [name for name in {**one, **other} if one.get(name) != other.get(name)]
    return ', '.join(f'{name} {one.get(name)} and {other.get(name)}' for name in names)
  return f'{one} and {other}'


def _common(runs):
  names = [name for name in runs[0]['metrics'] if all(name in run['metrics'] for run in runs)]
  judged = ('fid', 'kid', 'precision', 'recall', 'density', 'manifold_coverage', 'score', 'memori', 'ms_ssim')
  return [name for name in names if any(word in name for word in judged) and not name.endswith(_BESIDE)]


def grouped(runs, metrics):
  """Returns a row for each experiment: {'experiment', 'step', 'seeds', NAME: mean, NAME_interval: half its width}.

  Runs are one experiment where their fields are equal but for the seed, and their steps too; the interval is None where
  there is one seed. `experiment` is the folder, or what the folders of all seeds begin with.
  """
  groups = {}
  for run in runs:
    fields = {name: value for name, value in run['config'].items() if not _beside_the_experiment(name)}
    groups.setdefault(json.dumps([fields, run['step']], sort_keys=True, default=str), []).append(run)
  rows = []
  for group in groups.values():
    seeds = [run['config']['seed'] for run in group]
    if len(set(seeds)) < len(seeds):
      raise UserError(
        f'{" and ".join(run["folder"] for run in group)} are of one experiment and one seed: name one of them'
      )
    name = _label([run['folder'].rstrip('/') for run in group])
    row = {'experiment': name, 'step': group[0]['step'], 'seeds': seeds}
    for metric in metrics:
      values = [run['metrics'][metric] for run in group]
      row[metric] = statistics.fmean(values)
      row[f'{metric}_interval'] = half_width(values)
    rows.append(row)
  return rows


def _label(folders):
  """What all folders begin with: 'runs/dcgan' of 'runs/dcgan_0' and 'runs/dcgan_1'; else all of them."""
  first, *others = folders
  length = next(
    (i for i, letter in enumerate(first) if any(other[i : i + 1] != letter for other in others)), len(first)
  )
  common = first[:length].rstrip('/_-.') if others else first
  return common if os.path.basename(common) else ', '.join(folders)


def _beside_the_experiment(field):
  return field == 'seed' or any(
    fnmatch.fnmatchcase(field, pattern) for pattern in (*config_diff.OPERATIONAL, 'eval.*', *config_diff.OF_SPEED)
  )


def table(rows, metrics):
  """Returns Markdown of `grouped` rows."""
  lines = [f'| experiment | step | seeds | {" | ".join(metrics)} |', '|---' * (len(metrics) + 3) + '|']
  for row in rows:
    cells = []
    for name in metrics:
      half = row[f'{name}_interval']
      cells.append(f'{row[name]:.4g}' + ('' if half is None else f' ± {half:.2g}'))
    lines.append(f'| {row["experiment"]} | {row["step"]} | {len(row["seeds"])} | {" | ".join(cells)} |')
  return '\n'.join(lines)


def shared(runs, metrics=None):
  """Returns {field of STAMP: value} in which all runs agree and which concern the metrics, versions left out."""
  first = runs[0]['stamp']
  return {
    name: value
    for name, value in first.items()
    if name != 'versions' and _concerns(name, metrics) and all(run['stamp'].get(name) == value for run in runs)
  }


def _in_words(stamp):
  plain = [f'{name} {value}' for name, value in stamp.items() if not isinstance(value, dict)]
  nested = [f'{name}: {_in_words(value)}' for name, value in stamp.items() if isinstance(value, dict)]
  return '; '.join([', '.join(plain), *nested])


def console():
  """The command line, as `python -m` and the installed command start it."""
  sys.exit(main())


if __name__ == '__main__':
  console()
