"""Kernel distance between two sets of features, without bias at any number of them: KID.

The squared maximum mean discrepancy (Gretton et al. 2012, lemma 6) with the cubic kernel k(x, y) = (x . y / d + 1)^3
of d features (Binkowski et al. 2018, section 4). The estimator is unbiased, so for two sets of one distribution it is
negative as often as positive.
"""

import numpy as np

from deconv.errors import UserError
from deconv.metrics.intervals import half_width

_ENTRIES = 2**22  # of a block of the kernel matrix, which bounds the memory to 32 MiB


def kid(a, b, subsets=100, subset_size=1000, seed=0):
  """Kernel distance as it is published: mean and standard deviation over random subsets.

  Subsets overlap, so their standard deviation is no error of the mean: see `interval` for one.

  Args:
    a, b: features (n, d) and (m, d) of any float type.
    subsets: number of pairs of subsets.
    subset_size: features in each, drawn without replacement.
    seed: of the subsets.

  Returns:
    (mean, standard deviation) of the unbiased squared discrepancies, two floats.

  Raises:
    UserError: a set has fewer than `subset_size` features, or one that is not finite.
    ValueError: shapes that do not fit.
  """
  a, b = _matrices(a, b)
  if subsets < 1 or subset_size < 2:
    raise UserError(f'KID needs a subset or more, of two or more images: not {subsets} of {subset_size}')
  _check_size(a, b, subset_size)
  random = np.random.default_rng(seed)
  values = [
    mmd2(*(x[random.choice(len(x), subset_size, replace=False)] if len(x) > subset_size else x for x in (a, b)))
    for _ in range(subsets)
  ]
  return float(np.mean(values)), float(np.std(values))


def interval(a, b, subset_size=1000, seed=0, level=0.95):
  """An interval that covers the true kernel distance at a given rate, from subsets that share no feature.

  Both sets are shuffled and cut into blocks; the distances of pairs of blocks are independent and unbiased (Zaremba et
  al. 2013), so their mean has a Student interval.

  Args:
    a, b: features (n, d) and (m, d).
    subset_size: features in a block.
    seed: of the order.
    level: rate.

  Returns:
    (low, high), two floats around the mean of the blocks.

  Raises:
    UserError: fewer than two blocks.
  """
  a, b = _matrices(a, b)
  number = min(len(a), len(b)) // subset_size
  if number < 2:
    raise UserError(
      f'an interval of KID needs two blocks of {subset_size} images or more, and there are {min(len(a), len(b))} '
      'images: take more of them or smaller blocks'
    )
  random = np.random.default_rng(seed)
  a, b = (x[random.permutation(len(x))[: number * subset_size]].reshape(number, subset_size, -1) for x in (a, b))
  values = [mmd2(*pair) for pair in zip(a, b)]
  half, mean = half_width(values, level), float(np.mean(values))
  return mean - half, mean + half


def mmd2(a, b):
  """Unbiased squared maximum mean discrepancy of two sets, block by block of the kernel matrix.

  Args:
    a, b: features (n, d) and (m, d), two or more each.

  Returns:
    float; 0 in the mean for two sets of one distribution.
  """
  a, b = _matrices(a, b)
  _check_size(a, b, 2)
  return float(_within(a) + _within(b) - 2 * _kernel_sum(a, b) / (len(a) * len(b)))


def _within(x):
  """Mean of k over the pairs of different features of one set."""
  own = np.sum(_kernel(np.einsum('nd,nd->n', x, x), x.shape[1]))
  return (_kernel_sum(x, x) - own) / (len(x) * (len(x) - 1))


def _kernel_sum(a, b):
  """Sum of k over all pairs."""
  step = max(1, _ENTRIES // len(b))
  return sum(np.sum(_kernel(a[i : i + step] @ b.T, a.shape[1])) for i in range(0, len(a), step))


def _kernel(products, size):
  """(x . y / d + 1)^3 of inner products."""
  base = products / size + 1
  return base * base * base  # ten times as fast as a power


def _check_size(a, b, least):
  if min(len(a), len(b)) < least:
    raise UserError(
      f'KID on subsets of {least} images needs as many of each kind, and there are {len(a)} and {len(b)}: take more '
      'images or smaller subsets'
    )


def _matrices(a, b):
  a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
  if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
    raise ValueError(f'features {a.shape} and {b.shape} must be (n, d) and (m, d)')
  if not (np.isfinite(a).all() and np.isfinite(b).all()):
    raise UserError('a feature is not finite: look at the images, or at the weights of the network')
  return a, b
