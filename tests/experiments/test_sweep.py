"""Sweeps: which runs they start and when, what their tables say, and what is left when one is stopped."""

import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import time

import jax
import numpy as np
from PIL import Image
import pytest

from deconv import plots
from deconv.configs.sweeps import gan_upsampling
from deconv.data.rendered import scenes
from deconv.errors import UserError
from deconv.experiments import command, compare, sweep
from deconv.training.experiment import prepare

ROOT = pathlib.Path(__file__).parents[2]
SWEEPS = sorted((ROOT / 'configs' / 'sweeps').glob('*.py'))
DECODERS = 'configs/sweeps/segmentation_decoders.py'


@pytest.fixture(autouse=True)
def from_the_root(monkeypatch):
  monkeypatch.chdir(ROOT)


@pytest.fixture
def no_networks(monkeypatch):
  monkeypatch.setattr(sweep, 'parameters', lambda workdir: 1234567)
  monkeypatch.setattr(sweep, 'predictions', lambda path, workdirs: None)
  monkeypatch.setattr(sweep, '_predicts_classes', lambda workdir: True)


def write_run(folder, miou, images_per_second, finished=True):
  folder.mkdir(parents=True)
  lines = [{'step': 10 * i, 'split': 'train', 'images_per_second': speed} for i, speed in enumerate(images_per_second)]
  lines += [
    {'step': 20, 'split': 'eval', 'miou': 0.1, 'boundary_iou': 0.1, 'pixel_accuracy': 0.1},
    {'step': 40, 'split': 'eval', 'miou': miou, 'boundary_iou': miou / 2, 'pixel_accuracy': 0.9},
  ]
  (folder / 'metrics.jsonl').write_text(''.join(json.dumps(line) + '\n' for line in lines))
  (folder / 'run.json').write_text(json.dumps({'finished': finished, 'batch_size': 16}))


@pytest.mark.parametrize('path', SWEEPS, ids=lambda path: path.name)
def test_every_sweep_fits_its_configs(path):
  found = sweep.load(str(path))
  assert f'python -m experiments.sweep --sweep=configs/sweeps/{path.name}' in path.read_text()
  for experiment in found['experiments']:
    for label in found['variants']:
      run = sweep.Run(found, 'out', experiment, label, 7)
      command.check_fields(run.config, run.overrides)
      assert set(found['despite']) <= set(compare.STAMP)
      assert '--config.seed=7' in run.overrides


def test_a_text_names_the_seed_of_the_run(tmp_path):
  found = sweep.load(DECODERS)
  found['common'] = {'data.path': 'runs/{seed}/x'}
  assert '--config.data.path=runs/2/x' in sweep.Run(found, tmp_path, 'scenes', 'U-Net', 2).overrides


@pytest.mark.usefixtures('no_networks')
def test_the_last_evaluation_and_the_median_speed_are_read(tmp_path):
  run = sweep.Run(sweep.load(DECODERS), tmp_path, 'scenes', 'U-Net', 0)
  write_run(tmp_path / 'scenes' / 'U-Net' / '0', 0.8, [0, 100, 400, 200])  # nothing is timed in the first line
  found = run.read({'miou': 'mIoU'})
  assert found == {'miou': 0.8, 'step': 40, 'milliseconds': pytest.approx(1000 * 16 / 200), 'parameters': 1234567}
  with pytest.raises(UserError, match="has no 'mIoU'"):
    run.read({'mIoU': 'mIoU'})


@pytest.mark.usefixtures('no_networks')
def test_the_numbers_are_those_of_all_samples(tmp_path):
  write_run(tmp_path / 'run', 0.6, [50])
  with open(tmp_path / 'run' / 'metrics.jsonl', 'a') as file:
    file.write(json.dumps({'step': 40, 'split': 'final', 'miou': 0.7, 'seconds_eval': 1.5}) + '\n')
  found = sweep.measured(str(tmp_path / 'run'))
  assert found['metrics'] == {'miou': 0.7} and found['step'] == 40
  assert {step: numbers['miou'] for step, numbers in found['history'].items()} == {20: 0.1, 40: 0.6}


