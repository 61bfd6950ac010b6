"""Intervals of a mean, against scipy's own."""

import numpy as np
import pytest
from scipy import stats

from deconv.metrics import intervals


@pytest.mark.parametrize('level', [0.9, 0.95])
def test_student(level):
  values = np.random.default_rng(0).normal(3, 2, 7)
  low, high = stats.t.interval(level, 6, loc=values.mean(), scale=stats.sem(values))
  assert intervals.half_width(values.tolist(), level) == pytest.approx((high - low) / 2, rel=1e-12)


def test_one_value_has_no_interval():
  assert intervals.half_width([1.0]) is None
