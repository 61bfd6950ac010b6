"""Precision, recall, density and coverage: by hand, by scikit-learn's neighbours, and in expectation."""

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from deconv.errors import UserError
from deconv.metrics import manifold


def normal(n, d, seed, shift=0.0):
  return np.random.default_rng(seed).normal(size=(n, d)) + shift


def line(*places):
  return np.array(places, float)[:, None]


def by_definition(real, fake, k):
  real_radii, fake_radii = (NearestNeighbors(n_neighbors=k + 1).fit(x).kneighbors(x)[0][:, k] for x in (real, fake))
  apart = np.linalg.norm(real[:, None] - fake[None], axis=-1)
  in_real, in_fake = apart < real_radii[:, None], apart < fake_radii[None]
  return {
    'precision': in_real.any(0).mean(),
    'recall': in_fake.any(1).mean(),
    'density': in_real.sum(0).mean() / k,
    'manifold_coverage': in_real.any(1).mean(),
  }


@pytest.mark.parametrize('k', [1, 5])
@pytest.mark.parametrize('entries', [2**24, 700])
def test_equals_a_plain_loop(k, entries, monkeypatch):
  monkeypatch.setattr(manifold, 'ENTRIES', entries)
  real, fake = normal(120, 3, 0), 0.8 * normal(90, 3, 1, 0.4)
  expected = by_definition(real, fake, k)
  assert all(0.05 < value < 1.5 for value in expected.values())
  found = manifold.prdc(real, fake, neighbours=k)
  assert set(found) == set(expected)
  for name, value in expected.items():
    assert found[name] == pytest.approx(value, rel=1e-12), name
  moved = manifold.prdc((real + 1e4).astype(np.float32), (fake + 1e4).astype(np.float32), neighbours=k)
  assert moved == pytest.approx(found, abs=0.05)  # float32 features far from the origin: no more is lost than there


def test_by_hand():
  """Reals at 0, 1, 2, 10 with k = 1 have the radii 1, 1, 1, 8; fakes at 0.5, 0.6, 30 have 0.1, 0.1, 29.4."""
  found = manifold.prdc(line(0, 1, 2, 10), line(0.5, 0.6, 30), neighbours=1)
  # 0.5 and 0.6 lie in the balls of 0 and 1; 30 in none. The ball of 2 reaches to 1, that of 10 to 2.
  assert found['precision'] == pytest.approx(2 / 3)
  assert found['density'] == pytest.approx((2 + 2 + 0) / 3)
  assert found['manifold_coverage'] == pytest.approx(2 / 4)
  # The ball of the fake at 30 reaches to 0.6: 1, 2 and 10 are in it, and 0 is in none.
  assert found['recall'] == pytest.approx(3 / 4)


def test_each_number_alone():
  clusters = np.concatenate([normal(50, 2, 0), normal(50, 2, 1, 100)])
  one = normal(100, 2, 2)  # good samples of one cluster of two
  found = manifold.prdc(clusters, one)
  assert found['precision'] > 0.9 and 0.3 < found['recall'] <= 0.5 and 0.3 < found['manifold_coverage'] <= 0.5
  outlier = np.concatenate([normal(50, 2, 3), [[40.0, 40.0]]])  # what spoils precision: density is robust to it
  spread = np.random.default_rng(4).uniform(0, 40, (100, 2))
  found = manifold.prdc(outlier, spread)
  assert found['precision'] > 0.3 and found['density'] < found['precision']
  found = manifold.prdc(normal(50, 2, 0), normal(50, 2, 1, 1000))
  assert found == {'precision': 0, 'recall': 0, 'density': 0, 'manifold_coverage': 0}


@pytest.mark.parametrize('d', [2, 300])
def test_a_set_and_itself(d):
  x = normal(200, d, 0, shift=5)
  assert manifold.prdc(x, x.copy()) == {'precision': 1, 'recall': 1, 'density': 1, 'manifold_coverage': 1}
  shuffled = x[np.random.default_rng(1).permutation(200)]
  assert manifold.prdc(x, shuffled) == {'precision': 1, 'recall': 1, 'density': 1, 'manifold_coverage': 1}
  copies = np.repeat(x[:3], 50, axis=0)  # a collapsed set: every radius is 0
  found = manifold.prdc(copies, copies)
  assert found['precision'] == found['recall'] == found['manifold_coverage'] == 1


def test_coverage_of_one_distribution_is_as_expected():
  assert manifold.expected_coverage(10**6, 10**6, 5) == pytest.approx(1 - 2**-5, rel=1e-4)
  assert manifold.expected_coverage(2, 1, 1) == pytest.approx(1 / 2)  # which of the two others is nearer?
  values = [
    manifold.prdc(normal(60, 2, i), normal(40, 2, 1000 + i), neighbours=3)['manifold_coverage'] for i in range(60)
  ]
  error = np.std(values) / np.sqrt(len(values))
  assert np.mean(values) == pytest.approx(manifold.expected_coverage(60, 40, 3), abs=3 * error)


def test_nearest_against_scikit_learn(monkeypatch):
  monkeypatch.setattr(manifold, 'ENTRIES', 300)
  queries, references = normal(40, 5, 0), normal(70, 5, 1)
  distances, indices = manifold.nearest(queries, references)
  expected = NearestNeighbors(n_neighbors=1).fit(references).kneighbors(queries)
  np.testing.assert_array_equal(indices, expected[1][:, 0])
  np.testing.assert_allclose(distances, expected[0][:, 0], rtol=1e-12)
  own, _ = manifold.nearest(references, references, exclude_self=True)
  np.testing.assert_allclose(own, NearestNeighbors(n_neighbors=2).fit(references).kneighbors(references)[0][:, 1])


def test_mistakes():
  with pytest.raises(UserError, match='the 5. neighbour needs more than 5 images, and there are 5'):
    manifold.prdc(normal(5, 2, 0), normal(50, 2, 1))
  with pytest.raises(UserError, match='one or more'):
    manifold.prdc(normal(50, 2, 0), normal(50, 2, 1), neighbours=0)
  with pytest.raises(ValueError, match='must be'):
    manifold.prdc(normal(50, 2, 0), normal(50, 3, 1))
  with pytest.raises(UserError, match='not finite'):
    manifold.prdc(normal(50, 2, 0), normal(50, 2, 1, np.nan))
