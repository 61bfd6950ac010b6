"""`experiments.visualize`: a classifier whole, a discriminator that knows classes, and what it refuses."""

import json

import numpy as np
from PIL import Image
import pytest

from tests.experiments.run_experiment import error_of, run

QUICK_TO_COMPILE = {'XLA_FLAGS': '--xla_backend_optimization_level=0'}


def train(folder, config, *overrides):
  finished = run('main', f'--config=configs/{config}.py:smoke', f'--workdir={folder}', *overrides, env=QUICK_TO_COMPILE)
  assert finished.returncode == 0, finished.stderr
  return folder


@pytest.fixture(scope='module')
def classifier(tmp_path_factory):
  return train(tmp_path_factory.mktemp('cnn') / 'run', 'cnn_digits', '--config.train.steps=2')


def visualize(*arguments):
  return run('visualize', *arguments, env=QUICK_TO_COMPILE)


def test_every_layer_has_its_sheets_and_numbers(classifier, tmp_path):
  finished = visualize(f'--workdir={classifier}', f'--out={tmp_path}', '--images=40', '--units=2', '--occluded=1')
  assert finished.returncode == 0, finished.stderr
  assert not finished.stderr  # no warnings of the libraries
  records = [json.loads(path.read_text()) for path in sorted(tmp_path.glob('*.json')) if path.stem != 'occlusion']
  assert [record['layer'] for record in records][-1] == 'norm_dense1' and len(records) >= 4
  for record in records:
    assert np.asarray(Image.open(tmp_path / f'{record["layer"]}.png')).ndim in (2, 3)
    assert Image.open(tmp_path / f'{record["layer"]}_made.png').width > 16
    for unit in record['units']:
      assert unit['responses'] == sorted(unit['responses'], reverse=True) and len(set(unit['images'])) == 9
  maps = json.loads((tmp_path / 'occlusion.json').read_text())
  assert np.asarray(maps['images'][0]['confidence']).shape == np.asarray(maps['images'][0]['activation']).shape
  assert Image.open(tmp_path / 'occlusion.png').height > 24


def test_a_discriminator_that_knows_classes(tmp_path):
  workdir = train(tmp_path / 'run', 'cdcgan_mnist', '--config.train.steps=1', '--config.eval.evaluators=')
  finished = visualize(
    f'--workdir={workdir}', f'--out={tmp_path / "units"}', '--images=10', '--units=0,3', '--layer=down_1', '--nomade'
  )
  assert finished.returncode == 0, finished.stderr
  names = {path.name for path in (tmp_path / 'units').iterdir()}
  assert names == {'down_1.png', 'down_1.json', 'occlusion.png', 'occlusion.json'}


def test_mistakes_are_one_sentence(classifier):
  def error(*arguments):
    return error_of(visualize(f'--workdir={classifier}', *arguments))

  assert "no layer 'norm1_9' (did you mean 'norm1_2'?)" in error('--layer=norm1_9')
  assert 'has units 0 to' in error('--units=0,999')
  assert 'larger than the images' in error('--square=99', '--images=9', '--units=1', '--nomade')
  assert '--images=0 must be 1 or more' in error('--images=0')
  assert '--units=three needs a number' in error('--units=three')
  assert 'deconvnet' in error('--rule=none')
