"""The classifier two-sample test: a coin for the same distribution, near certainty for another."""

import json
import math

import jax
import numpy as np
import pytest

from deconv import data
from deconv.evaluators import EVALUATORS, two_sample
from deconv.options import EvalOptions
from tests.evaluators.generators import Copier, digits, make_state, noise
from tests.evaluators.test_modes import Points

KEY = jax.random.key(0)
EVALUATOR = EVALUATORS['two_sample']


def accuracy(task, source, num=600):
  numbers, pictures, protocol = EVALUATOR.measure(task, make_state(), source, KEY, EvalOptions(num_samples=num))
  assert set(numbers) == {'two_sample_accuracy'} and not pictures and json.loads(json.dumps(protocol)) == protocol
  return numbers['two_sample_accuracy'], protocol


def test_other_images_of_the_same_source_cannot_be_told_apart():
  items = digits(1400).take(np.random.default_rng(0).permutation(1400))
  source = data.ArraySource('half', items['image'][:700], None, data.DataOptions(image_size=8))
  found, protocol = accuracy(Copier(items['image'][700:]), source)
  assert protocol['two_sample_tested_on'] == protocol['two_sample_trained_on'] == 600
  assert abs(found - 0.5) < 4 * math.sqrt(0.25 / 600)


def test_slightly_darker_digits_give_themselves_away():
  source = digits(1000)
  darker = (0.85 * source.take(np.arange(1000))['image']).astype(np.uint8)
  found, _ = accuracy(Copier(darker), source)
  assert found > 0.9


def test_noise_gives_itself_away_and_the_numbers_come_again():
  task, source = Copier(noise(600, 1).take(np.arange(600))['image']), digits(700)
  first, _ = accuracy(task, source)
  again, _ = accuracy(task, digits(700))
  assert first == again > 0.99


def test_points():
  source = data.open_source(data.DataOptions(source='gaussian_grid', image_size=1, channels=2), 'test')
  items = source.take(np.arange(9000, 10_000))
  same, _ = accuracy(Points(items['image']), source, 1000)
  lost, _ = accuracy(Points(items['image'][items['label'] < 10]), source, 1000)
  assert abs(same - 0.5) < 4 * math.sqrt(0.25 / 1000) and lost > 0.7


@pytest.mark.parametrize('number', [1, 3])
def test_too_few_images(number):
  task = Copier(noise(5, 1).take(np.arange(5))['image'])
  assert EVALUATOR.measure(task, make_state(), noise(number, 0), KEY, EvalOptions(num_samples=50)) == ({}, {}, {})


def test_the_share_that_is_held_out_is_not_trained_on(monkeypatch):
  """A classifier that has learned its images by heart is right by chance on the others."""
  seen = {}
  original = two_sample._train

  def train(options, images):
    seen['train'] = np.asarray(images)
    return original(options, images)

  monkeypatch.setattr(two_sample, '_train', train)
  real, fake = (noise(600, seed).take(np.arange(600))['image'] for seed in (0, 1))
  found, tested = two_sample.tell_apart(real, fake, two_sample._IMAGES)
  assert tested == 300 and len(seen['train']) == 600
  np.testing.assert_array_equal(seen['train'], np.concatenate([real[:300], fake[:300]]))
  assert abs(found - 0.5) < 4 * math.sqrt(0.25 / 600)
