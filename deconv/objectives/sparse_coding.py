"""Convolutional sparse coding: the penalty |z|^p, its exact minimiser in one dimension, and the whole objective.

The objective of a layer, an image and its maps z (Zeiler, Krishnan, Taylor & Fergus 2010, equation 2):

  data_weight / 2 * sum of weights * (reconstruction of z - image)^2 + sum of |z|^power

`data_weight` is the paper's lambda. The weights are 1 where a pixel is known and 0 where it is missing.
"""

import jax.numpy as jnp

# From the right of the root, where a convex function falls to it: quadratic, so that five are float32's last digit.
_NEWTON_STEPS = 5


def penalty(maps, power):
  """Returns the sum of |z|^power of each image: maps (batch, height, width, maps) -> (batch,)."""
  size = jnp.abs(maps)
  return jnp.sum(size if power == 1 else size**power, axis=(1, 2, 3))


def objective(maps, reconstruction, images, weights, data_weight, power):
  """Returns the objective of each image, see the top of this file.

  Args:
    maps: (batch, h', w', maps).
    reconstruction: (batch, h, w, c), what the maps stand for.
    images: (batch, h, w, c).
    weights: of the pixels, shape that goes with images.
    data_weight: float.
    power: float, from above 0 to 1.

  Returns:
    (batch,).
  """
  error = jnp.sum(weights * jnp.square(reconstruction - images), axis=(1, 2, 3))
  return data_weight / 2 * error + penalty(maps, power)


def shrink(values, beta, power):
  """Returns the w that minimises |w|^power + beta / 2 (w - value)^2, element by element (equation 5 of the paper).

  power 1 is the soft threshold at 1 / beta. Below 1 there are two candidates: 0, and the larger root of the derivative,
  power * w^(power - 1) + beta (w - |value|), which exists where |value| is large enough. The root is the minimum where
  |value| > t + power / beta * t^(power - 1), t = (2 (1 - power) / beta)^(1 / (2 - power)); there the derivative is
  convex and rises to the right of the root, so that Newton's method from |value| falls to it and to no other (the
  authors' code solves the same equation in a table).

  Args:
    values: any shape.
    beta: > 0, scalar.
    power: float, from above 0 to 1.
  """
  size = jnp.abs(values)
  if power == 1:
    return jnp.sign(values) * jnp.maximum(size - 1 / beta, 0)
  jump = (2 * (1 - power) / beta) ** (1 / (2 - power))  # the smallest w that is not 0
  threshold = jump + power / beta * jump ** (power - 1)
  start = jnp.maximum(size, threshold)  # below it the result is not used, but must be finite
  w = start
  for _ in range(_NEWTON_STEPS):
    curve = power / beta * w ** (power - 2)
    w = jnp.maximum(w - (w * (1 + curve) - start) / (1 + (power - 1) * curve), jump)
  return jnp.where(size > threshold, jnp.sign(values) * w, jnp.zeros_like(values))
