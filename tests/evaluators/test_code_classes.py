"""Codes matched to classes: against all permutations, with more codes than classes, and of a task without codes."""

import itertools

import jax
import numpy as np
import pytest

from deconv.data import ArraySource, DataOptions
from deconv.evaluators import code_classes
from deconv.options import EvalOptions
from deconv.tasks.capabilities import TellsCodes

LABELS = np.random.default_rng(0).integers(0, 4, 5000)


class Reader(TellsCodes):
  """Reads the code that is written into an image as its brightness."""

  def __init__(self, num_codes):
    self.num_codes = num_codes

  def codes(self, state, images):
    return images[:, 0, 0, 0].astype(np.int32)


def measure(codes, num_codes, classes=('a', 'b', 'c', 'd')):
  images = np.broadcast_to(codes.astype(np.uint8)[:, None, None], (len(codes), 4, 4))
  source = ArraySource('codes', images, LABELS if classes else None, DataOptions(image_size=4), classes)
  return code_classes.measure(Reader(num_codes), None, source, jax.random.key(0), EvalOptions())


def test_the_matching_is_the_best_of_all():
  random = np.random.default_rng(1)
  codes = np.where(random.random(len(LABELS)) < 0.4, np.array([2, 0, 3, 1])[LABELS], random.integers(0, 4, len(LABELS)))
  numbers, pictures, protocol = measure(codes, 4)
  best = max(np.mean(np.array(order)[codes] == LABELS) for order in itertools.permutations(range(4)))
  assert numbers == {'code_error': pytest.approx(1 - best, abs=1e-12)} and pictures == {}
  assert protocol['num_real'] == len(LABELS)


def test_other_numbers_of_codes_than_classes():
  assert measure(LABELS, 6)[0] == {'code_error': 0.0}
  assert measure(np.minimum(LABELS, 1), 2)[0] == {
    'code_error': pytest.approx(1 - (np.mean(LABELS == 0) + max(np.mean(k == LABELS) for k in (1, 2, 3))))
  }


def test_nothing_without_codes_or_classes():
  assert measure(LABELS, 0) == ({}, {}, {})
  assert measure(LABELS, 4, ()) == ({}, {}, {})
