"""Kills a run again and again, at random moments, resumes it, and compares it with a run that nobody disturbed.

  python -m scripts.torture --config=configs/vae_digits.py:smoke --kills=30 [--config=…] [--config.a.b=value …]

A run of every config is made once undisturbed. Then the same run is started in a fresh folder and killed up to `--row`
times, each time at another moment and by another signal, until it is left alone to finish; that is repeated with other
folders until `--kills` have been made. Half of the moments are uniform in time; the others are sought in the start-up,
while a checkpoint is written, while pictures are drawn, in an evaluation, and after the last step. A quarter of the
signals that let a run save come twice. After the kills, `--full_disks` runs meet a file system that is too small and
grows between their starts, where the system allows one to be mounted.

Everything that a run leaves must then equal what the undisturbed run has left: see scripts/run_differences.py. Besides,
no process may hang, print a traceback, end with a status that says nothing of the signal, or leave another process
behind. What does not hold is printed, the folder is kept, and the exit status is 1. The report is printed as Markdown.

Every run has the fields SIZE, unless the command line sets them. The best checkpoint is kept by a metric of the
config's own evaluation.
"""

import argparse
import collections
import concurrent.futures
import contextlib
import datetime
import json
import os
import platform
import shutil
import sys
import tempfile
import time

from scripts import kill_trials, run_watch
from scripts.kill_trials import SIGNALS
from scripts.run_differences import lines

# A run of a few seconds in which everything that is written is written several times.
SIZE = {
  'train.steps': 60,
  'log.every': 1,
  'checkpoint.every': 5,
  'checkpoint.keep': 3,
  'eval.every': 20,
  'samples.every': 8,
  'samples.every_epochs': 0.0,
}


def command_of(config, fields):
  """Returns the function that starts `python -m experiments.main` with {field: text}; see Trials."""

  def start(folder, log):
    overrides = [f'--config.{name}={value}' for name, value in fields.items()]
    return kill_trials.popen(
      [sys.executable, '-m', 'experiments.main', f'--config={config}', f'--workdir={folder}', *overrides], log
    )

  return start


def best_metric(folder):
  """Returns (metric, 'max' or 'min') of a run's evaluation whose best step is neither the first nor the last one where
  there is such a metric; (None, None) without evaluations."""
  metrics = lines(os.path.join(folder, 'metrics.jsonl'))
  evaluations = {
    line['step']: {name: x for name, x in line.items() if name not in ('step', 'split')}
    for line in metrics
    if line['split'] == 'eval'
  }
  if not evaluations:
    return None, None
  steps = sorted(evaluations)
  found = []
  for name in sorted(set.intersection(*(set(numbers) for numbers in evaluations.values()))):
    values = [evaluations[step][name] for step in steps]
    if None in values or len(set(values)) < len(values):
      continue
    for which, function in (('max', max), ('min', min)):
      place = values.index(function(values))
      found.append((place == len(steps) - 1, place == 0, name, which))
  return min(found)[2:] if found else (None, None)


def table(kills):
  """Returns the kills by phase and by signal as Markdown."""
  count = collections.Counter((kill.moment.phase, kill.moment.last, kill.plan.number) for kill in kills)
  rows = ['| the run was at | ' + ' | '.join(number.name for number in SIGNALS) + ' | all |', '|---|' + '--:|' * 5]
  names = {
    run_watch.START_UP: 'the start-up, compilation included',
    run_watch.TRAINING: 'steps',
    run_watch.CHECKPOINT: 'a checkpoint that was being written',
    run_watch.PICTURES: 'pictures',
    run_watch.EVALUATION: 'an evaluation',
    run_watch.CLOSING: 'the film and the last record',
  }
  for last in (False, True):
    for phase, name in names.items():
      numbers = [count[phase, last, number] for number in SIGNALS]
      if any(numbers):
        row = f'{"after the last step: " if last else ""}{name}'
        rows.append(f'| {row} | ' + ' | '.join(map(str, numbers)) + f' | {sum(numbers)} |')
  numbers = [sum(kill.plan.number == number for kill in kills) for number in SIGNALS]
  rows.append('| all | ' + ' | '.join(map(str, numbers)) + f' | {len(kills)} |')
  return '\n'.join(rows)


def machine():
  """Returns a line about the processor, the system and the versions."""
  name = platform.processor()
  with contextlib.suppress(OSError), open('/proc/cpuinfo') as file:
    name = next((line.split(':', 1)[1].strip() for line in file if line.startswith('model name')), name)
  return f'{os.cpu_count()} cores of {name}, {platform.system()} {platform.release()}'