@pytest.mark.usefixtures('no_networks')
def test_what_is_finished_is_not_run_again_and_the_table_has_mean_and_deviation(tmp_path, monkeypatch, capsys):
  values = {'0': 0.6, '1': 0.9}
  for seed, value in values.items():
    write_run(tmp_path / 'scenes' / 'U-Net' / seed, value, [50])
    write_run(tmp_path / 'digit_scenes' / 'U-Net' / seed, value, [50])
    write_run(tmp_path / 'digit_scenes' / 'FCN-16s' / seed, value, [50])
  started = []

  def start(arguments, **options):
    del options
    started.append(arguments)
    workdir = next(a for a in arguments if a.startswith('--workdir=')).split('=', 1)[1]
    write_run(type(tmp_path)(workdir), 0.5, [100])
    return type('Process', (), {'poll': lambda self: 0, 'pid': os.getpid()})()

  monkeypatch.setattr(sweep.subprocess, 'Popen', start)
  status = sweep.main(
    [f'--sweep={DECODERS}', f'--out={tmp_path}', '--seeds=0,1', '--only=U-Net,FCN-16s', '--config.train.steps=40']
  )
  assert status == 0 and len(started) == 2  # FCN-16s on scenes, two seeds
  assert {
    '--config.model.name=fcn',
    '--config.model.skips=1',
    '--config.seed=1',
    '--config.train.steps=40',
    '--config=configs/unet_scenes.py',
  } <= set(started[1])
  steps = [word for word in started[1] if word.startswith('--config.train.steps=')]
  assert steps == ['--config.train.steps=1000', '--config.train.steps=40']  # the last one holds
  written = capsys.readouterr().out
  deviation = statistics.stdev(values.values())
  assert f'| U-Net | 0.750 ± {deviation:.3f} | 0.375 ± {deviation / 2:.3f} |' in written and '1,234,567' in written
  assert '| FCN-16s | 0.500 ± 0.000 |' in written and '| 160 |' in written
  assert (tmp_path / 'tables.md').read_text() in written
  assert json.loads((tmp_path / 'results.json').read_text())['scenes']['U-Net']['1']['miou'] == 0.9


@pytest.mark.usefixtures('no_networks')
def test_report_has_what_is_there(tmp_path, capsys):
  arguments = [f'--sweep={DECODERS}', f'--out={tmp_path}', '--report']
  with pytest.raises(UserError, match='nothing is finished'):
    sweep.main(arguments)
  write_run(tmp_path / 'scenes' / 'SegNet' / '2', 0.7, [10])
  write_run(tmp_path / 'scenes' / 'FCN-8s' / '2', 0.3, [10], finished=False)
  assert sweep.main(arguments) == 0
  assert '| SegNet | 0.700 |' in capsys.readouterr().out
  assert list(json.loads((tmp_path / 'results.json').read_text())['scenes']) == ['SegNet']


@pytest.mark.usefixtures('no_networks')
def test_unlike_rows_do_not_stand_in_one_table(tmp_path, capsys):
  """The refusal is that of experiments.compare; each of the sweep's experiments is a table of its own."""
  arguments = [f'--sweep={DECODERS}', f'--out={tmp_path}', '--report']
  for name, label, n in (('scenes', 'SegNet', 500), ('scenes', 'U-Net', 400), ('digit_scenes', 'U-Net', 297)):
    folder = tmp_path / name / label / '0'
    write_run(folder, 0.5, [10])
    about = json.loads((folder / 'run.json').read_text())
    about |= {'versions': {'jax': '1'}, 'evaluation': {'step': 40, 'protocol': {'split': 'test', 'n': n}}}
    (folder / 'run.json').write_text(json.dumps(about))
  with pytest.raises(UserError, match=r'differ in evaluated \(n 500 and 400 in .*U-Net/0\).*--despite=evaluated'):
    sweep.main(arguments)
  assert not (tmp_path / 'tables.md').exists() and '| SegNet' not in capsys.readouterr().out
  assert sweep.main([*arguments, '--despite=evaluated']) == 0
  assert '| SegNet | 0.500 |' in capsys.readouterr().out
  with pytest.raises(UserError, match='a protocol has no field .evaluate.'):
    sweep.main([*arguments, '--despite=evaluate'])
  (tmp_path / 'knows.py').write_text(
    'from deconv.configs.sweeps import segmentation_decoders\n'
    'SWEEP = {**segmentation_decoders.SWEEP, "despite": ("evaluated",)}\n'
  )
  assert sweep.main([f'--sweep={tmp_path}/knows.py', *arguments[1:]]) == 0


