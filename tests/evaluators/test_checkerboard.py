"""The evaluator of checkerboards: known patterns on real images, and that its numbers are those of the script."""

import json

import jax
import numpy as np
import pytest

from deconv import data
from deconv.evaluators import EVALUATORS, checkerboard
from deconv.metrics import checkerboard as metric
from deconv.options import EvalOptions
from tests.evaluators.generators import Copier, digits, make_state

KEY, OPTIONS = jax.random.key(0), EvalOptions(num_samples=200)


@pytest.fixture(name='source')
def _source():
  return digits(400, side=16)


def measured(images, source, options=OPTIONS):
  return EVALUATORS['checkerboard'].measure(Copier(images, ema=True), make_state(), source, KEY, options)


def test_a_pattern_on_real_images_is_found_at_its_stride(source):
  held_out = source.take(np.arange(200, 400))['image'].astype(int)
  sign = 10 * (-1) ** np.add.outer(np.arange(16), np.arange(16))[..., None]
  clean, printed = (measured(images.clip(10, 245).astype(np.uint8), source) for images in (held_out, held_out + sign))
  assert abs(clean[0]['checkerboard_excess_db_2']) < 3 and printed[0]['checkerboard_excess_db_2'] > 10
  # The clipping takes a part of the pattern away.
  assert 0.5 * 10 / 127.5 < printed[0]['checkerboard_rms_2'] < 1.1 * 10 / 127.5
  assert printed[0]['checkerboard_db_4'] > clean[0]['checkerboard_db_4'] + 2
  picture, protocol = printed[1]['spectrum'], printed[2]
  assert picture.dtype == np.uint8 and picture.shape[1] >= 2 * 4 * 16
  assert protocol['ema'] and protocol['n_checkerboard'] == 200 and protocol['n_checkerboard_real'] == 320
  json.dumps(protocol)


def test_numbers_are_those_of_the_metric(source, monkeypatch):
  images = source.take(np.arange(100, 300))['image']
  monkeypatch.setattr(checkerboard, 'LIMIT', 150)
  numbers, _, protocol = measured(images, source)
  drawn, real, _ = checkerboard.images_of(Copier(images), make_state(), source, KEY, OPTIONS)
  np.testing.assert_allclose(drawn, images / 127.5 - 1, atol=1e-6)
  expected = metric.checkerboard(drawn[:150], 4, real[:150])
  assert numbers['checkerboard_excess_db_4'] == expected['checkerboard_excess_db']
  assert numbers['phase_contrast_4'] == metric.phase_contrast(drawn[:150], 4)
  assert protocol['n_checkerboard'] == protocol['n_checkerboard_real'] == 150


def test_images_too_small_for_a_stride_and_points():
  source = digits(60, side=6)
  numbers, _, _ = measured(source.take(np.arange(20))['image'], source)
  assert 'checkerboard_db_2' in numbers and 'checkerboard_db_4' not in numbers
  points = data.open_source(data.DataOptions(source='gaussian_grid', image_size=1, channels=2), 'test')
  assert measured(np.zeros((5, 1, 1, 2), np.float32), points) == ({}, {}, {})
