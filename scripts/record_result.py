"""Writes results/NAME.json from the folders of finished runs, or from that of a sweep: no number is typed.

  python -m scripts.record_result DIR [DIR ...] --name=NAME [--load='nothing else ran'] [--despite=n_fake,...]

DIR is the --workdir of `experiments.main`, or the --out of `experiments.sweep`. Runs that differ in their seed alone
become one row with mean and standard deviation. The numbers are those of the last evaluation. `experiments.evaluate`
can measure the same step again, with more samples or other evaluators: then its numbers and its protocol stand in
their place. Those of `experiments.complete` on held-out images are added. Seconds from the command to the end are
written for a run that was never interrupted.

DIR can also be a file of a run, DIR/evaluation/STEP-HASH.json: what `experiments.evaluate` measured with other fields
than those of the run. Its numbers alone make a row, and the fields that were other are among those of the row. All
such files have to agree in their protocol, by the rule of `experiments.compare`, but for the fields of --despite.

It can also be such a file of `experiments.evaluate --weights=NAME`: weights that come with this library have no run.

All runs of a file come from one machine and one version of the code; the schema is in results/README.md.
"""

import argparse
import json
import os
import statistics
import sys

from deconv.errors import UserError
from deconv.experiments import command, compare, sweep
from deconv.training import config_diff
from scripts import result_files

_NOT_FOR_A_ROW = (
  'seed',
  'data.generated',
  'train.steps_per_call',  # the same steps, more of them in a program
  'native',  # the same sums in another order; the command of the file says it
  *config_diff.OF_A_MACHINE,
)
# What an evaluation with other fields says of its own accord: what was measured, and where the network lies.
_NOT_OF_AN_EVALUATION = ('eval.evaluators', 'eval.features_path', 'eval.reference_cache')


def runs_of(folder):
  """Returns [(group, name, workdir, evaluation)] of a folder: its own run, or those of a sweep.

  Group and name of a run are None, and so is the evaluation but where the folder is a file, DIR/evaluation/*.json. Of
  weights, the workdir is None.

  Raises:
    UserError: there is neither, or a run is not finished.
  """
  evaluation = None
  if folder.endswith('.json'):
    if 'weights' in (result_files.read_json(folder) or {}):
      return [(None, None, None, folder)]
    evaluation, folder = folder, os.path.dirname(os.path.dirname(os.path.abspath(folder)))
  found = result_files.read_json(os.path.join(folder, 'results.json'))
  runs = [(None, None, folder, evaluation)]
  if found:  # the workdirs as they lie now: the folder may have been moved
    runs = [
      (group, label, sweep.workdir_of(folder, group, label, seed), None)
      for group, labels in found.items()
      for label, seeds in labels.items()
      for seed in seeds
    ]
  for _, _, workdir, _ in runs:
    run = result_files.read_json(os.path.join(workdir, 'run.json'))
    if run is None:
      raise UserError(
        f"there is no run in '{workdir}'; give the --workdir of a run, or the --out of a sweep that wrote its tables"
      )
    if not run.get('finished'):
      raise UserError(f"the run in '{workdir}' is not finished: run its command again")
  return runs


