"""Precision, recall, density and coverage: two sets of features, and the balls to each one's k-th nearest neighbour.

The union of the balls around the features of a set stands for its manifold. With r(x) the distance from x to its k-th
nearest other feature of its own set, and "in a ball" open, the centre counted in:

- precision: share of fakes in a real ball (Kynkaanniemi et al. 2019, equation 3);
- recall: share of reals in a fake ball (ibid.);
- density: mean number of real balls that a fake lies in, over k (Naeem et al. 2020, equation 5); may exceed 1;
- manifold_coverage: share of real balls that hold a fake (ibid., equation 6). For fakes as good as reals its mean is
  not 1 but `expected_coverage`: 0.97 for k = 5 and as many fakes as reals.

All distances are float64 and a block of them at a time, so 50,000 x 50,000 never stand in memory.
"""

import numpy as np

from deconv.errors import UserError

ENTRIES = 2**24  # distances that stand in memory at once: 128 MiB
_TIE = 1e-9  # a squared distance within so much of a radius is on the sphere, so outside: two products round apart


def prdc(real, fake, neighbours=5):
  """Precision, recall, density and coverage of fakes.

  Args:
    real: features (n, d) of any float type.
    fake: features (m, d).
    neighbours: k; below both n and m.

  Returns:
    {'precision', 'recall', 'density', 'manifold_coverage'}: floats, shares but for the density. Of a set without
    duplicates and itself all are exactly 1.

  Raises:
    UserError: k is not at least 1 and below the number of features, or a feature is not finite.
    ValueError: shapes that do not fit.
  """
  real, fake = _centred(real, fake)
  real_radii, fake_radii = radii(real, neighbours), radii(fake, neighbours)
  balls_of_fake, covered, recalled = np.zeros(len(fake), np.int64), 0, 0
  for rows, squares in _blocks(real, fake):
    inside = _inside(squares, real_radii[rows, None])
    balls_of_fake += inside.sum(axis=0)
    covered += int(inside.any(axis=1).sum())
    recalled += int(_inside(squares, fake_radii[None]).any(axis=1).sum())
  return {
    'precision': float(np.mean(balls_of_fake > 0)),
    'recall': recalled / len(real),
    'density': float(np.mean(balls_of_fake) / neighbours),
    'manifold_coverage': covered / len(real),
  }


def expected_coverage(num_real, num_fake, neighbours):
  """The mean coverage where fakes and reals are of one distribution (Naeem et al. 2020, lemma 2).

  Of the m fakes and n - 1 other reals, in the order of their distance from a real, the first k places are all taken by
  reals with the probability (n - 1)...(n - k) / ((n + m - 1)...(n + m - k)).

  Args:
    num_real, num_fake: n and m.
    neighbours: k.

  Returns:
    float from 0 to 1.
  """
  k = np.arange(1, neighbours + 1)
  return float(1 - np.prod((num_real - k) / (num_real + num_fake - k)))


def radii(features, neighbours):
  """Squared distances float64 (n,) from each feature (n, d) to its k-th nearest other one.

  Raises:
    UserError: k is not at least 1 and below n.
  """
  if not 1 <= neighbours < len(features):
    raise UserError(
      f'the distance to the {neighbours}. neighbour needs more than {max(neighbours, 1)} images, and there are '
      f'{len(features)}: take more images or fewer neighbours, one or more'
    )
  found = np.empty(len(features))
  for rows, squares in _blocks(features, features):
    squares[np.arange(len(squares)), np.arange(rows.start, rows.stop)] = np.inf
    found[rows] = np.partition(squares, neighbours - 1, axis=1)[:, neighbours - 1]
  return found


def nearest(queries, references, exclude_self=False):
  """The nearest reference of each query.

  Args:
    queries: features (n, d).
    references: features (m, d).
    exclude_self: the two are one array, and a feature is not its own neighbour (m >= 2).

  Returns:
    (distances float64 (n,), indices int64 (n,)).
  """
  queries, references = _centred(queries, references)
  indices = np.empty(len(queries), np.int64)
  for rows, squares in _blocks(queries, references):
    if exclude_self:
      squares[np.arange(len(squares)), np.arange(rows.start, rows.stop)] = np.inf
    indices[rows] = np.argmin(squares, axis=1)
  # From the difference itself: the expanded square cancels for near copies.
  step = max(1, ENTRIES // queries.shape[1])
  parts = [
    np.sum(np.square(queries[i : i + step] - references[indices[i : i + step]]), axis=1)
    for i in range(0, len(queries), step)
  ]
  return np.sqrt(np.concatenate(parts)), indices


def _centred(a, b):
  """Both float64, moved alike: the expanded squares then lose as few digits as they can."""
  a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
  if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
    raise ValueError(f'features {a.shape} and {b.shape} must be (n, d) and (m, d)')
  if not len(a) or not len(b):
    raise UserError(f'there are {len(a)} and {len(b)} images: take one or more of each kind')
  if not (np.isfinite(a).all() and np.isfinite(b).all()):
    raise UserError('a feature is not finite: look at the images, or at the weights of the network')
  origin = a.mean(axis=0)
  return a - origin, b - origin


def _blocks(a, b):
  """Yields (slice of the rows of a, squared distances float64 (rows, len(b)) from these to all of b)."""
  norms_a, norms_b = (np.einsum('nd,nd->n', x, x) for x in (a, b))
  step = max(1, ENTRIES // len(b))
  for start in range(0, len(a), step):
    rows = slice(start, min(start + step, len(a)))
    squares = a[rows] @ b.T
    squares *= -2
    squares += norms_a[rows, None]
    squares += norms_b
    # What is within rounding of 0 is 0: copies lie exactly in the centre.
    scale = 64 * np.finfo(np.float64).eps * (norms_a[rows, None] + norms_b)
    squares[squares < scale] = 0
    yield rows, squares


def _inside(squares, radii):
  return (squares < radii * (1 - _TIE)) | (squares == 0)
