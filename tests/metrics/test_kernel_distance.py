"""The kernel distance against its definition by scikit-learn, and without bias."""

import numpy as np
import pytest
from sklearn.metrics import pairwise

from deconv.errors import UserError
from deconv.metrics import kernel_distance


def normal(n, d, seed, shift=0.0):
  return np.random.default_rng(seed).normal(size=(n, d)) + shift


def by_definition(a, b):
  k_aa, k_bb, k_ab = (pairwise.polynomial_kernel(x, y, 3, 1 / a.shape[1], 1) for x, y in ((a, a), (b, b), (a, b)))
  n, m = len(a), len(b)
  return (k_aa.sum() - np.trace(k_aa)) / (n * (n - 1)) + (k_bb.sum() - np.trace(k_bb)) / (m * (m - 1)) - 2 * k_ab.mean()


@pytest.mark.parametrize('entries', [2**22, 90])
def test_equals_the_definition(entries, monkeypatch):
  monkeypatch.setattr(kernel_distance, '_ENTRIES', entries)
  a, b = normal(60, 9, 0), normal(41, 9, 1, 0.3)
  assert kernel_distance.mmd2(a, b) == pytest.approx(by_definition(a, b), rel=1e-10)
  assert kernel_distance.kid(a[:41], b, subsets=3, subset_size=41) == (
    pytest.approx(by_definition(a[:41], b), rel=1e-10),
    pytest.approx(0, abs=1e-12),
  )


def test_no_bias():
  """Over resamplings of one distribution the mean is 0 within its error; with the diagonal it would not be."""
  values = [kernel_distance.mmd2(normal(20, 5, 2 * i), normal(30, 5, 2 * i + 1)) for i in range(400)]
  error = np.std(values) / np.sqrt(len(values))
  assert abs(np.mean(values)) < 3 * error
  own = np.mean([np.mean((np.sum(normal(20, 5, i) ** 2, 1) / 5 + 1) ** 3) / 20 for i in range(50)])
  assert own > 10 * error  # what the biased estimator adds for one set would be seen


def test_closed_form_of_a_shift():
  """In one dimension E (xy + 1)^3 is made of the first three moments of two normal distributions."""
  shift = 0.5

  def mean_kernel(mean_x, mean_y):  # E (xy + 1)^3 of independent x and y
    def moments(m):
      return m, 1 + m**2, 3 * m + m**3

    x, y = moments(mean_x), moments(mean_y)
    return x[2] * y[2] + 3 * x[1] * y[1] + 3 * x[0] * y[0] + 1

  expected = mean_kernel(0, 0) + mean_kernel(shift, shift) - 2 * mean_kernel(0, shift)
  found = kernel_distance.mmd2(normal(4000, 1, 0), normal(4000, 1, 1, shift))
  assert found == pytest.approx(expected, rel=0.15)


def test_subsets_are_those_of_their_seed():
  a, b = normal(200, 6, 0), normal(300, 6, 1, 0.5)
  first, again, other = (kernel_distance.kid(a, b, subsets=20, subset_size=50, seed=seed) for seed in (0, 0, 1))
  assert first == again != other and first[1] > 0
  assert first[0] == pytest.approx(kernel_distance.mmd2(a, b), abs=3 * first[1] / np.sqrt(20) + first[1])


def test_an_interval_covers_the_truth_as_often_as_it_says():
  """95 % of 200 intervals, up to three standard deviations of that count."""
  hits = 0
  for i in range(200):
    low, high = kernel_distance.interval(normal(200, 4, 2 * i), normal(200, 4, 2 * i + 1), subset_size=20)
    hits += low <= 0 <= high
  assert 180 <= hits <= 199


def test_mistakes():
  with pytest.raises(UserError, match='subsets of 100 images needs as many of each kind, and there are 50 and 200'):
    kernel_distance.kid(normal(50, 3, 0), normal(200, 3, 1), subset_size=100)
  with pytest.raises(UserError, match='a subset or more'):
    kernel_distance.kid(normal(50, 3, 0), normal(200, 3, 1), subsets=0, subset_size=10)
  with pytest.raises(UserError, match='two blocks'):
    kernel_distance.interval(normal(50, 3, 0), normal(200, 3, 1), subset_size=26)
  with pytest.raises(ValueError, match=r'\(50, 3\) and \(50, 4\)'):
    kernel_distance.kid(normal(50, 3, 0), normal(50, 4, 1))
