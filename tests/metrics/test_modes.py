"""Modes and good samples: by hand, and of the mixture itself."""

import math

import numpy as np
import pytest

from deconv.metrics import modes

CENTRES = np.array([[0.0, 0.0], [10.0, 0.0]])


def test_by_hand():
  samples = [[0, 2.9], [0, -3.1], [1, 1], [10, 0], [12, 2], [5, 0], [np.nan, 0], [0, np.inf], [0, 0], [0, 3]]
  numbers, protocol = modes.measure(samples, CENTRES, 1.0)
  assert protocol['class_counts'] == [4, 2]
  assert numbers == {'modes': 2, 'modes_touched': 2, 'good_samples': pytest.approx(0.6)}


def test_a_mode_that_is_only_touched_does_not_count():
  samples = np.concatenate([np.zeros((96, 2)), np.full((4, 2), [10.0, 0.0])])
  numbers, protocol = modes.measure(samples, CENTRES, 1.0)
  assert numbers == {'modes': 1, 'modes_touched': 2, 'good_samples': 1.0}
  assert 'at least 5 good samples' in protocol['modes_is']
  assert modes.measure(np.concatenate([samples, [[10, 0]]]), CENTRES, 1.0)[0]['modes'] == 1  # 5 of 101: 5.05 are needed
  assert modes.measure(np.concatenate([samples[1:], [[10, 0]]]), CENTRES, 1.0)[0]['modes'] == 2


def test_nothing_good_covers_nothing():
  numbers, _ = modes.measure(np.full((3, 2), np.nan), CENTRES, 1.0)
  assert numbers == {'modes': 0, 'modes_touched': 0, 'good_samples': 0.0}


def test_of_the_mixture_and_of_noise():
  random = np.random.default_rng(0)
  centres = np.stack(np.meshgrid(np.arange(-4, 5, 2), np.arange(-4, 5, 2)), -1).reshape(-1, 2)
  fair = centres[random.integers(0, 25, 2500)] + 0.05 * random.normal(size=(2500, 2))
  numbers, _ = modes.measure(fair, centres, 0.05)
  assert numbers['modes'] == 25 and abs(numbers['good_samples'] - (1 - math.exp(-4.5))) < 0.008
  noise, _ = modes.measure(random.uniform(-4.5, 4.5, (2500, 2)), centres, 0.05)
  assert noise['modes'] == 0 and noise['modes_touched'] > 15  # why one good sample is not enough
