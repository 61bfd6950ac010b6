"""What a restoration is set against: the classical methods of scikit-image and SciPy, on the host.

Images are numpy arrays (batch, height, width, channels) in [-1, 1], which the inputs may leave (noise); results are
float32 of the same shape, clipped to [-1, 1]. Bicubic upscaling is `image_quality.bicubic_baseline`.
"""
import numpy as np

from deconv.errors import UserError


def median_filter(images, side=3):
  """The median of the side x side pixels around each, channels apart; the image is mirrored at its border."""
  from scipy import ndimage
  images = np.asarray(images, np.float32)
  return np.clip(ndimage.median_filter(images, size=(1, side, side, 1), mode='reflect'), -1, 1)


def non_local_means(images, sigma=None, strength=0.8):
  """Non-local means (Buades, Coll & Morel 2005) of scikit-image, told the noise or as it comes.

  Told: patches of 5x5 within 13x13 pixels, uniform weights in a patch (fast_mode), the noise's variance subtracted from
  their distances; the decay is h = strength sigma, scikit-image's own advice for this mode. As it comes: its defaults
  on levels in [0, 1] (patches of 7x7 within 23x23 pixels, h = 0.1), whatever the noise.

  Args:
    images: (b, h, w, c) in [-1, 1].
    sigma: standard deviation of the noise in levels of 255, a number or one for each image (b,); None = the defaults.
    strength: h over sigma.

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
        restoration.denoise_nl_means(image, patch_size=5, patch_distance=6, h=strength * deviation, sigma=deviation,
                                     fast_mode=True, channel_axis=-1) if deviation > 0 else image
        for image, deviation in zip(images, sigmas)]
  # scikit-image drops every side of length 1, the channel of a grey image among them.
  denoised = [np.reshape(image, images.shape[1:]) for image in denoised]
  return np.clip(np.stack(denoised), -1, 1).astype(np.float32)


def mean_fill(images, hole):
  """The hole gets the mean colour of the rest of its image (where nothing is left, 0).

  Args:
    images: (b, h, w, c) in [-1, 1].
    hole: (b, h, w, 1), 1 where it is missing.

  Returns:
    float32 (b, h, w, c).
  """
  images, hole = np.asarray(images, np.float32), np.asarray(hole) > 0
  known = np.maximum(1, (~hole).sum((1, 2), keepdims=True))
  mean = np.where(hole, 0, images).sum((1, 2), keepdims=True, dtype=np.float64) / known
  return np.clip(np.where(hole, mean, images), -1, 1).astype(np.float32)


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
  start = mean_fill(images, hole[..., None])  # what is in the hole must not matter, nor widen the clipping range
  filled = [restoration.inpaint_biharmonic(image.astype(np.float64), mask, channel_axis=-1)
            if mask.any() and not mask.all() else image for image, mask in zip(start, hole)]
  return np.clip(np.stack(filled), -1, 1).astype(np.float32)


def _skimage_restoration():
  try:
    from skimage import restoration
  except ImportError as error:
    raise UserError(f'the baselines of restoration need scikit-image ({error}): pip install scikit-image.') from error
  return restoration
