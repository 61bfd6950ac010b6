"""Compiles the train step of every config for devices that are not there: a row for each in results/.

  pip install ".[compile]"
  python -m scripts.compile_all --targets=h100,h100:1x1x8 --save=results/compiled_programs.json

Every config at its full size; a batch that the devices cannot divide is rounded to one that they can. The file is
written after each config, and a row that it already has is not made again, so that this can be interrupted; remove the
file to make all of them anew. Its protocol names the commits of all rows. What a row holds: scripts/compile_for.py.
Some 20 to 60 s for each on two cores.
"""

import argparse
import importlib
import json
import pathlib

from deconv.errors import UserError
from deconv.experiments import command
from deconv.options import Experiment
from scripts import compile_for, result_files
from scripts.command_line import result_file, words

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROTOCOL = {
  'note': 'compiled ahead of time, nothing run; of one device and one call; full size of the config; autotuning off'
}


def names():
  """Returns the names of all configs."""
  return sorted(path.stem for path in (ROOT / 'configs').glob('*.py') if path.stem not in ('base', '__init__'))


def options_of(name, devices):
  """Returns the deconv.options.Experiment of a config and {field: value} of what was changed: a batch that
  `devices` divide."""
  try:
    config = importlib.import_module(f'deconv.configs.{name}').get_config()
  except ModuleNotFoundError as error:
    raise UserError(f"--configs has '{name}', which is no file in configs/") from error
  size = config.train.batch_size
  fields = {}
  if size % devices:
    fields['train.batch_size'] = config.train.batch_size = max(1, round(size / devices)) * devices
  return Experiment.from_config(config), fields


def compile_all(targets, configs, save):
  """Compiles and prints what compile_for has to say of each, in a line; see the top of this file.

  Args:
    targets: see compile_for.devices_of.
    configs: names.
    save: path of the file, or ''.
  """
  import jax

  from deconv.training import provenance

  about = provenance.describe()
  rows, commits = _earlier(save)
  commits = list(dict.fromkeys([*commits, str(about['git_commit'])[:10]]))
  for target in targets:
    devices = len(compile_for.devices_of(target))
    for name in configs:
      if any(row['group'] == target and row['config'] == name for row in rows):
        continue
      options, fields = options_of(name, devices)
      compiled = compile_for.compile_step(options, target)
      values = compiled.values()
      print(
        f'{target} {name}: {values["gflop"]:.1f} GFLOP, {compiled.ratio:.3f} times the count by hand; '
        f'{values["memory_mib"]:.0f} MiB; {values["collectives"]} collectives of {values["collectives_mib"]:.1f} MiB; '
        f'{values["donated"]} of {values["state_arrays"]} arrays donated',
        flush=True,
      )
      rows.append(result_files.row(name, values, group=target, config=name, fields=fields))
      jax.clear_caches()  # hundreds of programs would stay in memory
      if save:
        call = ['python', '-m', 'scripts.compile_all', f'--targets={",".join(targets)}']
        protocol = {**PROTOCOL, 'commits': ', '.join(commits)}
        content = result_files.make(about, 'by scripts.compile_all', protocol, rows, call)
        result_files.write(save, content)


def _earlier(path):
  """Returns the rows that a file already has, and the commits that they are from."""
  if not path or not pathlib.Path(path).exists():
    return [], []
  content = json.loads(pathlib.Path(path).read_text())
  result_files.check(content, path)
  return content['rows'], content['protocol']['commits'].split(', ')


def main(argv=None):
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument('--targets', type=words, default=['h100'], help='as --target of scripts.compile_for')
  parser.add_argument('--configs', type=words, default=[], help='names of files in configs/; default: all of them')
  parser.add_argument('--save', type=result_file, default='', help=result_files.SAVE)
  args = parser.parse_args(argv)
  with command.one_sentence():
    compile_all(args.targets, args.configs or names(), args.save)


if __name__ == '__main__':
  main()
