"""Frechet distance between Gaussians fitted to two sets of features: FID, where the features are those of Inception.

  d^2 = |m_a - m_b|^2 + tr(A) + tr(B) - 2 tr((A B)^(1/2))     (Dowson & Landau 1982; Heusel et al. 2017, equation 6)

with means m and covariances A, B (denominator n - 1). The trace of the root is the sum of the square roots of the
eigenvalues of A^(1/2) B A^(1/2), a symmetric matrix with the eigenvalues of A B; these roots are computed as singular
values of B^(1/2) A^(1/2). So no root of a negative number is ever taken, and what a general matrix square root reports
as an imaginary part is seen where it arises: as negative eigenvalues of A or B, which are refused if they are more
than rounding. Everything is float64 on the host.

A covariance of n features has rank n - 1 at most. Where that is below their dimension the distance is that of two
subspaces; it is refused, and the kernel distance (kernel_distance.py), which has no bias at any n, is named instead.
"""

from typing import NamedTuple

import numpy as np

from deconv.errors import UserError

_NEGATIVE = 1e-6  # an eigenvalue below so much of the largest, with a minus sign, is no rounding


class Moments:
  """Number, mean and scatter of features, batch by batch: 50,000 features need no more memory than their covariance.

  Two of them, of two devices or processes, are added by `merge`. Sums are centred (Chan, Golub & LeVeque 1983), so
  neither the order nor the sizes of the batches move a digit that is printed.

  Args:
    mean: float (d,), of features that were counted before; None = there are none.
    scatter: float (d, d), the sum of outer products of their deviations from the mean.
    count: how many they are.

  Attributes:
    count, mean, scatter: the same, mean and scatter float64; None before the first feature.
  """

  def __init__(self, mean=None, scatter=None, count=0):
    self.count = count
    self.mean = None if mean is None else np.asarray(mean, np.float64)
    self.scatter = None if scatter is None else np.asarray(scatter, np.float64)

  def add(self, features):
    """Adds features (n, d) of any float type, and returns self.

    Raises:
      ValueError: another shape than (n, d).
      UserError: a feature is not finite.
    """
    features = _matrix(features)
    if not len(features):
      return self
    mean = features.mean(axis=0)
    centred = features - mean
    return self.merge(Moments(mean, centred.T @ centred, len(features)))

  def merge(self, other):
    """Adds the features that another one has counted, and returns self."""
    if not other.count:
      return self
    if not self.count:
      self.count, self.mean, self.scatter = other.count, other.mean.copy(), other.scatter.copy()
      return self
    if self.mean.shape != other.mean.shape:
      raise ValueError(f'features of {len(self.mean)} and {len(other.mean)} dimensions have no common moments')
    total, apart = self.count + other.count, other.mean - self.mean
    self.scatter += other.scatter
    self.scatter += np.outer(apart, apart * (self.count * other.count / total))
    self.mean = self.mean + apart * (other.count / total)
    self.count = total
    return self

  @property
  def covariance(self):
    """The unbiased covariance float64 (d, d)."""
    if self.count < 2:
      raise UserError(f'{self.count} features have no covariance; give two or more')
    return self.scatter / (self.count - 1)


class Extrapolated(NamedTuple):
  """A distance at infinitely many samples.

  Attributes:
    distance: intercept of the line through the distances over 1 / n.
    error: its standard error.
    counts: n of each distance.
    distances: of so many samples each.
  """

  distance: float
  error: float
  counts: list
  distances: list


def distance(a, b):
  """Frechet distance of two sets of features.

  Args:
    a, b: features (n, d) and (m, d) of any float type, or Moments.

  Returns:
    float >= 0, in squares of the features' unit.

  Raises:
    UserError: n or m is below d (use kernel_distance.kid), or a feature is not finite.
    ValueError: shapes that do not fit.
  """
  a, b = (x if isinstance(x, Moments) else Moments().add(x) for x in (a, b))
  for moments in (a, b):
    if moments.mean is None or moments.count < max(2, len(moments.mean)):
      raise UserError(
        f'the Frechet distance needs at least as many images as features, here {moments.count} and '
        f'{0 if moments.mean is None else len(moments.mean)}: take more images, or KID, which has no bias at any '
        'number of them'
      )
  return of_gaussians(a.mean, a.covariance, b.mean, b.covariance)


