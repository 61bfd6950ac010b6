"""Trains one experiment, or resumes it: `python -m experiments.main --config=configs/NAME.py --workdir=DIR`.

Any field of the config: `--config.section.field=value`. A quick trial of any experiment:
`--config=configs/NAME.py:smoke`.
"""

import os

from absl import flags

from deconv.experiments import command, distributed

_WORKDIR = command.define_path('workdir', None, 'folder of the run; default: runs/NAME of the config file')
_ALLOW = flags.DEFINE_bool('allow_config_change', False, 'resume although scientific fields of the config have changed')
_DISTRIBUTED = flags.DEFINE_string(
  'distributed', '', "several hosts: 'auto' (TPU pods, Slurm) or ADDRESS:PORT,PROCESS_COUNT,PROCESS_ID"
)
_TIMEOUT = flags.DEFINE_integer(
  'distributed_timeout', 60, 'several hosts: seconds that the processes wait for each other at the start', 1
)


def main(options):
  workdir = _WORKDIR.value or os.path.join('runs', command.config_name())
  print(f'training {command.config_name()} in {workdir}', flush=True)  # before the seconds in which JAX starts
  with distributed.joined(_DISTRIBUTED.value, _TIMEOUT.value):
    # Imported late: a mistake on the command line is answered before JAX has started.
    from deconv.training import loop

    loop.train(options, workdir, allow_config_change=_ALLOW.value)


def console():
  """The command line, as `python -m` and the installed command start it."""
  command.run(main)


if __name__ == '__main__':
  console()
