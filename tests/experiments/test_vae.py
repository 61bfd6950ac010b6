"""What the entry points make of a VAE: anomaly scores in a file, traversals, the plane of two latents."""

import csv
import json

import numpy as np
from PIL import Image
import pytest

from tests.experiments.run_experiment import run

ENV = {'XLA_FLAGS': ''}


@pytest.fixture(scope='module')
def workdir(tmp_path_factory):
  path = tmp_path_factory.mktemp('vae') / 'run'
  finished = run('main', '--config=configs/vae_mnist.py:plane,smoke', f'--workdir={path}', env=ENV)
  assert finished.returncode == 0, finished.stderr
  return path


def test_evaluation_scores_every_image_of_the_test_split(workdir):
  evaluated = run('evaluate', f'--workdir={workdir}', '--config.eval.batch_size=40', env=ENV)  # 297 = 7 * 40 + 17
  assert evaluated.returncode == 0, evaluated.stderr
  assert 'binarization' in evaluated.stdout and '00000004_images.csv' in evaluated.stdout
  report = json.loads((workdir / 'evaluation' / '00000004.json').read_text())
  assert report['protocol']['n'] == 297 and report['protocol']['binarization'] == 'dynamic'
  assert report['protocol']['importance_samples'] == 4 and report['metrics']['nll'] < report['metrics']['neg_elbo']
  with open(workdir / 'evaluation' / '00000004_images.csv', encoding='utf-8') as file:
    rows = list(csv.DictReader(file))
  assert [int(row['index']) for row in rows] == list(range(297)) and {row['label'] for row in rows} == set('0123456789')
  assert np.mean([float(row['neg_elbo']) for row in rows]) == pytest.approx(report['metrics']['neg_elbo'], rel=1e-5)
  assert np.asarray(Image.open(workdir / 'evaluation' / 'anomalies_00000004.png')).std() > 0


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
