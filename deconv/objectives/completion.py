"""The context loss of semantic completion (Yeh et al. 2017, section 3.2); the prior loss is Objective.prior."""

from jax import lax
import jax.numpy as jnp


def neighbourhood_weights(hole, window):
  """Weights of the known pixels: the share of missing ones around each (Yeh et al. 2017, equation 3).

  A neighbourhood is the square around a pixel, the pixel included, as far as the image reaches.

  Args:
    hole: (b, h, w, 1), above 0 where it is missing.
    window: side of the square in pixels, odd.

  Returns:
    float32 (b, h, w, 1) in [0, 1]; 0 in the hole.
  """
  missing = (jnp.asarray(hole) > 0).astype(jnp.float32)

  def total(x):
    return lax.reduce_window(x, 0.0, lax.add, (1, window, window, 1), (1, 1, 1, 1), 'SAME')

  return (1 - missing) * total(missing) / total(jnp.ones_like(missing))


def context(images, targets, weights):
  """The weighted absolute error, a sum over pixels and channels (Yeh et al. 2017, equation 4): float32 (b,).

  Args:
    images, targets: (b, h, w, c) in [-1, 1].
    weights: (b, h, w, 1), of `neighbourhood_weights`.
  """
  return jnp.sum(weights * jnp.abs(images.astype(jnp.float32) - targets), axis=(1, 2, 3))
