"""The two scales of pixels: uint8 in [0, 255] on the host, floats in [-1, 1] in the network."""

import jax
import jax.numpy as jnp
import numpy as np


def to_signed(images, dtype=jnp.float32):
  """Scales uint8 images in [0, 255], any shape, to floats in [-1, 1], on the device: 0 -> -1, 255 -> 1.

  Floats, the points of deconv.data.rendered.gaussians, keep their values.
  """
  images = jnp.asarray(images)
  if jnp.issubdtype(images.dtype, jnp.floating):
    return images.astype(dtype)
  # In float32 whatever the result's type, and subtracted before the division: 2 x - 255 is exact, so that black and
  # white are treated alike, and the levels near grey, where x / 127.5 - 1 cancels, keep all their digits.
  return ((2.0 * jnp.asarray(images, jnp.float32) - 255.0) / 255.0).astype(dtype)


def to_uint8(images):
  """Scales floats in [-1, 1], any shape, to uint8 in [0, 255], rounded and clipped; numpy in, numpy out, else jax.

  Inverse of `to_signed` for float32. Not-a-number becomes 0.
  """
  xp = jnp if isinstance(images, jax.Array) else np
  images = xp.nan_to_num(xp.asarray(images, xp.float32), nan=-1.0, posinf=1.0, neginf=-1.0)
  return xp.clip(xp.round((images + 1.0) * 127.5), 0, 255).astype(xp.uint8)