def test_a_run_that_fails_ends_the_sweep(tmp_path, capsys, monkeypatch):
  started = []

  def start(arguments, **options):
    del options
    started.append(arguments)
    return type('Process', (), {'poll': lambda self: 3, 'pid': os.getpid()})()

  monkeypatch.setattr(sweep.subprocess, 'Popen', start)
  assert sweep.main([f'--sweep={DECODERS}', f'--out={tmp_path}']) == 3
  assert 'scenes, FCN-32s, seed 0 did not end (exit status 3)' in capsys.readouterr().err and len(started) == 1


@pytest.mark.parametrize(
  'arguments, sentence',
  [
    (['--sweep=configs/sweeps/segmentation_decoder.py'], "did you mean 'configs/sweeps/segmentation_decoders.py'"),
    (['--sweep=configs/unet_scenes.py'], 'is no sweep: it needs a dict SWEEP with experiments, variants'),
    ([f'--sweep={DECODERS}', '--only=UNet'], "there is no 'UNet' in FCN-32s"),
    ([f'--sweep={DECODERS}', '--seeds=a'], '--seeds=a: give whole numbers'),
    ([f'--sweep={DECODERS}', '--jobs=0'], '--jobs=0'),
    ([f'--sweep={DECODERS}', '--sedes=1'], "no flag '--sedes=1'"),
    ([f'--sweep={DECODERS}', '--config.train.stpes=1'], "did you mean 'train.steps'"),
  ],
)
def test_mistakes_are_found_before_anything_runs(arguments, sentence, tmp_path, monkeypatch):
  monkeypatch.setattr(sweep.subprocess, 'Popen', None)
  with pytest.raises(UserError) as error:
    sweep.main([*arguments, f'--out={tmp_path}'])
  assert sentence in str(error.value) and not list(tmp_path.iterdir())


def test_jobs_share_cores_and_gpus(monkeypatch):
  monkeypatch.setattr(os, 'sched_getaffinity', lambda pid: {0, 1, 2, 5, 7}, raising=False)
  monkeypatch.setattr(os, 'sched_setaffinity', lambda pid, cores: None, raising=False)
  monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '4,6')
  shares = [sweep.share(place, 2) for place in range(2)]
  assert [cores for _, cores in shares] == [{0, 2, 7}, {1, 5}]
  assert [environment['CUDA_VISIBLE_DEVICES'] for environment, _ in shares] == ['4', '6']
  assert sweep.share(5, 6)[1] == {0} and sweep.share(5, 6)[0]['CUDA_VISIBLE_DEVICES'] == '4,6'  # more jobs than either
  assert sweep.share(0, 1)[1] is None


SLEEPER = """
import signal, sys, time
def stop(*_):
  open(sys.argv[1] + '.saved', 'w').close()
  sys.exit(0)
signal.signal(signal.SIGTERM, stop)
open(sys.argv[1] + '.started', 'w').close()
time.sleep(60)
"""
CALLER = """
import pathlib, sys
from deconv.experiments import sweep
class Run:
  def __init__(self, name):
    self.workdir, self.arguments, self.finished = name, [name], False
jobs = sweep.Jobs(2)
sweep.sys.executable = sys.argv[1]
jobs.run([Run(sys.argv[2] + str(i)) for i in range(4)])
sys.exit(jobs.stopped)
"""


