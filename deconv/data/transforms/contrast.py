"""Local contrast normalisation: each pixel less the mean around it, over the deviation around it; on the device."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

WINDOW, SIGMA = 13, 3 * 1.591  # of the Deconvolutional Networks toolbox, CreateImages.m


class Normalized(NamedTuple):
  """Images whose contrast was normalised, and what was taken out: image = values * deviation + mean.

  Attributes:
    values: float32 (batch, height, width, channels).
    mean, deviation: of the surroundings of each pixel, in a shape that goes with `values`.
  """

  values: jax.Array
  mean: jax.Array
  deviation: jax.Array

  def restore(self, values):
    """Returns other values, (batch, height, width, channels), on the scale of the images."""
    return values * self.deviation + self.mean


def normalize_contrast(images, kind, weights=None):
  """Normalises the contrast of images.

  'local' takes the mean and the deviation of each pixel's surroundings, channel by channel, in a Gaussian window of
  13x13 and sigma 4.77 that is mirrored at the border. The deviation is not below its median over the image, so that
  the noise of flat regions stays small (the authors' toolbox, CreateImages.m; Zeiler et al. 2010, section 4).
  'global' takes those of the whole image and all channels, and 'none' takes 0 and 1.

  Args:
    images: (batch, height, width, channels) floats; for 'local' at least 7 pixels a side.
    kind: local | global | none.
    weights: of the pixels, from 0 to 1, in a shape that goes with images: means are weighted means, so that a missing
      pixel, which has weight 0, tells nothing; None = 1 everywhere.

  Returns:
    Normalized. Where an image is flat the deviation is 1 and the values are 0.

  Raises:
    ValueError: another kind, or an image that is too small.
  """
  images = jnp.asarray(images, jnp.float32)
  if kind == 'none':
    return Normalized(images, jnp.zeros((1, 1, 1, 1), jnp.float32), jnp.ones((1, 1, 1, 1), jnp.float32))
  weights = jnp.broadcast_to(jnp.float32(1) if weights is None else weights, images.shape)
  if kind == 'global':
    mean = _over_all(images, weights)
    deviation = jnp.sqrt(_over_all(jnp.square(images - mean), weights))
  elif kind == 'local':
    known = jnp.maximum(_smooth(weights), 1e-6)
    mean = _smooth(weights * images) / known
    deviation = jnp.sqrt(jnp.maximum(_smooth(weights * jnp.square(images)) / known - jnp.square(mean), 0))
    deviation = jnp.maximum(deviation, jnp.median(deviation, axis=(1, 2), keepdims=True))
  else:
    raise ValueError(f"normalize_contrast: kind='{kind}' is none of local, global, none")
  deviation = jnp.where(deviation > 1e-4, deviation, 1.0)  # levels from -1 to 1 are 8e-3 apart
  return Normalized((images - mean) / deviation, mean, deviation)


def _over_all(images, weights):
  """The weighted mean over each image."""
  whole = {'axis': (1, 2, 3), 'keepdims': True}
  return jnp.sum(weights * images, **whole) / jnp.maximum(jnp.sum(weights, **whole), 1e-6)


def _smooth(images):
  """The Gaussian mean around each pixel, a sum of shifted images down and one across."""
  side, half = images.shape[1:3], WINDOW // 2
  if min(side) <= half:
    raise ValueError(f'normalize_contrast: {side[0]}x{side[1]} pixels are too few for a window of {WINDOW}x{WINDOW}')
  weights = np.exp(-0.5 * (np.arange(WINDOW) - half) ** 2 / SIGMA**2)
  weights = (weights / weights.sum()).astype(np.float32)
  padded = jnp.pad(images, ((0, 0), (half, half), (half, half), (0, 0)), mode='reflect')
  down = sum(weight * padded[:, i : i + side[0]] for i, weight in enumerate(weights))
  return sum(weight * down[:, :, i : i + side[1]] for i, weight in enumerate(weights))