def report(trials, seconds, full_disk_reason):
  """Returns the Markdown report of {config: Trials}."""
  kills = [kill for each in trials.values() for kill in each.kills]
  twice = sum(kill.plan.again is not None for kill in kills)
  parts = [table(kills), '']
  for config, each in trials.items():
    with open(os.path.join(each.reference.folder, 'run.json'), encoding='utf-8') as file:
      versions = json.load(file)['versions']
    parts.append(
      f'- {config}: {len(each.kills)} kills, {each.processes} processes, {each.full_disks} of them ended by a full '
      f'disk; differences: {len(each.failures)}'
    )
  failures = sum(len(each.failures) for each in trials.values())
  parts += [
    '',
    f'{len(kills)} kills, {sum(kill.moment.last for kill in kills)} of them after the last step; {twice} signals came '
    f'twice. {f"No full disk: {full_disk_reason}. " if full_disk_reason else ""}Differences: {failures}.',
    f'{datetime.date.today()}, {machine()}, {seconds / 60:.0f} minutes; '
    + ', '.join(f'{name} {version}' for name, version in versions.items() if name != 'deconv'),
  ]
  return '\n'.join(parts)


def main(argv=None):
  """Prints the report; the exit status is 1 where a run differs from the undisturbed one or misbehaves."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
  )
  parser.add_argument('--config', action='append', required=True, help='FILE.py[:VARIANT]; may be given several times')
  parser.add_argument('--kills', type=int, default=30, help='over all configs')
  parser.add_argument('--row', type=int, default=4, help='at most so many kills in one folder')
  parser.add_argument(
    '--full_disks', type=int, default=2, help='runs of each config on a file system that is too small'
  )
  parser.add_argument('--jobs', type=int, default=1, help='configs at the same time')
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument('--limit', type=float, default=300.0, help='seconds after which a process hangs')
  parser.add_argument('--out', default='', help='folder for the runs; default: a temporary one')
  options, overrides = parser.parse_known_args(argv)
  for word in overrides:
    if not word.startswith('--config.') or '=' not in word:
      parser.error(f"'{word}' is no flag: see --help; a field of the config is set by --config.section.field=value")
  if options.out and os.path.isdir(options.out) and os.listdir(options.out):
    parser.error(f'--out={options.out} has something in it: name a new folder')
  out = os.path.abspath(options.out or tempfile.mkdtemp(prefix='torture-'))
  fields = {**SIZE, 'compilation_cache': os.path.join(out, 'programs')}
  fields.update(word.removeprefix('--config.').split('=', 1) for word in overrides)
  kill_trials.hear_all_signals()
  began, shares = time.monotonic(), len(options.config)
  with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
    waiting = [
      pool.submit(
        torture,
        config,
        fields,
        os.path.join(out, str(i)),
        options.kills // shares + (i < options.kills % shares),
        options,
      )
      for i, config in enumerate(options.config)
    ]
    try:
      done = [future.result() for future in waiting]
    except kill_trials.Failed as error:
      sys.exit(f'error: {error}')
  trials = {config: each for config, (each, _) in zip(options.config, done, strict=True)}
  reason = next((why_not for _, why_not in done if why_not), None)
  text = report(trials, time.monotonic() - began, reason)
  print(text)
  with open(os.path.join(out, 'report.md'), 'w', encoding='utf-8') as file:
    file.write(text + '\n')
  if any(each.failures for each in trials.values()):
    print(f'the runs that differ are kept in {out}', file=sys.stderr)
    sys.exit(1)
  if not options.out:
    shutil.rmtree(out)


def torture(config, fields, out, kills, options):
  """Kills the runs of one config.

  Args:
    config: FILE.py[:VARIANT].
    fields: {field: text} that are set.
    out: folder.
    kills: how many.
    options: the flags.

  Returns:
    (Trials, why no file system could be mounted or None).
  """
  os.makedirs(out, exist_ok=True)
  # The first run fills the compilation cache and says what can be measured.
  first = kill_trials.Trials(command_of(config, fields), os.path.join(out, 'first'), options.seed, options.limit)
  evaluated = first.undisturbed().evaluated
  metric, which = best_metric(first.reference.folder)
  if metric and 'checkpoint.best_metric' not in fields:
    fields = {**fields, 'checkpoint.best_metric': metric, 'checkpoint.best_is': which}
  trials = kill_trials.Trials(command_of(config, fields), out, options.seed, options.limit)
  trials.undisturbed(evaluated)
  print(f'{config}: an undisturbed run takes {trials.reference.seconds[kill_trials.ANY_TIME]:.1f} s', flush=True)
  trials.run(kills, options.row)
  why_not = trials.run_full_disks(options.full_disks)
  return trials, why_not


if __name__ == '__main__':
  main()
