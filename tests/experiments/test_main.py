"""The main entry point as users meet it: bad input, resuming, finishing twice."""

import json

import numpy as np
from PIL import Image
import pytest

from tests.experiments.run_experiment import error_of, run
from tests.experiments.smoke import read_metrics

SMOKE = '--config=configs/dcgan_digits.py:smoke'
# With a schedule that ends with the run its length is a scientific field.
CONSTANT = '--config.optimizer.schedule=constant'
FOLDER = ['--config=configs/dcgan_folder.py:smoke', '--config.data.source=folder']


def _images(folder, number):
  folder.mkdir(parents=True, exist_ok=True)
  for i in range(number):
    Image.fromarray(np.full((40, 40, 3), 10 * i, np.uint8)).save(folder / f'{i}.png')
  return folder


def _empty(path):
  (path / 'empty').mkdir()
  return [*FOLDER, f'--config.data.path={path}/empty']


def _no_images(path):
  (path / 'notes').mkdir()
  (path / 'notes' / 'readme.txt').write_text('no image')
  return [*FOLDER, f'--config.data.path={path}/notes']


def _broken(path):
  (path / 'broken').mkdir()
  for i in range(12):
    (path / 'broken' / f'{i}.png').write_bytes(b'this is no image')
  return [*FOLDER, f'--config.data.path={path}/broken']


def _unwritable(path):
  (path / 'file').write_text('')
  return [SMOKE, f'--workdir={path}/file/run']


@pytest.mark.parametrize(
  'arguments, parts',
  [
    (lambda path: [*FOLDER, f'--config.data.path={path}/nowhere'], ['nowhere', 'data.path']),
    (_empty, ['empty', 'image']),
    (_no_images, ['notes', 'image']),
    (_broken, ['broken']),
    (lambda path: [*FOLDER, f'--config.data.path={_images(path / "few", 3)}'], ['3', '8', 'batch']),
    (lambda path: ['--config=configs/dcgan_mnist.py', f'--config.data.path={path}'], ['idx']),
    (
      lambda path: ['--config=configs/dcgan_celeba.py', f'--config.data.path={path}'],
      ['img_align_celeba.zip', 'celeb_a', 'data.path'],
    ),
    (lambda path: ['--config=configs/dcgan_cifar10.py', f'--config.data.path={path}'], ['scripts.prepare_tfds']),
    (_unwritable, ['file/run']),
    (lambda path: [SMOKE, '--config.data.image_size=30'], ['30', '32']),
    (lambda path: [SMOKE, '--config.train.epochs=2', '--config.train.steps=2'], ['train.steps', 'train.epochs']),
    (lambda path: [SMOKE, '--config.data.eval_split=tset'], ['tset', 'data.eval_split', 'test']),
    (lambda path: [SMOKE, '--config.optimizer.name=adan'], ['adan', 'adam']),
    (lambda path: [SMOKE, '--config.data.source=digit'], ['digit', 'digits']),
    (lambda path: [SMOKE, '--config.model.upsample=deconvv'], ['deconvv', 'deconv']),
    (lambda path: [SMOKE, '--config.model.name=gan28'], ['28x28']),
    (lambda path: [SMOKE, '--config.objective.name=hinged'], ['hinged']),
    (lambda path: [SMOKE, '--config.train.dtype=float23'], ['float23']),
    (lambda path: [SMOKE, '--config.train.batch_size=0'], ['batch_size', '0']),
    (lambda path: [SMOKE, '--config.train.steps=-3'], ['train.steps']),
  ],
  ids=lambda value: value.__name__.strip('_<>') if callable(value) else '-'.join(value),
)
def test_mistake_gets_one_sentence(arguments, parts, tmp_path):
  workdir = tmp_path / 'run'
  sentence = error_of(run('main', f'--workdir={workdir}', *arguments(tmp_path), env={'XLA_FLAGS': ''}))
  for part in parts:
    assert part in sentence
  assert not list(workdir.glob('checkpoints/*')), 'a run that cannot start must leave nothing behind'


def test_batch_that_the_devices_cannot_divide(tmp_path):
  sentence = error_of(
    run(
      'main',
      SMOKE,
      f'--workdir={tmp_path}/run',
      '--config.train.batch_size=6',
      env={'XLA_FLAGS': '--xla_force_host_platform_device_count=4'},
    )
  )
  assert '6' in sentence and '4 devices' in sentence


def test_finish_resume_longer_and_refuse_another_config(tmp_path):
  workdir = tmp_path / 'run'
  first = run('main', SMOKE, CONSTANT, f'--workdir={workdir}', env={'XLA_FLAGS': ''})
  assert first.returncode == 0, first.stderr
  before = {path.relative_to(workdir): path.read_bytes() for path in workdir.rglob('*') if path.is_file()}

  again = run('main', SMOKE, CONSTANT, f'--workdir={workdir}', env={'XLA_FLAGS': ''})
  assert again.returncode == 0, again.stderr
  assert 'finished' in again.stdout + again.stderr
  assert before == {path.relative_to(workdir): path.read_bytes() for path in workdir.rglob('*') if path.is_file()}

  sentence = error_of(
    run(
      'main',
      SMOKE,
      CONSTANT,
      f'--workdir={workdir}',
      '--config.model.width=12',
      '--config.seed=5',
      env={'XLA_FLAGS': ''},
    )
  )
  assert 'model.width' in sentence and 'seed: 0 -> 5' in sentence and 'allow_config_change' in sentence

  longer = run('main', SMOKE, CONSTANT, f'--workdir={workdir}', '--config.train.steps=6', env={'XLA_FLAGS': ''})
  assert longer.returncode == 0, longer.stderr
  steps = [line['step'] for line in read_metrics(workdir) if line['split'] == 'train']
  assert steps == [1, 2, 3, 4, 5, 6]

  evaluated = run('evaluate', f'--workdir={workdir}', env={'XLA_FLAGS': ''})
  assert evaluated.returncode == 0, evaluated.stderr
  report = json.loads((workdir / 'evaluation' / '00000006.json').read_text())
  assert 0 <= report['metrics']['coverage'] <= 1
  assert report['protocol']['samples']['num_samples'] == 16 and report['step'] == 6

  for kind in ('grid', 'interpolation'):
    image = tmp_path / f'{kind}.png'
    sampled = run(
      'sample', f'--workdir={workdir}', '--num=16', f'--out={image}', f'--kind={kind}', env={'XLA_FLAGS': ''}
    )
    assert sampled.returncode == 0, sampled.stderr
    assert np.asarray(Image.open(image)).std() > 0
  assert 'kind' in error_of(run('sample', f'--workdir={workdir}', f'--out={tmp_path}/x.png', '--kind=film'))
  assert 'plane of two numbers' in error_of(run('sample', f'--workdir={workdir}', '--kind=manifold'))
  assert 'num' in error_of(run('sample', f'--workdir={workdir}', f'--out={tmp_path}/x.png', '--num=0'))
  (tmp_path / 'file.txt').write_text('')  # no folder can be made under it
  assert 'nowhere' in error_of(run('sample', f'--workdir={workdir}', f'--out={tmp_path}/file.txt/nowhere/x.png'))
