"""Nearest real neighbours of samples: a copyist is found; numbers, picture and protocol together."""

import json

import jax
import numpy as np

from deconv import plots
from deconv.evaluators import EVALUATORS, samples
from deconv.metrics import neighbours
from deconv.tasks.capabilities import Generates
from tests.evaluators.generators import OPTIONS, Copier, digits, make_state, noise

KEY = jax.random.key(0)
EVALUATOR = EVALUATORS['neighbours']


def test_copies_of_the_training_set_are_found():
  source = digits(300)
  reference, heldout, _ = samples.split(source)
  found = [EVALUATOR.measure(Copier(images), make_state(), source, KEY, OPTIONS)[0] for images in (reference, heldout)]
  assert set(found[0]) == {
    'neighbour_distance',
    'neighbour_distance_heldout',
    'neighbour_closer',
    'neighbour_closer_heldout',
  }
  assert found[0]['neighbour_distance'] == 0 and found[0]['neighbour_closer'] == 1
  assert found[1]['neighbour_distance'] > 0.05 and found[1]['neighbour_closer'] < 1
  assert found[0]['neighbour_closer_heldout'] == found[1]['neighbour_closer_heldout']


def test_needs_no_labels_and_says_its_protocol():
  source = noise(30, 0)
  task = Copier(noise(5, 1).take(np.arange(5))['image'], ema=False)
  numbers, pictures, protocol = EVALUATOR.measure(task, make_state(), source, KEY, OPTIONS)
  assert numbers['neighbour_distance'] > 0 and list(pictures) == ['neighbours']
  drawn = samples.draw(task, make_state(), source, KEY, OPTIONS)
  assert protocol == {**drawn.protocol, 'distance': neighbours.PROTOCOL}
  assert json.loads(json.dumps(protocol)) == protocol


def test_picture_shows_the_first_samples_over_their_matches(monkeypatch):
  """And says how they were made, as far as the task says it."""
  captions = []
  plain = plots.caption
  monkeypatch.setattr(plots, 'caption', lambda image, text: captions.append(text) or plain(image, text))
  source = digits(300)
  reference, _, _ = samples.split(source)
  protocols = {
    'EMA, batch statistics, ': dict(ema=True, batch_stats='batch', sample_batch_size=8),
    'no EMA, ': dict(ema=False),
    '': {},
  }
  for words, protocol in protocols.items():
    picture = EVALUATOR.measure(Copier(reference, **protocol), make_state(), source, KEY, OPTIONS)[1]['neighbours']
    assert captions.pop() == (
      f'20 samples, step 3, {words}seed 0\nodd rows: samples; under each its nearest of 240 images of digits'
    )
  assert picture.dtype == np.uint8
  for row, column, shown in ((0, 0, 0), (0, 7, 7), (2, 1, 9), (4, 3, 19)):  # 20 samples: three rows, and their matches
    top, left = 10 * row + 2, 10 * column + 2
    for offset in (0, 10):
      np.testing.assert_array_equal(picture[top + offset : top + offset + 8, left : left + 8], reference[shown])


def test_at_most_four_rows_are_shown():
  source = noise(30, 0)
  task = Copier(noise(5, 1).take(np.arange(5))['image'])
  options = type(OPTIONS)(num_samples=50)
  picture = EVALUATOR.measure(task, make_state(), source, KEY, options)[1]['neighbours']
  assert 8 * 10 + 2 < picture.shape[0] < 8 * 10 + 2 + 60  # the caption is below


def test_any_task_that_generates_by_its_training_images():
  assert EVALUATOR.needs is Generates and EVALUATOR.split == 'train'
