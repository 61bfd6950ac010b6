"""Trains variants of experiments, each with several seeds, and compares them in one table.

  python -m experiments.sweep --sweep=configs/sweeps/NAME.py --out=DIR [--jobs=2] [--seeds=0,1] [--only=U-Net,SegNet]
  python -m experiments.sweep --sweep=configs/sweeps/NAME.py --out=DIR --report

Each run is `experiments.main` in DIR/EXPERIMENT/VARIANT/SEED. Every run gets the options
`--config.section.field=value`. Call the command again to continue: a finished run is not repeated, and an interrupted
run is resumed. Ctrl-C and SIGTERM save the runs in progress. All variants of one seed run before the next seed, so you
can compare them early. `--report` writes the tables without training.

`--jobs=N` runs N at a time. Each has its share of the processor's cores and writes its output to
DIR/EXPERIMENT/VARIANT/SEED.log. On two cores, two jobs of small networks at a time are faster than one after the other.
If CUDA_VISIBLE_DEVICES names at least N GPUs, each job gets its own.

At the end the command writes tables to the terminal and to DIR/tables.md, all numbers to DIR/results.json, and a figure
to DIR/EXPERIMENT.png. Tables hold means and standard deviations over the seeds; milliseconds per step are medians over
the lines of the training. For segmentation, DIR/EXPERIMENT_predictions.png shows the first test images as each variant
of the first seed sees them. `python -m scripts.record_result DIR --name=NAME` makes results/NAME.json, from which the
tables of the docs are rendered.

A sweep is a Python file with a dict SWEEP:

  experiments: {name: {'config': 'FILE.py[:VARIANT]', field: value, ...}}
  variants: {label: {field: value, ...}}, on top of the experiment's
  seeds: tuple of int
  metrics: {name in metrics.jsonl: its column}, of the last evaluation
  common: optional, {field: value, ...} for all runs
  despite: optional, fields of the protocol of a number in which variants differ on purpose

A table stands only where all its rows agree in the protocol of the numbers: by the rule of `experiments.compare`, which
names the fields that differ. `--despite=FIELD,...` says that you know.

In a value that is a text, {seed} is the seed of the run: so a run can read the folder of another run of the same seed.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import time

from deconv import atomic_files, plots
from deconv.errors import UserError
from deconv.experiments import command, compare
from deconv.training import writers
from deconv.training.saved_config import load_config

SHOWN = 6  # test images in the picture of predictions
_KEYS = 'experiments', 'variants', 'seeds', 'metrics'


def load(path):
  """Returns the SWEEP of a file.

  Raises:
    UserError: no such file, no such dict in it, or an entry is missing.
  """
  sweep = getattr(command.load_module(path, '--sweep=configs/sweeps/NAME.py', 'configs/sweeps'), 'SWEEP', None)
  missing = [key for key in _KEYS if not (isinstance(sweep, dict) and sweep.get(key))]
  if missing:
    raise UserError(f"'{path}' is no sweep: it needs a dict SWEEP with {', '.join(missing)}; see experiments/sweep.py")
  without = [name for name, fields in sweep['experiments'].items() if 'config' not in fields]
  if without:
    raise UserError(f"'{path}': the experiment '{without[0]}' does not say which 'config' it is of")
  return {'common': {}, 'despite': (), **sweep}


def workdir_of(out, experiment, label, seed):
  """Returns the folder of a run in the folder of its sweep."""
  return os.path.join(out, experiment, label.replace(' ', '_'), str(seed))


class Run:
  """One run of a sweep: its `experiment`, `label`, `seed`, `workdir` and the `arguments` of experiments.main."""

  def __init__(self, sweep, out, experiment, label, seed, overrides=()):
    fields = {**sweep['common'], **sweep['experiments'][experiment], **sweep['variants'][label], 'seed': seed}
    self.config = fields.pop('config')
    self.experiment, self.label, self.seed = experiment, label, seed
    self.workdir = workdir_of(out, experiment, label, seed)
    fields = {name: x.format(seed=seed) if isinstance(x, str) else x for name, x in fields.items()}
    self.overrides = [f'--config.{field}={value}' for field, value in fields.items()] + list(overrides)
    self.arguments = [f'--config={self.config}', f'--workdir={self.workdir}', *self.overrides]

  def __str__(self):
    return f'{self.experiment}, {self.label}, seed {self.seed}'

  @property
  def finished(self):
    """Whether the folder holds a run that went to its end."""
    try:
      with open(os.path.join(self.workdir, 'run.json'), encoding='utf-8') as file:
        return bool(json.load(file).get('finished'))
    except (OSError, ValueError):
      return False

  def read(self, metrics):
    """Returns {name: number} of a finished run: the metrics of its last evaluation, 'step', 'milliseconds' a step (None
    where nothing was timed) and 'parameters'."""
    found = measured(self.workdir)
    absent = [name for name in metrics if name not in found['metrics']]
    if absent:
      raise UserError(f"the last evaluation of '{self.workdir}' has no '{absent[0]}': correct the sweep's metrics")
    return {
      **{name: found['metrics'][name] for name in metrics},
      **{name: found[name] for name in ('step', 'milliseconds', 'parameters')},
    }


def measured(workdir):
  """Returns what a run has measured.

  Returns:
    {'metrics': {name: number} of the last evaluation, with all samples, 'step': its step (None without one), 'history':
    {step: {name: number}} of all evaluations, each with as many samples as the others, 'milliseconds': a step's median
    time (None where nothing was timed), 'parameters': how many all networks have together}.
  """
  path = os.path.join(workdir, 'metrics.jsonl')
  with open(path, encoding='utf-8') as file:
    lines = [json.loads(line) for line in file]
  history = writers.evaluations(path)
  with open(os.path.join(workdir, 'run.json'), encoding='utf-8') as file:
    batch_size = json.load(file)['batch_size']
  speeds = [line['images_per_second'] for line in lines if line['split'] == 'train' and line.get('images_per_second')]
  last = max(history, default=None)
  return {
    'metrics': {**history, **writers.evaluations(path, 'final')}.get(last, {}),
    'step': last,
    'history': history,
    'milliseconds': 1000 * batch_size / statistics.median(speeds) if speeds else None,
    'parameters': parameters(workdir),
  }


def stamped(workdir):
  """Returns {'folder', 'stamp'} of a finished run, for the rule of experiments.compare."""
  with open(os.path.join(workdir, 'run.json'), encoding='utf-8') as file:
    record = json.load(file)
  protocol = record.get('evaluation', {}).get('protocol', {})
  return {'folder': workdir, 'stamp': compare.stamp_of(protocol, record.get('versions', 'unknown'))}


def parameters(workdir):
  """Returns the number of parameters of all networks of a run, from the shapes that its config makes."""
  import jax

  from deconv.training import restore

  _, state = restore.shapes(load_config(workdir))
  return sum(x.size for net in state.networks.values() for x in jax.tree.leaves(net.params))


# Running.


class Jobs:
  """Runs processes, `number` at a time; SIGINT and SIGTERM are passed on, and no more are started then."""

  def __init__(self, number):
    self.number = number
    self.free = list(range(number))
    self.running = {}  # process: (its place, run)
    self.stopped = 0  # by which signal
    self.failed = []  # [(run, exit status)]

  def run(self, runs):
    """Runs all of them; returns when the last has ended."""
    before = {s: signal.signal(s, self._stop) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
      for number, run in enumerate(runs, 1):
        while not self.free:
          self._wait()
        if self.stopped or self.failed:
          break
        self._start(run, f'[{number}/{len(runs)}] {run}')
      while self.running:
        self._wait()
    finally:
      for s, handler in before.items():
        signal.signal(s, handler)

  def _start(self, run, title):
    place, output = self.free.pop(0), None
    environment, cores = share(place, self.number)
    print(f'{title}: {run.workdir}', flush=True)
    if self.number > 1:
      os.makedirs(os.path.dirname(run.workdir), exist_ok=True)
      output = open(f'{run.workdir}.log', 'ab')
    # In a session of its own: Ctrl-C in a terminal would reach it twice, and the second one means "at once".
    process = subprocess.Popen(
      [sys.executable, '-m', 'deconv.experiments.main', *run.arguments],
      env=environment,
      stdout=output,
      stderr=output,
      start_new_session=True,
    )
    if output:
      output.close()
    if cores:
      os.sched_setaffinity(process.pid, cores)
    self.running[process] = place, run
    if self.stopped:  # while it was being started: the signal went to the others
      process.send_signal(signal.SIGTERM)

  def _wait(self):
    for process in list(self.running):
      status = process.poll()
      if status is not None:
        place, run = self.running.pop(process)
        self.free.append(place)
        if not self.stopped and (status or not run.finished):
          self.failed.append((run, status))
    time.sleep(0.1)

  def _stop(self, number, frame):
    del frame
    self.stopped = number
    for process in self.running:
      process.send_signal(signal.SIGTERM)


def share(place, number):
  """Returns (environment, set of processor cores or None for all) of the job at a place out of `number`."""
  environment = dict(os.environ)
  gpus = [name for name in environment.get('CUDA_VISIBLE_DEVICES', '').split(',') if name]
  if number > 1 and len(gpus) >= number:
    environment['CUDA_VISIBLE_DEVICES'] = gpus[place]
  if number == 1 or not hasattr(os, 'sched_setaffinity'):
    return environment, None
  cores = sorted(os.sched_getaffinity(0))
  return environment, set(cores[place::number]) or {cores[place % len(cores)]}


# Reporting.


def table(rows, metrics):
  """Returns Markdown of {label: [{name: number} of each seed]}."""
  lines = [f'| | {" | ".join(metrics.values())} | ms a step | parameters | seeds |', '|---' * (len(metrics) + 4) + '|']
  for label, runs in rows.items():
    cells = [spread([run[name] for run in runs]) for name in metrics]
    timed = [run['milliseconds'] for run in runs if run['milliseconds'] is not None]
    speed = f'{statistics.median(timed):.0f}' if timed else '–'
    lines.append(f'| {label} | {" | ".join(cells)} | {speed} | {runs[0]["parameters"]:,} | {len(runs)} |')
  return '\n'.join(lines)


def spread(values):
  """Returns 'mean ± standard deviation', or the value alone where there is one."""
  mean = statistics.mean(values)
  return f'{mean:.3f} ± {statistics.stdev(values):.3f}' if len(values) > 1 else f'{mean:.3f}'


def _figure(path, rows, metrics):
  try:
    plots.save_metric_panels(
      path,
      {label: [[run[name] for name in metrics] for run in runs] for label, runs in rows.items()},
      list(metrics.values()),
    )
  except UserError as error:
    print(f'{path} is not drawn: {error}', file=sys.stderr)


def _predicts_classes(workdir):
  from deconv.tasks.capabilities import PredictsClasses
  from deconv.training import restore

  task, _ = restore.shapes(load_config(workdir))
  return isinstance(task, PredictsClasses)


def predictions(path, workdirs):
  """Writes rows of image | truth | what each network makes of it; `workdirs` is {label: folder of a finished run}."""
  from deconv import data
  from deconv.training import compilation_cache, restore

  items, predicted = None, {}
  for label, workdir in workdirs.items():
    options = load_config(workdir)
    if items is None:
      compilation_cache.enable(options.compilation_cache)
      test = data.open_source(options.data, split=options.data.eval_split)
      items = [test[i] for i in range(min(SHOWN, len(test)))]
    task, state, _ = restore.restore(options, workdir)
    predicted[label] = [task.predict_image(state, item['image']).argmax(-1) for item in items]
  plots.save_png(
    path,
    plots.segmentation_columns(
      [item['image'] for item in items],
      {'truth': [item['mask'] for item in items], **predicted},
      options.data.class_names,
    ),
  )


def report(sweep, out, runs, despite=()):
  """Prints and writes what is there of the finished ones among the runs.

  Args:
    sweep: dict, see `load`.
    out: folder of the sweep.
    runs: Run of each.
    despite: fields of the protocol that may differ, besides those of the sweep.

  Raises:
    UserError: none is finished, or the numbers of one table do not mean the same; nothing is written then.
  """
  found, tables, first = {}, [], {}
  for run in runs:
    if run.finished:
      rows = found.setdefault(run.experiment, {})
      rows.setdefault(run.label, {})[run.seed] = {**run.read(sweep['metrics']), 'workdir': run.workdir}
  if not found:
    raise UserError(f"nothing is finished in '{out}' yet: call without --report to train")
  for rows in found.values():
    alike = [stamped(run['workdir']) for seeds in rows.values() for run in seeds.values()]
    compare.check_alike(alike, (*sweep['despite'], *despite), list(sweep['metrics']))
  for experiment, rows in found.items():
    values = {label: list(seeds.values()) for label, seeds in rows.items()}
    tables.append(f'{experiment}\n\n{table(values, sweep["metrics"])}\n')
    _figure(os.path.join(out, f'{experiment}.png'), values, sweep['metrics'])
    first[experiment] = {label: next(iter(seeds.values()))['workdir'] for label, seeds in rows.items()}
  print('\n' + '\n'.join(tables))
  for name, text in (('tables.md', '\n'.join(tables)), ('results.json', json.dumps(found, indent=2))):
    atomic_files.write(os.path.join(out, name), text.encode())
  for experiment, workdirs in first.items():  # after the numbers, as networks have to be compiled for it
    if all(_predicts_classes(workdir) for workdir in workdirs.values()):
      predictions(os.path.join(out, f'{experiment}_predictions.png'), workdirs)


def main(argv=None):
  """Runs the command; returns its exit status."""
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument('--sweep', required=True, help='FILE.py with SWEEP, or NAME of a shipped configs/sweeps/NAME.py')
  parser.add_argument('--out', required=True, help='folder of the runs')
  parser.add_argument('--jobs', type=int, default=1, help='runs at a time')
  parser.add_argument('--seeds', help='comma-separated; default: those of the sweep')
  parser.add_argument('--only', help='comma-separated labels of variants; default: all')
  parser.add_argument('--report', action='store_true', help='train nothing')
  parser.add_argument('--despite', default='', help='fields of the protocol that may differ, comma-separated')
  options, overrides = parser.parse_known_args(argv)
  sweep, despite = load(options.sweep), compare.despite_of(options.despite)
  runs = _runs(sweep, options, overrides)
  if not options.report:
    missing = [run for run in runs if not run.finished]
    jobs = Jobs(options.jobs)
    jobs.run(missing)
    for run, status in jobs.failed:
      where = f'; see {run.workdir}.log' if options.jobs > 1 else ''
      print(f'error: {run} did not end (exit status {status}){where}; call again to go on', file=sys.stderr)
    if jobs.stopped:
      print(f'{signal.Signals(jobs.stopped).name} came: the runs are saved; run the same command again to go on')
      return 128 + jobs.stopped
    if jobs.failed:
      return max(abs(status) for _, status in jobs.failed) or 1
  report(sweep, options.out, runs, despite)
  return 0


def _runs(sweep, options, overrides):
  """The runs that are asked for, all variants of a seed first, every one's fields looked at."""
  strange = [word for word in overrides if not word.startswith('--config.')]
  if strange:
    raise UserError(f"there is no flag '{strange[0]}'; only --config.section.field=value goes to the runs")
  labels = options.only.split(',') if options.only else list(sweep['variants'])
  for label in labels:
    if label not in sweep['variants']:
      raise UserError(f"--only={options.only}: there is no '{label}' in {', '.join(sweep['variants'])}")
  try:
    seeds = [int(seed) for seed in options.seeds.split(',')] if options.seeds else sweep['seeds']
  except ValueError:
    raise UserError(f'--seeds={options.seeds}: give whole numbers, such as 0,1,2') from None
  if options.jobs < 1:
    raise UserError(f'--jobs={options.jobs}: give at least 1')
  runs = [
    Run(sweep, options.out, experiment, label, seed, overrides)
    for seed in seeds
    for experiment in sweep['experiments']
    for label in labels
  ]
  for run in runs:
    command.check_fields(run.config, run.overrides)
  return runs


def console():
  """The command line, as `python -m` and the installed command start it."""
  with command.one_sentence():
    sys.exit(main())


if __name__ == '__main__':
  console()
