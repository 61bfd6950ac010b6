"""The time to the first step, from the command on: cold and with the programs that an earlier run has compiled.

  python -m scripts.benchmark_first_step [--configs=dcgan_digits,unet_scenes] [--repeats=3] [--save=results/NAME.json]

Each measurement is `python -m experiments.main` in a process of its own, in a new workdir, and ends after the first
step; `run.json` has the seconds. 'cold' begins with an empty compilation cache, 'warm' with the one that the cold run
of the same round has left. Configs take turns.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

from scripts import result_files
from scripts.command_line import at_least, result_file, words

SLOWEST = 600.0  # seconds


def first_step(config, folder, cache):
  """Returns the seconds from the start of the process to the end of its first step.

  Args:
    config: name of a config.
    folder: the workdir, which is not there yet.
    cache: folder of the compilation cache.
  """
  command = [sys.executable, '-m', 'experiments.main', f'--config=configs/{config}.py', f'--workdir={folder}']
  process = subprocess.Popen(
    [*command, f'--config.compilation_cache={cache}'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
  )
  try:
    deadline = time.monotonic() + SLOWEST
    while time.monotonic() < deadline and process.poll() is None:
      time.sleep(0.2)
      try:
        with open(os.path.join(folder, 'run.json'), encoding='utf-8') as file:
          record = json.load(file)
      except FileNotFoundError:
        continue
      if 'first_step_seconds' in record:
        return record['first_step_seconds']
  finally:
    process.kill()
    process.wait()
  raise RuntimeError(f'{config} has made no step: run it by hand to see why')


def main(argv=None):
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument('--configs', type=words, default=['dcgan_digits', 'unet_scenes'], help='names of configs')
  parser.add_argument('--repeats', type=at_least(1), default=3, help='rounds')
  parser.add_argument('--save', type=result_file, default='', help=result_files.SAVE)
  options = parser.parse_args(argv)
  seconds = {}
  for _ in range(options.repeats):
    for config in options.configs:
      with tempfile.TemporaryDirectory() as folder:
        for kind in ('cold', 'warm'):
          taken = first_step(config, os.path.join(folder, kind), os.path.join(folder, 'programs'))
          seconds.setdefault((config, kind), []).append(taken)
          print(f'{config}, {kind} compilation cache: {taken:.2f} s', flush=True)
  rows = [
    result_files.row(f'{config}, {kind} compilation cache', {'first_step_seconds': result_files.spread(values)})
    for (config, kind), values in seconds.items()
  ]
  protocol = {'note': f'seconds from the command to the end of the first step; {options.repeats} runs each, in turns'}
  result_files.save_benchmark(options.save, 'scripts.benchmark_first_step', protocol, rows)


if __name__ == '__main__':
  main()
