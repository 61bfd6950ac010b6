"""What the entry points make of a VAE: anomaly scores in a file, traversals, the plane of two latents."""

import csv
import json

import numpy as np
from PIL import Image
import pytest

from tests.experiments.run_experiment import error_of, run
from tests.experiments.smoke import QUICK_TO_COMPILE

ENV = {'XLA_FLAGS': QUICK_TO_COMPILE}


@pytest.fixture(scope='module')
def workdir(tmp_path_factory):
  path = tmp_path_factory.mktemp('vae') / 'run'
  finished = run('main', '--config=configs/vae_mnist.py:plane,smoke', f'--workdir={path}', env=ENV)
  assert finished.returncode == 0, finished.stderr
  return path


def test_evaluation_scores_every_image_of_the_test_split(workdir, tmp_path):
  """With a batch size other than the run's, so that its files stand beside those of the run's own values."""
  env = {**ENV, 'XDG_CACHE_HOME': str(tmp_path)}
  evaluated = run('evaluate', f'--workdir={workdir}', '--config.eval.batch_size=40', env=env)  # 297 = 7 * 40 + 17
  assert evaluated.returncode == 0, evaluated.stderr
  assert 'at step 4, with eval.batch_size=40\n' in evaluated.stdout
  assert 'protocol: seed 0, split test, n 297, ' in evaluated.stdout and 'binarization dynamic' in evaluated.stdout
  (path,) = (workdir / 'evaluation').glob('00000004-*.json')
  assert f'written: {path}, {path.stem}_images.csv, ' in evaluated.stdout
  report = json.loads(path.read_text())
  assert report['overrides'] == {'eval.batch_size': 40}
  assert report['protocol']['n'] == 297 and report['protocol']['binarization'] == 'dynamic'
  assert report['protocol']['importance_samples'] == 4 and report['metrics']['nll'] < report['metrics']['neg_elbo']
  with open(path.parent / f'{path.stem}_images.csv', encoding='utf-8') as file:
    rows = list(csv.DictReader(file))
  assert [int(row['index']) for row in rows] == list(range(297)) and {row['label'] for row in rows} == set('0123456789')
  assert np.mean([float(row['neg_elbo']) for row in rows]) == pytest.approx(report['metrics']['neg_elbo'], rel=1e-5)
  assert np.asarray(Image.open(path.parent / f'anomalies_{path.stem}.png')).std() > 0
  assert list((tmp_path / 'deconv' / 'jax').iterdir())  # its programs are kept

  before = path.read_bytes()
  own = run('evaluate', f'--workdir={workdir}', '--config.data.workers=2', env=env)  # which only makes it faster
  assert own.returncode == 0 and f'written: {workdir}/evaluation/00000004.json, ' in own.stdout
  assert json.loads((workdir / 'evaluation' / '00000004.json').read_text())['overrides'] == {}
  assert path.read_bytes() == before


@pytest.mark.parametrize(
  'arguments, sentence',
  [
    (['--kind=interpolation', '--num=10'], '--num=10 does not fill rows of --columns=8: give --num=8 or --columns=5'),
    (['--kind=traversal', '--num=11'], '--num=11 does not fill rows of --columns=8: give --num=8'),
    (['--kind=manifold', '--num=10'], '--num=10 does not fill a square: give --num=9 or --num=16'),
  ],
)
def test_a_number_that_does_not_fill_the_picture(workdir, arguments, sentence):
  assert error_of(run('sample', f'--workdir={workdir}', *arguments, env=ENV)) == sentence


def test_ten_of_an_interpolation(workdir, tmp_path):
  out, env = tmp_path / 'ten.npy', {**ENV, 'XDG_CACHE_HOME': str(tmp_path)}
  sampled = run(
    'sample', f'--workdir={workdir}', '--kind=interpolation', '--num=10', '--columns=5', f'--out={out}', env=env
  )
  assert sampled.returncode == 0 and len(np.load(out)) == 10
  assert '(10 images of step 4, seed 0, ema ' in sampled.stdout
  assert list((tmp_path / 'deconv' / 'jax').iterdir())  # its programs are kept


def test_traversal_as_a_film_and_the_plane(workdir, tmp_path):
  film, plane = tmp_path / 'film.gif', tmp_path / 'plane.png'
  for kind, num, out in (('traversal', 10, film), ('manifold', 9, plane)):
    sampled = run(
      'sample', f'--workdir={workdir}', f'--kind={kind}', f'--num={num}', '--columns=5', f'--out={out}', env=ENV
    )
    assert sampled.returncode == 0, sampled.stderr
  with Image.open(film) as frames:
    assert frames.n_frames == 8 and frames.size == (2 * 30 + 2, 30 + 2)  # 5 values and 3 on the way back; two latents
  assert Image.open(plane).size == (3 * 30 + 2, 3 * 30 + 2)
  assert (workdir / 'samples' / 'manifold_00000004.png').exists()
