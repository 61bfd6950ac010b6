"""Class coverage of samples, with its protocol; nothing without labels."""

import json

import jax
import numpy as np
import pytest

from deconv.evaluators import EVALUATORS, samples
from deconv.tasks.capabilities import Generates
from tests.evaluators.generators import OPTIONS, Copier, digits, make_state, noise

KEY = jax.random.key(0)
EVALUATOR = EVALUATORS['coverage']


def test_a_collapsed_generator_covers_one_class():
  source = digits(300)
  reference, _, labels = samples.split(source)
  # Two of each class, and nothing but ones.
  every = np.concatenate([reference[labels[0] == digit][:2] for digit in range(10)])
  results = [
    EVALUATOR.measure(Copier(images), make_state(), source, KEY, OPTIONS)
    for images in (every, reference[labels[0] == 1])
  ]
  (whole, pictures, protocol), (collapsed, _, _) = results
  assert set(whole) == {'coverage', 'entropy', 'classifier_accuracy'} and not pictures
  assert whole['coverage'] == 1 and collapsed['coverage'] == pytest.approx(0.1)
  assert collapsed['entropy'] < 0.3 < 2.2 < whole['entropy']
  assert whole['classifier_accuracy'] == collapsed['classifier_accuracy'] > 0.7
  assert sum(protocol['class_counts']) == 20 and '0.01 of the samples' in protocol['coverage_is']
  assert protocol['num_reference'] == 240 and protocol['num_heldout'] == 60
  assert set(protocol) - set(samples.draw(Copier(every), make_state(), source, KEY, OPTIONS).protocol) == {
    'classifier',
    'coverage_is',
    'class_counts',
  }
  assert json.loads(json.dumps(protocol)) == protocol


def test_nothing_is_measured_or_drawn_without_labels():
  task, source = Copier(noise(5, 1).take(np.arange(5))['image']), noise(30, 0)
  assert EVALUATOR.measure(task, make_state(), source, KEY, OPTIONS) == ({}, {}, {})
  assert task.calls == 0 and source.reads == 0


def test_any_task_that_generates_by_its_training_images():
  assert EVALUATOR.needs is Generates and EVALUATOR.split == 'train'
