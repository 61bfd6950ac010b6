"""Trains one experiment, or resumes it: `python -m experiments.main --config=configs/NAME.py --workdir=DIR`.

Any field of the config: `--config.section.field=value`. A quick trial of any experiment:
`--config=configs/NAME.py:smoke`.
"""

import os

from absl import flags

from experiments import command, distributed

_WORKDIR = command.define_path('workdir', None, 'folder of the run; default: runs/NAME of the config file')
_ALLOW = flags.DEFINE_bool('allow_config_change', False, 'resume although scientific fields of the config have changed')
_DISTRIBUTED = flags.DEFINE_string(
  'distributed', '', "several hosts: 'auto' (TPU pods, Slurm) or ADDRESS:PORT,PROCESS_COUNT,PROCESS_ID"
)


def main(options):
  workdir = _WORKDIR.value or os.path.join('runs', command.config_name())
  print(f'training {command.config_name()} in {workdir}', flush=True)  # before the seconds in which JAX starts
  distributed.initialize(_DISTRIBUTED.value)
  # Imported late: a mistake on the command line is answered before JAX has started.
  from deconv.training import loop

  loop.train(options, workdir, allow_config_change=_ALLOW.value)


if __name__ == '__main__':
  command.run(main)
