"""Whole training steps timed: ours, Flax's layers, and PyTorch where it is installed.

  python -m scripts.benchmark_train [--cases=all] [--processes=2] [--repeats=3] [--json] [--save=results/NAME.json]

A case is a training step of a config, with its own network, loss, optimizer, augmentation and averaged parameters, on a
fixed batch (scripts/train_steps.py has the list). PyTorch runs the same step, written for it (scripts/twins/): with its
channels first and last, gradients only where they are needed, Adam in one kernel. Both have as many parameters, which
is checked. Ours also computes the scalars that it logs. `dcgan64` is no config: it is the DCGAN of the PyTorch
examples, whose layers can be Flax's, too (scripts/dcgan64.py). `vae_mlp` is their VAE, `vae_mnist:grey`.

Each implementation has a process of its own, new ones `processes` times. In each of `repeats` rounds they take turns, a
turn being as many steps as take `turn` seconds: the threads of a library go on looking for work for a moment after it.
Images a second are medians over all rounds, ratios medians of the ratios within a round.

A file of `--save` that is there keeps the rows of other cases: so the cases can be measured one by one.

`--json` prints an object a line: `name` ('dcgan64 ours', 'dcgan64 torch_last'), `images_per_second`, `seconds` (one
step), `parameters`, `batch_size`, and `ours_over_this`.
"""

import argparse
import collections
import json
import pathlib
import statistics
import subprocess
import sys

from deconv.errors import UserError
from deconv.experiments import command
from scripts import benchmark_ops, result_files
from scripts.command_line import at_least, result_file, words
from scripts.train_steps import CASES, IMPLEMENTATIONS

DEFAULT = ('ours', 'flax', 'torch', 'torch_last')


class Process:
  """A process that runs steps of one implementation when it is told to."""

  def __init__(self, case, implementation, keep_memory):
    self._case, self._implementation = case, implementation
    flags = [f'--case={case}', f'--implementation={implementation}', f'--{"" if keep_memory else "no-"}keep_memory']
    call = [sys.executable, '-m', 'scripts.train_steps', *flags]
    self._process = subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
      self.about = json.loads(self._answer())
    except BaseException:
      self.end()
      raise

  def _answer(self):
    line = self._process.stdout.readline()
    if not line:
      raise RuntimeError(f'{self._case} {self._implementation} ended with status {self._process.wait()}')
    return line

  def seconds(self, steps):
    """Runs so many steps; returns the seconds that they took."""
    print(steps, file=self._process.stdin, flush=True)
    return float(self._answer())

  def end(self):
    """Ends the process."""
    self._process.stdin.close()
    self._process.wait()


def measure(case, implementations, processes, repeats, turn, keep_memory):
  """Times the steps of a case.

  Args:
    case: key of CASES.
    implementations: keys of IMPLEMENTATIONS.
    processes: how often each has a new process.
    repeats: rounds with each.
    turn: seconds that an implementation runs when its turn comes.
    keep_memory: whether ours keeps the memory that it frees.

  Returns:
    ({implementation: seconds of a step in each round}, number of parameters, {library: version}).

  Raises:
    RuntimeError: a process ended.
    ValueError: the networks differ in size.
  """
  times, versions, parameters = collections.defaultdict(list), {}, {}
  for _ in range(processes):
    running = {}
    try:
      for name in implementations:
        running[name] = Process(case, name, keep_memory)
        versions |= running[name].about['versions']
        parameters[name] = running[name].about['parameters']
      if len(set(parameters.values())) > 1:
        raise ValueError(f'{case}: the networks differ in size: {parameters}')
      # The first turn of each only finds out how many steps fill one.
      steps = {}
      for name, process in running.items():
        few = max(1, round(0.2 * turn / process.about['seconds']))
        steps[name] = max(1, round(turn * few / process.seconds(few)))
      for _ in range(repeats):
        for name, process in running.items():
          times[name].append(process.seconds(steps[name]) / steps[name])
    finally:
      for process in running.values():
        process.end()
  return times, next(iter(parameters.values())), versions


