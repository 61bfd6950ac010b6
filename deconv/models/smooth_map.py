"""The smooth map of an image: what changes slowly in it, so that the sparse maps need not explain it.

Beside its sparse maps a first layer may have one map z0 for each channel. It is convolved with a filter of equal values
and norm 1, as large as the layer's own, and its gradient has a quadratic penalty instead of the sparse one (the z0 map
of the Deconvolutional Networks toolbox of Zeiler et al. 2010, fast_z0.m):

  data_weight / 2 * sum of weights * (reconstruction of z + mean of z0 - image)^2 + smooth_weight / 2 * |gradient z0|^2

Everything is linear in z0, so conjugate gradients find it. Shapes: images (batch, h, w, c); z0 (batch, h + f - 1,
w + f - 1, c) for filters of side f.
"""

import jax
import jax.numpy as jnp
import numpy as np

from deconv.models.sparse_inference import conjugate_gradients

NAME = 'smooth'  # its key beside the names of the layers


def spread(smooth, side):
  """Returns z0 convolved with its filter of side x side, where that is whole: (batch, h, w, c)."""
  return _sums(smooth, side, padding=0)


def gather(images, side):
  """Returns the adjoint of `spread`: (batch, h, w, c) -> (batch, h + side - 1, w + side - 1, c)."""
  return _sums(images, side, padding=side - 1)


def _sums(x, side, padding):
  window, around = (1, side, side, 1), ((0, 0), (padding, padding), (padding, padding), (0, 0))
  # NumPy's zero: an array of JAX would hide from it that this is a sum, whose gradient it knows.
  return jax.lax.reduce_window(x, np.float32(0), jax.lax.add, window, (1, 1, 1, 1), around) / side


def roughness(smooth):
  """Returns |gradient z0|^2 of each image, differences of neighbours down and across: (batch,)."""
  return sum(jnp.sum(jnp.square(jnp.diff(smooth, axis=axis)), axis=(1, 2, 3)) for axis in (1, 2))


def _laplacian(smooth):
  """Half the gradient of `roughness`."""
  found = jnp.zeros_like(smooth)
  for axis in (1, 2):
    around = [(1, 1) if i == axis else (0, 0) for i in range(4)]
    found -= jnp.diff(jnp.pad(jnp.diff(smooth, axis=axis), around), axis=axis)
  return found


def solve(images, weights, start, side, data_weight, smooth_weight, steps):
  """Improves z0 by conjugate gradients, for the images less what the sparse maps say of them.

  Args:
    images: (batch, h, w, c).
    weights: of the pixels, from 0 to 1, in a shape that goes with images.
    start: (batch, h + side - 1, w + side - 1, c).
    side: of the filter.
    data_weight, smooth_weight: above 0.
    steps: iterations.

  Returns:
    z0; the objective does not rise.
  """

  def operator(smooth):
    return data_weight * gather(weights * spread(smooth, side), side) + smooth_weight * _laplacian(smooth)

  return conjugate_gradients(operator, data_weight * gather(weights * images, side), start, steps)[0]