def of_gaussians(mean_a, cov_a, mean_b, cov_b):
  """Frechet distance of two Gaussians.

  Args:
    mean_a, mean_b: float (d,).
    cov_a, cov_b: float (d, d), symmetric and positive semidefinite up to rounding, of any rank.

  Returns:
    float >= 0.

  Raises:
    UserError: a covariance has a negative eigenvalue that is no rounding: its root would be imaginary.
    ValueError: shapes that do not fit.
  """
  mean_a, mean_b, cov_a, cov_b = (np.asarray(x, np.float64) for x in (mean_a, mean_b, cov_a, cov_b))
  size = len(mean_a)
  if mean_a.shape != (size,) or mean_b.shape != (size,) or cov_a.shape != (size, size) or cov_b.shape != (size, size):
    raise ValueError(f'means {mean_a.shape}, {mean_b.shape} and covariances {cov_a.shape}, {cov_b.shape} do not fit')
  root_a, root_b = _root(cov_a), _root(cov_b)
  # (r_b, r_a): the rank of the product is at most the smaller of the two, and so is the number of singular values.
  shared = np.linalg.svd(root_b.T @ root_a, compute_uv=False).sum() if root_a.size and root_b.size else 0.0
  found = np.sum(np.square(mean_a - mean_b)) + np.trace(cov_a) + np.trace(cov_b) - 2 * shared
  return float(max(found, 0.0))


def extrapolate(a, features, *, points=15, least=5000, seed=0):
  """Frechet distance at infinitely many samples (Chong & Forsyth 2020, section 4): FID_n is linear in 1 / n.

  Distances of the first n of the shuffled features, for `points` numbers n from `least` to all of them, and the line
  through them over 1 / n.

  Args:
    a: features (m, d) of real images, or their Moments; all are used each time.
    features: (n, d) of the images that are judged.
    points: number of distances, two or more; three or more for a standard error.
    least: the smallest n, at least d.
    seed: of the order.

  Returns:
    Extrapolated.

  Raises:
    UserError: fewer features than 2 * least, or what `distance` raises.
  """
  features = _matrix(features)
  if len(features) < 2 * least or points < 2:
    raise UserError(
      f'{len(features)} images are too few to extrapolate from {least} of them by {points} points: take at least '
      f'{2 * least} images and 2 points, or a smaller least number, which must not be below that of the features'
    )
  a = a if isinstance(a, Moments) else Moments().add(a)
  order = np.random.default_rng(seed).permutation(len(features))
  counts = np.linspace(least, len(features), points).astype(int)
  moments, distances = Moments(), []
  for before, count in zip([0, *counts], counts):
    moments.add(features[order[before:count]])
    distances.append(distance(a, moments))
  x = 1 / counts
  slope, intercept = np.polyfit(x, distances, 1)
  squares = np.sum(np.square(distances - intercept - slope * x)) / max(points - 2, 1)
  error = np.sqrt(squares * (1 / points + x.mean() ** 2 / np.sum(np.square(x - x.mean()))))
  return Extrapolated(float(intercept), float(error), [int(n) for n in counts], distances)


def _matrix(features):
  """float64 (n, d), checked."""
  features = np.asarray(features, np.float64)
  if features.ndim != 2:
    raise ValueError(f'features must be (number, dimension), not {features.shape}')
  if not np.isfinite(features).all():
    raise UserError('a feature is not finite: look at the images, or at the weights of the network')
  return features


def _root(covariance):
  """R (d, rank) with R R' = covariance; directions that are rounding alone are left out."""
  values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
  largest = max(values[-1], -values[0])
  if values[0] < -_NEGATIVE * largest:
    raise UserError(
      f'a covariance has the eigenvalue {values[0]:.3g} beside {values[-1]:.3g}: it is none, and its root is '
      'imaginary; compute it again in float64'
    )
  kept = values > len(values) * np.finfo(np.float64).eps * largest
  return vectors[:, kept] * np.sqrt(values[kept])