def rows_of(case, times, parameters):
  """Yields {'name', 'images_per_second', ...} of each implementation of a case, see --json."""
  for name, seconds in times.items():
    step = statistics.median(seconds)
    yield {
      'name': f'{case} {name}',
      'images_per_second': CASES[case].batch_size / step,
      'seconds': step,
      **{
        f'{ours}_over_this': statistics.median(b / a for a, b in zip(times[ours], seconds))
        for ours in ('ours', 'ours_native')
        if ours in times
      },
      'parameters': parameters,
      'batch_size': CASES[case].batch_size,
    }


def earlier(path, protocol, cases):
  """Returns the rows of a file of `--save` that are not of these cases; none where there is no file.

  Raises:
    UserError: they were measured in another way.
  """
  if not path or not pathlib.Path(path).exists():
    return []
  content = json.loads(pathlib.Path(path).read_text())
  result_files.check(content, path)
  if content['protocol'] != protocol:
    raise UserError(f'{path} was measured in another way ({content["protocol"]}): give another --save')
  return [row for row in content['rows'] if row['group'] not in cases]


def main(argv=None):
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument('--cases', type=words, default=['all'], help=f'all, or of {", ".join(CASES)}')
  parser.add_argument(
    '--implementations', type=words, default=list(DEFAULT), help=f'what to compare: {", ".join(IMPLEMENTATIONS)}'
  )
  parser.add_argument('--processes', type=at_least(1), default=2, help='new processes of each implementation')
  parser.add_argument('--repeats', type=at_least(1), default=3, help='rounds with each of them')
  parser.add_argument('--turn', type=float, default=1.0, help='seconds that an implementation runs at a time')
  parser.add_argument('--json', action='store_true', help='an object a line instead of a table')
  parser.add_argument('--keep_memory', action=argparse.BooleanOptionalAction, default=True, help='that was freed')
  parser.add_argument('--save', type=result_file, default='', help=result_files.SAVE)
  options = parser.parse_args(argv)
  cases = list(CASES) if options.cases == ['all'] else options.cases
  for given, known, what in ((cases, CASES, 'case'), (options.implementations, IMPLEMENTATIONS, 'implementation')):
    if set(given) - set(known):
      parser.error(f'There is no {what} {sorted(set(given) - set(known))[0]!r}; there are: {", ".join(known)}')
  implementations = ['ours', *[name for name in options.implementations if name != 'ours']]
  if not benchmark_ops.installed('torch'):
    implementations = [name for name in implementations if not name.startswith('torch')]
    if not options.json:
      print('torch is not installed (pip install torch): its rows are left out.')
  if not options.json:
    rounds = f'{options.processes} x {options.repeats} interleaved rounds, each turn of {options.turn} s'
    print(f'{benchmark_ops.hardware()}; float32; medians of {rounds}.\n')
    print('| step | images a second | seconds a step | ours over this |\n|---|---|---|---|', flush=True)
  protocol = benchmark_ops.protocol(
    options.keep_memory,
    options.processes * options.repeats,
    processes_of_each=options.processes,
    seconds_per_turn=options.turn,
  )
  saved = earlier(options.save, protocol, cases)
  for case in cases:
    here = [name for name in implementations if name != 'flax' or CASES[case].flax]
    times, parameters, versions = measure(
      case, here, options.processes, options.repeats, options.turn, options.keep_memory
    )
    for row in rows_of(case, times, parameters):
      values = {key: row[key] for key in row if key != 'name'}
      saved.append(result_files.row(row['name'], values, group=case))
      if options.json:
        print(json.dumps(row), flush=True)
      else:
        numbers = f'{row["images_per_second"]:.1f} | {row["seconds"]:.4f} | {row["ours_over_this"]:.2f}'
        print(f'| {row["name"]} | {numbers} |', flush=True)
  result_files.save_benchmark(
    options.save,
    'scripts.benchmark_train',
    protocol,
    saved,
    benchmark_ops.libraries([name for name in ('torch',) if name in versions]),
  )


if __name__ == '__main__':
  with command.one_sentence():
    main()
