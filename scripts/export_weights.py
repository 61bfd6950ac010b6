"""Writes the network of a run as results/weights/NAME.safetensors, for `experiments.sample --weights=NAME`.

  python -m scripts.export_weights --workdir=DIR --name=NAME [--out=FILE.safetensors]

The network is the one that was evaluated last, by the run or by `experiments.evaluate` (averaged parameters where there
are any). Its config, the numbers of that evaluation with their protocol, the versions and the fingerprint of the
training data stand in the metadata; paths do not. The numbers are read from the run, none is typed.
"""

import argparse
import glob
import os

from deconv.errors import UserError
from deconv.experiments import command
from deconv.training import exported, restore, writers
from deconv.training.saved_config import load_config
from scripts import result_files


def export(workdir, path):
  """Writes the network of the last evaluation of a run; returns {metric: number} of that evaluation.

  Args:
    workdir: folder of the run.
    path: FILE.safetensors.

  Raises:
    UserError: there is no run, it was never evaluated, or the checkpoint of its last evaluation is gone.
  """
  options = load_config(workdir)
  run = result_files.read_json(os.path.join(workdir, 'run.json'))
  of_the_run = {'protocol': run.get('evaluation', {}).get('protocol', {}), 'versions': run.get('versions', {})}
  history = writers.evaluations(os.path.join(workdir, 'metrics.jsonl'))
  measured = [{'step': step, 'metrics': metrics, **of_the_run} for step, metrics in history.items()]
  files = sorted(glob.glob(os.path.join(glob.escape(workdir), 'evaluation', '*.json')))
  measured += [result_files.read_json(file) for file in files]
  if not measured:
    raise UserError(f"the run in '{workdir}' was never evaluated: set data.eval_split and let it finish")
  last = max(measured, key=lambda each: each['step'])  # of several at one step the run's own
  _, state, _ = restore.restore(options, workdir, last['step'])
  about = {name: last[name] for name in ('metrics', 'protocol', 'versions')}
  about['data_content'] = run.get('data_content')
  exported.save(path, options, state, about)
  return last['metrics']


def main(argv=None):
  """The command line."""
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument('--workdir', required=True, help='folder of the run')
  parser.add_argument('--name', required=True, help='what --weights calls it')
  parser.add_argument('--out', help='file; default: results/weights/NAME.safetensors')
  args = parser.parse_args(argv)
  path = args.out or os.path.join('results', 'weights', f'{args.name}.safetensors')
  numbers = export(args.workdir, path)
  shown = ', '.join(f'{name} {value:.4g}' for name, value in numbers.items() if name.startswith('whole_psnr'))
  print(f'written: {path} ({os.path.getsize(path) / 1000:.0f} kB{"; " + shown if shown else ""})')


if __name__ == '__main__':
  with command.one_sentence():
    main()
