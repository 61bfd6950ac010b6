"""Named random streams: every random number is a function of (seed, step, name)."""
import zlib

import jax


def stream(key, name):
  """Derives the random key of one purpose, such as 'latent' or 'dropout', from the key of a step.

  Adding a stream leaves the numbers of the others as they were, unlike `jax.random.split`.

  Args:
    key: PRNG key.
    name: str, the purpose.

  Returns:
    PRNG key.
  """
  return jax.random.fold_in(key, zlib.crc32(name.encode()))