def test_a_signal_lets_the_runs_save_and_starts_no_more(tmp_path):
  """Two at a time of four: both get SIGTERM once, are waited for, and the other two never start."""
  (tmp_path / 'sleeper.py').write_text(SLEEPER)
  python = tmp_path / 'python'  # in place of `python -m experiments.main NAME`
  python.write_text(f'#!/bin/sh\nexec {sys.executable} {tmp_path}/sleeper.py "$3"\n')
  python.chmod(0o755)
  process = subprocess.Popen([sys.executable, '-c', CALLER, str(python), str(tmp_path / 'run')], cwd=ROOT)
  limit = time.monotonic() + 60
  while len(list(tmp_path.glob('*.started'))) < 2 and time.monotonic() < limit:
    time.sleep(0.05)
  process.send_signal(signal.SIGINT)
  assert process.wait(60) == signal.SIGINT
  assert sorted(path.name for path in tmp_path.glob('*.saved')) == ['run0.saved', 'run1.saved']
  assert len(list(tmp_path.glob('*.started'))) == 2


@pytest.mark.parametrize('kind', gan_upsampling.KINDS)
def test_every_kind_of_upsampling_trains_three_steps(kind):
  """The runs of the sweep gan_upsampling, much narrower, of other digits."""
  run = sweep.Run({'common': {}, **gan_upsampling.SWEEP}, 'out', 'digits', kind, 3)
  tiny = {'data.source': 'digits', 'model.width': 2, 'model.hidden': 4, 'model.latent_size': 4, 'train.steps': 3}
  config = command.check_fields(run.config, [*run.overrides, *(f'--config.{name}={x}' for name, x in tiny.items())])
  prepared = prepare(config)
  task = prepared.task
  assert config.model.upsample == kind and config.eval.features == 'lenet'
  state = task.init(prepared.key, prepared.batches.at(0))
  first, step = state.networks['gen'].params, jax.jit(task.train_step)
  for i in range(3):
    batch = {name: x[:8] for name, x in prepared.batches.at(i).items()}
    state, scalars = step(state, batch, jax.random.key(i))
  assert all(np.isfinite(value) for value in scalars.values())
  jax.tree.map(lambda a, b: np.testing.assert_(np.abs(a - b).max() > 0), first, state.networks['gen'].params)


def test_a_short_run_makes_table_and_picture(tmp_path, capsys):
  """One real run of the real sweep, much smaller."""
  tiny = {'data.image_size': 32, 'model.width': 4, 'train.steps': 2, 'eval.batch_size': 100}
  fields = [f'--config.{name}={value}' for name, value in tiny.items()]
  (tmp_path / 'short.py').write_text(
    'from deconv.configs.sweeps import segmentation_decoders\n'
    'SWEEP = {**segmentation_decoders.SWEEP, "seeds": (3,)}\n'
    'SWEEP["experiments"] = {"scenes": SWEEP["experiments"]["scenes"]}\n'
  )
  status = sweep.main([f'--sweep={tmp_path}/short.py', f'--out={tmp_path}/out', '--only=FCN-8s', *fields])
  assert status == 0 and '| FCN-8s | 0.' in capsys.readouterr().out
  config = json.loads((tmp_path / 'out' / 'scenes' / 'FCN-8s' / '3' / 'config.json').read_text())
  assert config['seed'] == 3 and config['model']['skips'] == 2 and config['objective']['deep_supervision'] == 0
  picture = np.asarray(Image.open(tmp_path / 'out' / 'scenes_predictions.png'))
  expected, mask = scenes.render_scene(scenes.NUM_TRAIN, 32)
  np.testing.assert_array_equal(picture[4:68:2, 4:68:2], expected)  # a margin of 2, everything twice as large
  left = 32 * 2 + 8 + 4
  np.testing.assert_array_equal(picture[4:68:2, left : left + 64 : 2], plots.colour_mask(mask))
