"""Every config runs end to end through the entry point with `:smoke`, without a network and without its data set.

The tests are in a file for each family of tasks, because a file is what a worker takes.
"""

import importlib
import json

from tests.experiments.run_experiment import ROOT, run

# Nearly all of a smoke run is compiling, which takes half the time without the compiler's optimisations.
QUICK_TO_COMPILE = '--xla_backend_optimization_level=0'

# A socket that is opened anywhere in the run fails it.
NO_NETWORK = """
import socket
def refuse(*args, **kwargs):
  raise AssertionError('a smoke run asked for the network')
socket.socket.connect = refuse
socket.getaddrinfo = refuse
"""


def read_metrics(workdir):
  """Returns the lines of metrics.jsonl as dicts."""
  return [json.loads(line) for line in (workdir / 'metrics.jsonl').read_text().splitlines()]


def configs_of(*tasks):
  """Returns the names of the configs of some tasks; of none: of all that there are."""
  names = sorted(path.stem for path in (ROOT / 'configs').glob('*.py') if path.name not in ('base.py', '__init__.py'))
  return [
    name for name in names if not tasks or importlib.import_module(f'deconv.configs.{name}').get_config().task in tasks
  ]


def check_smoke(name, tmp_path):
  """Runs `configs/NAME.py:smoke` in a process of its own and looks at everything that it must leave behind."""
  site = tmp_path / 'site'
  site.mkdir()
  (site / 'sitecustomize.py').write_text(NO_NETWORK)
  workdir = tmp_path / 'run'
  finished = run(
    'main',
    f'--config=configs/{name}.py:smoke',
    f'--workdir={workdir}',
    env={'PYTHONPATH': str(site), 'XLA_FLAGS': QUICK_TO_COMPILE},
  )
  assert finished.returncode == 0, finished.stderr

  config = json.loads((workdir / 'config.json').read_text())
  lines = [line for line in read_metrics(workdir) if line['split'] == 'train']
  assert [line['step'] for line in lines] == list(range(1, config['train']['steps'] + 1))
  for field in ('images_per_second', 'data_wait'):
    assert all(line[field] >= 0 for line in lines[1:])  # the first line is that of the step that was compiled
  losses = [value for line in lines for key, value in line.items() if key.startswith('loss')]
  assert losses and len(set(losses)) > 1
  assert list((workdir / 'samples').glob('*.png')) and (workdir / 'samples' / 'progress.gif').stat().st_size > 100
  assert list(workdir.glob('events.*'))
  assert (workdir / 'checkpoints' / str(config['train']['steps'])).is_dir()
  assert {'versions', 'devices'} <= set(json.loads((workdir / 'run.json').read_text()))
