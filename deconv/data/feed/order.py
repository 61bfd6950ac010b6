"""The order of the images: a pure function of (seed, step)."""

import functools

import numpy as np

# Names of the random streams, so that no two draws share their numbers.
_SHUFFLE, _FLIP, _VARY = 1, 2, 3


def _random(seed, stream, *counters):
  # RandomState, not Generator: numpy promises that its numbers never change (NEP 19), so an old run can be resumed.
  words = (seed, stream, *counters)
  return np.random.RandomState([half for word in words for half in (word & 0xFFFFFFFF, (word >> 32) & 0xFFFFFFFF)])


@functools.lru_cache(maxsize=4)
def _permutation(num_images, seed, epoch):
  permutation = _random(seed, _SHUFFLE, epoch).permutation(num_images)
  permutation.flags.writeable = False
  return permutation


def epoch_indices(num_images, batch_size, seed, step):
  """Indices (batch_size,) of the images of one step.

  Every epoch is a new permutation; its last `num_images % batch_size` images are left out.
  """
  epoch, place = divmod(step, num_images // batch_size)
  return _permutation(num_images, seed, epoch)[place * batch_size : (place + 1) * batch_size]


def flips(batch_size, seed, step):
  """Booleans (batch_size,): which images of the step are mirrored."""
  return _random(seed, _FLIP, step).randint(0, 2, batch_size).astype(bool)


def varying_factors(sizes, weights, batch_size, seed, step):
  """The minibatch of one step in which a single factor varies (Kulkarni et al. 2015, section 3.1).

  Args:
    sizes: number of values of each factor.
    weights: of the factors, one of which is drawn; not negative, not all 0.
    batch_size: images.
    seed, step: of the draw.

  Returns:
    (factors int (batch_size, len(sizes)), which one varies): the others are drawn once, this one anew for each image.
  """
  random = _random(seed, _VARY, step)
  varies = int(np.searchsorted(np.cumsum(weights) / np.sum(weights), random.random_sample(), side='right'))
  factors = np.tile([random.randint(0, size) for size in sizes], (batch_size, 1))
  factors[:, varies] = random.randint(0, sizes[varies], batch_size)
  return factors, varies