def read_run(workdir, evaluation=None):
  """Returns what is recorded of a finished run.

  Args:
    workdir: its folder.
    evaluation: None, or the file of one of its evaluations, whose numbers stand alone.

  Returns:
    {'config', 'variant', 'fields', 'seed', 'step', 'values', 'history', 'protocol', 'stamp', 'about', 'command'}; the
    stamp is that of an evaluation, for the rule of experiments.compare, else None.

  Raises:
    UserError: the command of the run names no config, or there is no such file.
  """
  about = result_files.read_json(os.path.join(workdir, 'run.json'))
  config = config_diff.flatten(result_files.read_json(os.path.join(workdir, 'config.json')))
  found = sweep.measured(workdir)
  metrics, protocol = dict(found['metrics']), dict(about.get('evaluation', {}).get('protocol', {}))
  step = found['step'] if found['step'] is not None else about['steps']
  again = result_files.read_json(os.path.join(workdir, 'evaluation', f'{step:08d}.json'))
  if again:
    metrics.update(again['metrics'])
    protocol.update(again['protocol'])
  completed = result_files.read_json(os.path.join(workdir, 'completion', f'{step:08d}.json'))
  if completed:
    metrics.update(completed['metrics'])
    protocol['completion'] = completed['protocol']
  history, fields, stamp = found['history'], {}, None
  if evaluation:
    again = result_files.read_json(evaluation)
    if again is None:
      raise UserError(f"there is no file '{evaluation}': python -m experiments.evaluate writes it")
    metrics, protocol, step, history = again['metrics'], again['protocol'], again['step'], {}
    fields = _changed(again)
    stamp = compare.stamp_of(protocol, again['versions'])
    if 'n_fake' in stamp:  # also where that is what the run's own config says
      fields['eval.num_samples'] = stamp['n_fake']
  values = {name: found[name] for name in ('parameters', 'milliseconds')}
  if not about['earlier']:
    values |= {name: about.get(name) for name in ('first_step_seconds', 'finished_seconds')}
  words = _flags(about['command'])
  if 'config' not in words:
    raise UserError(f"the run in '{workdir}' does not say which config it is of: its command has no --config")
  file, _, variant = words['config'].partition(':')
  return {
    'config': os.path.splitext(os.path.basename(file))[0],
    'variant': variant,
    'fields': {
      name.removeprefix('config.'): config[name.removeprefix('config.')]
      for name in words
      if name.startswith('config.') and name.removeprefix('config.') not in _NOT_FOR_A_ROW
    }
    | fields,
    'seed': config['seed'],
    'step': step,
    'values': {name: value for name, value in {**metrics, **values}.items() if value is not None},
    'history': {
      at: {name: value for name, value in numbers.items() if value is not None} for at, numbers in history.items()
    },
    'protocol': _about_all_seeds(protocol),
    'stamp': stamp,
    'about': about,
    'command': ['python', '-m', 'experiments.main', f'--config={words["config"]}']
    + [
      f'--{name}={value}'
      for name, value in words.items()
      if name.startswith('config.') and name not in ('config.data.path', 'config.data.eval_path')
    ],
  }


def read_weights(evaluation):
  """Returns what `read_run` does, of the file that `experiments.evaluate --weights` wrote."""
  found = result_files.read_json(evaluation)
  weights = found['weights']
  return {
    'config': weights['name'],
    'variant': '',
    'fields': _changed(found),
    'seed': weights['seed'],
    'step': found['step'],
    'values': {**found['metrics'], 'parameters': weights['parameters']},
    'history': {},
    'protocol': _about_all_seeds(found['protocol']),
    'stamp': compare.stamp_of(found['protocol'], found['versions']),
    'about': found['about'],
    'command': ['python', '-m', 'experiments.evaluate', f'--weights={weights["name"]}'],
  }


def _changed(evaluation):
  """Returns the fields, {name: value}, that were other in an evaluation, but for those that say nothing of a row."""
  apart = *_NOT_FOR_A_ROW, *_NOT_OF_AN_EVALUATION
  return {name: value for name, value in evaluation['overrides'].items() if name not in apart}


def _flags(words):
  """Returns {flag: value} of a command line; `--name value` and `--name=value` are the same."""
  found, words = {}, list(words)
  while words:
    name, equals, value = words.pop(0).partition('=')
    if name.startswith('--'):
      found[name.removeprefix('--')] = value if equals or not words or words[0].startswith('--') else words.pop(0)
  return found


def _about_all_seeds(protocol):
  """A protocol without what each seed has of its own: how many samples fell into which class."""
  return {
    name: _about_all_seeds(value) if isinstance(value, dict) else value
    for name, value in protocol.items()
    if name != 'class_counts'
  }


def _common(protocols):
  """Returns what all protocols say alike."""
  first, *others = protocols
  found = {}
  for name, value in first.items():
    there = [other.get(name) for other in others]
    if isinstance(value, dict) and all(isinstance(each, dict) for each in there):
      found[name] = _common([value, *there])
    elif all(each == value for each in there):
      found[name] = value
  return found


