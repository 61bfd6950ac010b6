"""The order of the images: a pure function of (seed, step)."""
import functools

import numpy as np

# Names of the random streams, so that no two draws share their numbers.
_SHUFFLE, _FLIP = 1, 2


def _random(seed, stream, *counters):
  # RandomState, not Generator: numpy promises that its numbers never change (NEP 19), so an old run can be resumed.
  words = (seed, stream, *counters)
  return np.random.RandomState([half for word in words for half in (word & 0xffffffff, (word >> 32) & 0xffffffff)])


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
  return _permutation(num_images, seed, epoch)[place * batch_size:(place + 1) * batch_size]


def flips(batch_size, seed, step):
  """Booleans (batch_size,): which images of the step are mirrored."""
  return _random(seed, _FLIP, step).randint(0, 2, batch_size).astype(bool)
