"""`sample --image`: networks that run on a picture of the user's own, through the entry points."""

import json
import os

import numpy as np
from PIL import Image
import pytest

from deconv.training import exported
from tests.data.files import hostile
from tests.experiments.run_experiment import error_of, run
from tests.tasks.small_restorers import SUPERRES, build, init

QUICK_TO_COMPILE = {'XLA_FLAGS': '--xla_backend_optimization_level=0'}


@pytest.fixture(scope='module')
def workdir(tmp_path_factory):
  folder = tmp_path_factory.mktemp('unet') / 'run'
  finished = run(
    'main',
    '--config=configs/unet_scenes.py:smoke',
    f'--workdir={folder}',
    '--config.train.steps=2',
    env=QUICK_TO_COMPILE,
  )
  assert finished.returncode == 0, finished.stderr
  return folder


def test_a_picture_is_segmented_whole(workdir, tmp_path):
  pixels = np.random.default_rng(0).integers(0, 256, (45, 70, 4)).astype(np.uint8)
  Image.fromarray(pixels).save(tmp_path / 'own.png')
  finished = run(
    'sample',
    f'--workdir={workdir}',
    f'--image={tmp_path / "own.png"}',
    f'--out={tmp_path / "out.png"}',
    env=QUICK_TO_COMPILE,
  )
  assert finished.returncode == 0, finished.stderr
  assert not finished.stderr  # no warnings of the libraries
  classes = np.asarray(Image.open(tmp_path / 'out_classes.png'))
  assert classes.shape[:2] == (45, 70) and classes.max() < 6
  assert np.asarray(Image.open(tmp_path / 'out.png')).shape[1] >= 2 * 70


def test_mistakes_are_one_sentence(workdir, tmp_path):
  (tmp_path / 'broken.png').write_text('no picture')
  for name in ('broken.png', 'missing.png'):
    assert 'cannot read' in error_of(run('sample', f'--workdir={workdir}', f'--image={tmp_path / name}'))
  for make in (hostile.huge_png, hostile.large_text_png, hostile.bad_chunk_png):
    (tmp_path / 'broken.png').write_bytes(make())
    assert 'can be decoded (' in error_of(run('sample', f'--workdir={workdir}', f'--image={tmp_path / "broken.png"}'))
  os.mkfifo(tmp_path / 'fifo.png')
  image = f'--image={tmp_path / "fifo.png"}'
  assert 'not an ordinary file' in error_of(run('sample', f'--workdir={workdir}', image, timeout=120))
  Image.new('L', (60, 50)).save(tmp_path / 'own.png')
  limit = '--config.data.max_pixels=2999'
  assert 'max_pixels=2999' in error_of(run('sample', f'--workdir={workdir}', f'--image={tmp_path / "own.png"}', limit))
  out = f'--out={tmp_path / "out.gif"}'
  assert 'must end in .png' in error_of(run('sample', f'--workdir={workdir}', '--image=a.png', out))
  assert '--image=FILE' in error_of(run('sample', f'--workdir={workdir}', '--num=1'))


def test_weights_enlarge_a_picture_without_a_run(tmp_path):
  pytest.importorskip('safetensors')
  task = build(colour='y', train__steps=1, **SUPERRES)
  exported.save(str(tmp_path / 'small.safetensors'), task.options, init(task), {})
  pixels = np.random.default_rng(0).integers(0, 256, (12, 9, 3)).astype(np.uint8)
  Image.fromarray(pixels).save(tmp_path / 'own.bmp')
  weights, image = f'--weights={tmp_path / "small.safetensors"}', f'--image={tmp_path / "own.bmp"}'
  finished = run('sample', weights, image, f'--out={tmp_path / "out.png"}', env=QUICK_TO_COMPILE)
  assert finished.returncode == 0, finished.stderr
  wanted = task.transform_image(init(task), pixels)['']
  found = np.asarray(Image.open(tmp_path / 'out.png'))
  np.testing.assert_allclose(found.astype(int), wanted, atol=1)
  assert 'no weights' in error_of(run('sample', '--weights=no_such_network', image))
  assert 'leave --workdir' in error_of(run('sample', weights, image, f'--workdir={tmp_path}'))
  assert '--weights=NAME' in error_of(run('sample', image))


def test_whole_images_are_evaluated_by_tiles(workdir):
  finished = run('evaluate', f'--workdir={workdir}', '--config.eval.whole_images=2', env=QUICK_TO_COMPILE)
  assert finished.returncode == 0, finished.stderr
  (path,) = (workdir / 'evaluation').glob('00000002-*.json')  # beside what the run's own values would give
  report = json.loads(path.read_text())
  assert 0 <= report['metrics']['whole_miou'] <= 1 and report['protocol']['samples']['whole_images'] == 2
  assert report['protocol']['miou_is'] and (path.parent / f'whole_1_{path.stem}.png').exists()
