"""The Frechet distance against closed forms, against SciPy's matrix root, and by its own laws."""

import numpy as np
import pytest
from scipy import linalg

from deconv.errors import UserError
from deconv.metrics import frechet


def features(n, d, seed, scale=1.0, shift=0.0):
  random = np.random.default_rng(seed)
  return random.normal(size=(n, d)) @ random.normal(size=(d, d)) * scale + shift


def with_root_of_scipy(a, b):
  """The definition, with a general matrix square root of the product (Schur)."""
  cov_a, cov_b = (np.atleast_2d(np.cov(x, rowvar=False)) for x in (a, b))
  root = linalg.sqrtm(cov_a @ cov_b)
  return np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(cov_a + cov_b - 2 * np.real(root))


def test_diagonal_gaussians_have_a_closed_form():
  random = np.random.default_rng(0)
  means, deviations = random.normal(size=(2, 50)), random.uniform(0.1, 3, (2, 50))
  expected = np.sum((means[0] - means[1]) ** 2) + np.sum((deviations[0] - deviations[1]) ** 2)
  found = frechet.of_gaussians(means[0], np.diag(deviations[0] ** 2), means[1], np.diag(deviations[1] ** 2))
  assert found == pytest.approx(expected, rel=1e-12)
  # Turned alike, they are as far apart.
  turn, _ = np.linalg.qr(random.normal(size=(50, 50)))
  turned = [part for mean, dev in zip(means, deviations) for part in (turn @ mean, turn @ np.diag(dev**2) @ turn.T)]
  assert frechet.of_gaussians(*turned) == pytest.approx(expected, rel=1e-12)


def test_samples_of_two_gaussians_come_to_the_closed_form():
  random = np.random.default_rng(1)
  a, b = random.normal(size=(200_000, 4)), 2 * random.normal(size=(200_000, 4)) + np.array([3, 0, 0, 0])
  assert frechet.distance(a, b) == pytest.approx(9 + 4 * 1, rel=0.01)


@pytest.mark.parametrize('d', [1, 7, 64])
def test_random_features_against_scipy(d):
  a, b = features(300, d, 0), features(200, d, 1, 1.3, 0.2)
  expected = with_root_of_scipy(a, b)
  assert frechet.distance(a, b) == pytest.approx(expected, rel=1e-9)
  assert frechet.distance(b, a) == pytest.approx(expected, rel=1e-9)
  assert frechet.distance(a.astype(np.float32), b.astype(np.float32)) == pytest.approx(expected, rel=1e-5)


def test_nothing_between_a_set_and_itself():
  """Also where features repeat each other or never vary, so that the covariances are singular."""
  a = features(400, 30, 2, scale=10)
  singular = np.concatenate([a, a[:, :5], np.ones((400, 8)), 1e-4 * a[:, 5:9]], axis=1)
  for x in (a, singular):
    assert frechet.distance(x, x) < 1e-9 * np.trace(np.cov(x, rowvar=False))
  # A shift is all that there is between them.
  assert frechet.distance(singular, singular + 2) == pytest.approx(4 * singular.shape[1], rel=1e-9)


def test_batches_devices_and_order_do_not_matter():
  a, b = features(1000, 20, 3, shift=100), features(700, 20, 4, shift=101)
  whole = frechet.distance(a, b)
  parts = [frechet.Moments() for _ in range(4)]  # of four processes, one of which sees nothing
  for i, batch in enumerate(np.array_split(a[np.random.default_rng(0).permutation(1000)], 37)):
    parts[i % 3].add(batch.astype(np.float64))
  total = frechet.Moments()
  for part in reversed(parts):
    total.merge(part)
  assert total.count == 1000
  np.testing.assert_allclose(total.covariance, np.cov(a, rowvar=False), rtol=1e-9, atol=1e-9)
  assert frechet.distance(total, b) == pytest.approx(whole, rel=1e-10)
  again = frechet.Moments(total.mean, total.scatter, total.count)  # as from a file
  assert frechet.distance(again, frechet.Moments().add(b)) == frechet.distance(total, b)


def test_merging_leaves_the_other_alone():
  a, b = frechet.Moments(), frechet.Moments().add(features(10, 3, 0))
  before = b.scatter.copy()
  a.merge(b).add(features(5, 3, 1))
  np.testing.assert_array_equal(b.scatter, before)


def test_too_few_images_name_the_kernel_distance():
  with pytest.raises(UserError, match='at least as many images as features, here 19 and 20.*KID'):
    frechet.distance(features(19, 20, 0), features(100, 20, 1))
  assert frechet.distance(features(20, 20, 0), features(100, 20, 1)) > 0
  with pytest.raises(UserError, match='KID'):
    frechet.distance(frechet.Moments(), features(100, 20, 1))


def test_an_imaginary_root_and_a_broken_feature_are_refused():
  good, bad = np.diag([1.0, 2.0]), np.diag([1.0, -0.1])
  with pytest.raises(UserError, match='eigenvalue -0.1 .* imaginary'):
    frechet.of_gaussians(np.zeros(2), good, np.zeros(2), bad)
  assert frechet.of_gaussians(np.zeros(2), good, np.zeros(2), np.diag([1.0, -1e-12])) == pytest.approx(2, rel=1e-6)
  broken = features(50, 3, 0)
  broken[7, 1] = np.nan
  with pytest.raises(UserError, match='not finite'):
    frechet.distance(broken, features(50, 3, 1))


def test_extrapolation_has_less_bias():
  """Two sets of one Gaussian are 0 apart; at a finite n the distance is above."""
  random = np.random.default_rng(5)
  real = frechet.Moments().add(random.normal(size=(100_000, 40)))
  found = [frechet.extrapolate(real, random.normal(size=(4000, 40)), least=400, seed=i) for i in range(4)]
  at_n, at_infinity = (np.mean([f]) for f in ([f.distances[-1] for f in found], [f.distance for f in found]))
  assert at_n > 0.1 and abs(at_infinity) < at_n / 10
  assert found[0].counts[0] == 400 and found[0].counts[-1] == 4000 and len(found[0].counts) == 15
  assert 0 < found[0].error < 0.05
  with pytest.raises(UserError, match='too few to extrapolate'):
    frechet.extrapolate(real, random.normal(size=(700, 40)), least=400)
