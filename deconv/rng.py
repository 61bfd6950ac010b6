"""Named random streams: every random number is a function of (seed, step, name)."""

from collections.abc import Mapping
import functools
from typing import Any
import zlib

import jax
from jax.extend.random import threefry_2x32
import jax.numpy as jnp
import numpy as np


def stream(key: jax.Array, name: str) -> jax.Array:
  """Derives the random key of one purpose, such as 'latent' or 'dropout', from the key of a step.

  Adding a stream leaves the numbers of the others as they were, unlike `jax.random.split`.

  Args:
    key: PRNG key.
    name: str, the purpose.

  Returns:
    PRNG key.
  """
  return jax.random.fold_in(key, zlib.crc32(name.encode()))


def streams(keys: jax.Array, name: str) -> jax.Array:
  """As `stream`, of each key of an array (n,): (n,)."""
  derived: jax.Array = jax.vmap(lambda key: stream(key, name))(keys)
  return derived


def noise_keys(batch: Mapping[str, Any], key: jax.Array) -> dict[str, jax.Array]:
  """Returns {'noise_key': uint32 (batch, 2)}: the data of one random key per image, from which all its noise comes.

  So an image's random numbers do not depend on the batch or the device that it is in, and sums over any split of the
  data are the same. `jax.random.wrap_key_data` turns them into keys again.

  Args:
    batch: 'image' (batch, ...).
    key: PRNG key.
  """
  return {'noise_key': jax.random.key_data(jax.random.split(key, len(batch['image'])))}


# Numbers that one call of `_piece` draws: a network has kernels of very different sizes.
_PIECE = 2**15


@functools.partial(jax.jit, static_argnames=('scale', 'size', 'mean'))
def scaled_normal(key: jax.Array, scale: float, size: int, mean: float = 0.0) -> jax.Array:
  """Returns mean + scale * jax.random.normal(key, (size,)), float32; a call by itself in a program that is traced.

  Args:
    key: PRNG key.
    scale: float.
    size: int.
    mean: float.
  """
  drawn = scale * jax.random.normal(key, (size,), jnp.float32)
  return mean + drawn if mean else drawn


def scaled_normal_on_host(key_data: jax.Array, scale: float, size: int, mean: float = 0.0) -> np.ndarray:
  """Returns the numbers of `scaled_normal`, bit for bit, by one small program that serves all sizes and scales.

  Number i is a function of the key and i alone, so they can be drawn piece by piece.

  Args:
    key_data: uint32 (2,), of a key of the kind 'threefry2x32'; `jax_threefry_partitionable` has to be set.
    scale: float.
    size: int.
    mean: float.
  """
  piece = _piece_around if mean else _piece
  numbers = np.float32(scale), np.float32(mean)
  pieces = [piece(key_data, np.uint32(start), *numbers) for start in range(0, size, _PIECE)]
  return np.concatenate([np.zeros(0, np.float32), *map(np.asarray, pieces)])[:size]


@jax.jit
def _piece(key_data: jax.Array, start: jax.Array, scale: jax.Array, mean: jax.Array) -> jax.Array:
  """Numbers start, start + 1, ... with mean 0; the steps are those of jax.random."""
  del mean
  low = start + jnp.arange(_PIECE, dtype=jnp.uint32)  # the high words are 0
  first, second = jnp.split(threefry_2x32(key_data, jnp.concatenate([jnp.zeros_like(low), low])), 2)
  from_one_to_two = ((first ^ second) >> np.uint32(9)) | np.float32(1).view(np.uint32)
  from_zero = jax.lax.bitcast_convert_type(from_one_to_two, jnp.float32) - np.float32(1)
  least = np.nextafter(np.float32(-1), np.float32(0))
  uniform = jnp.maximum(least, from_zero * (np.float32(1) - least) + least)
  return scale * (np.float32(np.sqrt(2)) * jax.lax.erf_inv(uniform))


@jax.jit
def _piece_around(key_data: jax.Array, start: jax.Array, scale: jax.Array, mean: jax.Array) -> jax.Array:
  """As `_piece`, around a mean. The sum belongs into the program: it and the product before it are rounded once."""
  return mean + _piece(key_data, start, scale, mean)
