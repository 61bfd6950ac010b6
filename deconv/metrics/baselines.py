"""What a restoration is set against: the mean of the surroundings, and the methods of scikit-image and SciPy.

Images are (batch, height, width, channels) in [-1, 1], which the inputs may leave (noise); results are float32 of the
same shape. The methods of the libraries run on the host and clip to [-1, 1]. Bicubic upscaling is
`image_quality.bicubic_baseline`.
"""

import jax.numpy as jnp
import numpy as np

from deconv.errors import UserError


def median_filter(images):
  """The median of the 3x3 pixels around each, channels apart; the image is mirrored at its border."""
  from scipy import ndimage

  images = np.asarray(images, np.float32)
  return np.clip(ndimage.median_filter(images, size=(1, 3, 3, 1), mode='reflect'), -1, 1)


def non_local_means(images, sigma=None):
  """Non-local means (Buades, Coll & Morel 2005) of scikit-image, told the noise or as it comes.

  Told: patches of 5x5 within 13x13 pixels, uniform weights in a patch (fast_mode), the noise's variance subtracted from
  their distances; the decay is h = 0.8 sigma, scikit-image's own advice for this mode. As it comes: its defaults
  on levels in [0, 1] (patches of 7x7 within 23x23 pixels, h = 0.1), whatever the noise.

  Args:
    images: (b, h, w, c) in [-1, 1].
    sigma: standard deviation of the noise in levels of 255, a number or one for each image (b,); None = the defaults.

  Returns:
    float32 (b, h, w, c).

  Raises:
    UserError: scikit-image is not installed.
  """
  restoration = _skimage_restoration()
  images = np.asarray(images, np.float32)
  if sigma is None:
    denoised = [2 * restoration.denoise_nl_means((image + 1) / 2, channel_axis=-1) - 1 for image in images]
  else:
    sigmas = np.broadcast_to(np.asarray(sigma, np.float64) / 127.5, len(images))
    denoised = [
      restoration.denoise_nl_means(
        image, patch_size=5, patch_distance=6, h=0.8 * deviation, sigma=deviation, fast_mode=True, channel_axis=-1
      )
      if deviation > 0
      else image
      for image, deviation in zip(images, sigmas)
    ]
  # scikit-image drops every side of length 1, the channel of a grey image among them.
  denoised = [np.reshape(image, images.shape[1:]) for image in denoised]
  return np.clip(np.stack(denoised), -1, 1).astype(np.float32)


def mean_fill(images, hole):
  """The hole gets the mean colour of the rest of its image (where nothing is left, 0); pure, for the device.

  Args:
    images: (b, h, w, c) in [-1, 1], finite in the hole too.
    hole: (b, h, w, 1), 1 where it is missing.

  Returns:
    float32 (b, h, w, c), not clipped.
  """
  images, hole = jnp.asarray(images), jnp.asarray(hole)
  known = (hole == 0).astype(jnp.float32)
  mean = jnp.sum(known * images, (1, 2), keepdims=True) / jnp.maximum(jnp.sum(known, (1, 2), keepdims=True), 1.0)
  return jnp.where(hole > 0, mean, images)


def biharmonic_fill(images, hole):
  """The hole gets the smooth surface that continues its border (Damelin & Hoang 2018): scikit-image's.

  It solves a linear system of as many unknowns as pixels are missing: seconds for some ten thousand.

  Args:
    images: (b, h, w, c) in [-1, 1].
    hole: (b, h, w, 1), 1 where it is missing.

  Returns:
    float32 (b, h, w, c).

  Raises:
    UserError: scikit-image is not installed.
  """
  restoration = _skimage_restoration()
  images, hole = np.asarray(images, np.float32), np.asarray(hole)[..., 0] > 0
  # scikit-image clips to the range of what it is given, what is in the hole included.
  start = np.clip(mean_fill(images, hole[..., None]), -1, 1)
  filled = [
    restoration.inpaint_biharmonic(image.astype(np.float64), mask, channel_axis=-1)
    if mask.any() and not mask.all()
    else image
    for image, mask in zip(start, hole)
  ]
  return np.clip(np.stack(filled), -1, 1).astype(np.float32)


def _skimage_restoration():
  try:
    from skimage import restoration
  except ImportError as error:
    raise UserError(f'the baselines of restoration need scikit-image ({error}): pip install scikit-image.') from error
  return restoration
