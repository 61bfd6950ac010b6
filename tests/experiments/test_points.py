"""A GAN of points of the plane through the entry points: scatter plots in place of grids, and floats in files."""

import json

import numpy as np
from PIL import Image

from tests.experiments.run_experiment import error_of, run
from tests.experiments.smoke import QUICK_TO_COMPILE

ENV = {'XLA_FLAGS': QUICK_TO_COMPILE}


def test_points_are_trained_measured_and_drawn(tmp_path):
  workdir = tmp_path / 'run'
  trained = run('main', '--config=configs/gan_grid.py:smoke', f'--workdir={workdir}', env=ENV)
  assert trained.returncode == 0, trained.stderr
  for name in ('samples', 'modes'):
    picture = Image.open(workdir / 'samples' / f'{name}_00000004.png')
    assert picture.mode == 'RGB' and min(picture.size) >= 384

  evaluated = run('evaluate', f'--workdir={workdir}', env=ENV)
  assert evaluated.returncode == 0, evaluated.stderr
  report = json.loads((workdir / 'evaluation' / '00000004.json').read_text())
  assert 0 <= report['metrics']['good_samples'] <= 1 and 0 <= report['metrics']['modes'] <= 25

  for out in ('points.npy', 'points.png'):
    sampled = run('sample', f'--workdir={workdir}', '--num=12', f'--out={tmp_path / out}', env=ENV)
    assert sampled.returncode == 0, sampled.stderr
  points = np.load(tmp_path / 'points.npy')
  assert points.dtype == np.float32 and points.shape == (12, 1, 1, 2) and len(np.unique(points)) == 24
  assert Image.open(tmp_path / 'points.png').size == (384, 384)
  film = run('sample', f'--workdir={workdir}', f'--out={tmp_path / "points.gif"}', env=ENV)
  assert 'points of the plane have one picture together' in error_of(film)
