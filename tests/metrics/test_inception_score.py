"""The inception score: its bounds, its definition by SciPy, its splits."""

import numpy as np
import pytest
from scipy import special, stats

from deconv.errors import UserError
from deconv.metrics import inception_score


def test_bounds():
  sure = 1000 * np.eye(7)[np.arange(70) % 7]
  assert inception_score.score(sure, splits=5) == (pytest.approx(7), pytest.approx(0, abs=1e-9))
  assert inception_score.score(np.tile(sure[:1], (70, 1)))[0] == pytest.approx(1)  # one class over and over
  assert inception_score.score(np.zeros((70, 7)))[0] == pytest.approx(1)  # no sample looks like anything


def test_equals_the_definition():
  logits = np.random.default_rng(0).normal(size=(53, 6)) * 3
  p = special.softmax(logits, axis=1)
  parts = [p[:17], p[17:35], p[35:]]
  expected = [np.exp(np.mean([stats.entropy(row, part.mean(0)) for row in part])) for part in parts]
  found = inception_score.score(logits.astype(np.float32) + np.float32(5), splits=3)
  assert found == (pytest.approx(np.mean(expected), rel=1e-5), pytest.approx(np.std(expected), rel=1e-4))


def test_mistakes():
  with pytest.raises(UserError, match='5 images cannot be split into 10 parts'):
    inception_score.score(np.zeros((5, 3)))
  with pytest.raises(UserError, match='not finite'):
    inception_score.score(np.full((50, 3), np.nan))
