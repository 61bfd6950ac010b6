"""The eight flips and quarter turns of a square, on the device: they change no pixel's value."""

import jax
import jax.numpy as jnp


def dihedral(images, keys):
  """Turns each image by one of the eight symmetries of the square, all as likely.

  Args:
    images: (b, side, side, c), any dtype.
    keys: PRNG keys (b,).

  Returns:
    The shape and dtype of images.

  Raises:
    ValueError: the images are not square.
  """
  if images.shape[1] != images.shape[2]:
    raise ValueError(f'dihedral: images must be square, not {images.shape[1]}x{images.shape[2]}')
  drawn = jax.vmap(lambda key: jax.random.bernoulli(key, jnp.float32(0.5), (3,)))(keys)
  swap, down, across = drawn.T[..., None, None, None]
  images = jnp.where(swap, images.swapaxes(1, 2), images)
  images = jnp.where(down, images[:, ::-1], images)
  return jnp.where(across, images[:, :, ::-1], images)