def row_of(name, group, runs):
  """Returns a row of runs that differ in their seed alone, in the order of the seeds."""
  runs = sorted(runs, key=lambda run: run['seed'])
  values = {}
  for metric in runs[0]['values']:
    each = [run['values'].get(metric) for run in runs]
    if None not in each:
      # How long a step takes is no result of a seed; it is the machine's. All seeds have the same parameters.
      of_all = {'milliseconds': statistics.median, 'parameters': max}.get(metric, result_files.spread)
      values[metric] = of_all(each)
  history = []
  for step in sorted(runs[0]['history']):
    of_all = [run['history'].get(step, {}) for run in runs]
    history.append(
      {
        'step': step,
        **{
          metric: result_files.spread([numbers[metric] for numbers in of_all])
          for metric in of_all[0]
          if all(metric in numbers for numbers in of_all)
        },
      }
    )
  first = runs[0]
  default = first['config'] + (f':{first["variant"]}' if first['variant'] else '')
  changed = ', '.join(f'{field}={value}' for field, value in first['fields'].items())
  return result_files.row(
    name or default + (f' ({changed})' if changed else ''),
    values,
    group=group,
    config=first['config'],
    variant=first['variant'],
    fields=first['fields'],
    step=first['step'],
    seeds=[run['seed'] for run in runs],
    # The last evaluation alone is the row itself.
    history=history if len(history) > 1 else [],
  )


def record(folders, load=None, despite=()):
  """Returns the result of the runs in some folders.

  Args:
    folders: of runs or sweeps, or files of evaluations.
    load: what else the machine did, a phrase.
    despite: fields of the protocol in which the evaluations may differ.

  Raises:
    UserError: a folder is no finished run, two runs have one seed, they do not come from one machine and commit, or the
      numbers of two evaluations do not mean the same.
  """
  rows, judged = {}, []
  for folder in folders:
    for group, name, workdir, evaluation in runs_of(folder):
      run = read_run(workdir, evaluation) if workdir else read_weights(evaluation)
      if evaluation:
        judged.append({'folder': folder, 'stamp': run['stamp'], 'metrics': run['values']})
      key = json.dumps([group, name, run['config'], run['variant'], run['fields'], run['step']])
      same = rows.setdefault(key, (name, group, []))[2]
      if any(other['seed'] == run['seed'] for other in same):
        raise UserError(f"'{workdir or evaluation}': seed {run['seed']} of {run['config']} is there twice")
      same.append(run)
  runs = [run for _, _, same in rows.values() for run in same]
  first, protocols = runs[0], [run['protocol'] for run in runs]
  for run in runs[1:]:
    for what, of in (('commit', lambda about: about['git_commit']), ('machine', result_files.device_of)):
      if of(run['about']) != of(first['about']):
        raise UserError(f'the runs do not come from one {what}: write a file for each')
  if judged:
    compare.check_alike(judged, despite, [name for name in judged[0]['metrics'] if compare.is_of_samples(name)])
  result = result_files.make(
    first['about'],
    'by scripts.record_result',
    _common(protocols),
    [row_of(name, group, same) for name, group, same in rows.values()],
    first['command'],
  )
  result['device']['load'] = load
  return result


def main(argv=None):
  """Runs the command; returns its exit status."""
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument('folders', nargs='+', metavar='DIR', help='--workdir of a run, --out of a sweep, or evaluation')
  parser.add_argument('--name', required=True, help='the file is results/NAME.json')
  parser.add_argument('--load', help="what else the machine did, such as 'nothing else ran'")
  parser.add_argument('--despite', default='', help='fields of the protocol in which evaluations may differ')
  options = parser.parse_args(argv)
  if os.path.basename(options.name) != options.name:
    raise UserError(f'--name={options.name}: give the name of a file in results/, without folders')
  result = record(
    [os.path.expanduser(folder) for folder in options.folders], options.load, compare.despite_of(options.despite)
  )
  result_files.write(result_files.FOLDER / f'{options.name.removesuffix(".json")}.json', result)
  return 0


if __name__ == '__main__':
  with command.one_sentence():
    sys.exit(main())
