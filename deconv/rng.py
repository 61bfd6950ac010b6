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


def streams(keys, name):
  """As `stream`, of each key of an array (n,): (n,)."""
  return jax.vmap(lambda key: stream(key, name))(keys)


def noise_keys(batch, key):
  """Returns {'noise_key': uint32 (batch, 2)}: the data of one random key per image, from which all its noise comes.

  So an image's random numbers do not depend on the batch or the device that it is in, and sums over any split of the
  data are the same. `jax.random.wrap_key_data` turns them into keys again.

  Args:
    batch: 'image' (batch, ...).
    key: PRNG key.
  """
  return {'noise_key': jax.random.key_data(jax.random.split(key, len(batch['image'])))}
