"""How close restored images are to the true ones: PSNR, SSIM, MS-SSIM; and bicubic upscaling, to compare with.

One number an image, whose mean over images is what papers print: the mean of decibels, not decibels of the mean.
Images are (batch, height, width, channels) floats in [-1, 1], where -1 is level 0 and 1 is level 255. The three
decisions that move a PSNR by tenths of a decibel are arguments of every function, and `protocol` puts them in words:

- colour: 'rgb', all channels alike; or 'y', the luminance of MATLAB's rgb2ycbcr (levels 16 to 235, so its error is
  smaller by 1.3 dB than that of the grey image) with the peak at 255 still, as papers on super-resolution do. Images of
  one channel are taken as they are in both cases.
- shave: so many pixels are left out at each border (super-resolution: the scale).
- levels: what is compared. 'rounded': clipped and rounded to the 256 levels that a file can hold, as papers do (for 'y'
  the luminance is rounded again, as MATLAB does); 'clipped': only clipped; 'raw': as it is.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from deconv.data.transforms.colour import luminance
from deconv.data.transforms.levels import to_signed
from deconv.errors import UserError
from deconv.ops.resample import upsample_bicubic

LIMIT_DB = 100.0  # PSNR of equal images
LEVELS = ('rounded', 'clipped', 'raw')
SSIM_SIDE, SSIM_SIGMA = 11, 1.5
MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # Wang et al. 2003, section 3.2
MS_SSIM_LEAST_SIDE = SSIM_SIDE * 2 ** (len(MS_SSIM_WEIGHTS) - 1)
_PAIRS_AT_ONCE = 50


def psnr(images, targets, *, colour='rgb', shave=0, levels='rounded'):
  """Peak signal-to-noise ratio, 10 log10(255^2 / mean squared error in levels).

  Args:
    images, targets: (b, h, w, c) floats in [-1, 1].
    colour, shave, levels: see the top of this file.

  Returns:
    float32 (b,), decibels; LIMIT_DB at most, which equal images have.

  Raises:
    ValueError: shapes differ, images of integers, an unknown option, or nothing is left inside of the border.
  """
  images, targets = _comparable(images, targets, colour, shave, levels)
  error = jnp.mean(jnp.square(images - targets), axis=(1, 2, 3))
  return -10 * jnp.log10(jnp.maximum(error / 255.0**2, 10 ** (-LIMIT_DB / 10)))


def l1_hole(images, targets, hole):
  """Mean absolute error in a hole, as a share of the way from black to white.

  Args:
    images: (b, h, w, c) floats, clipped to [-1, 1].
    targets: the same, in [-1, 1].
    hole: (b, h, w, 1), above 0 where it is missing.

  Returns:
    float32 (b,); 0 where nothing is missing.
  """
  return _mean_in_hole(jnp.abs(jnp.clip(images, -1, 1) - targets), hole) / 2


def psnr_hole(images, targets, hole, levels='rounded'):
  """As `psnr`, of the pixels in the hole (b, h, w, 1) alone: float32 (b,), decibels."""
  images, targets = _comparable(images, targets, 'rgb', 0, levels)
  error = _mean_in_hole(jnp.square(images - targets), hole)
  return -10 * jnp.log10(jnp.maximum(error / 255.0**2, 10 ** (-LIMIT_DB / 10)))


def _mean_in_hole(errors, hole):
  missing = jnp.asarray(hole) > 0
  total = jnp.sum(errors * missing.astype(jnp.float32), axis=(1, 2, 3))
  values = jnp.sum(missing, axis=(1, 2, 3), dtype=jnp.int32) * errors.shape[-1]
  return total / jnp.maximum(values, 1).astype(jnp.float32)


def ssim(images, targets, *, colour='rgb', shave=0, levels='rounded'):
  """Structural similarity (Wang et al. 2004): Gaussian window of 11x11 and sigma 1.5, K1 = 0.01, K2 = 0.03, peak 255.

  Mean over the windows that lie inside of the image and over channels: scikit-image's `structural_similarity(...,
  gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255)`.

  Args:
    images, targets: (b, h, w, c) floats in [-1, 1].
    colour, shave, levels: see the top of this file.

  Returns:
    float32 (b,), from -1 to 1; 1 for equal images.

  Raises:
    ValueError: as `psnr`, or fewer than 11 pixels a side.
  """
  images, targets = _comparable(images, targets, colour, shave, levels)
  luminances, structure = ssim_maps(images, targets)
  return jnp.mean(luminances * structure, axis=(1, 2, 3))


def ms_ssim(images, targets, *, colour='rgb', shave=0, levels='rounded', scales=len(MS_SSIM_WEIGHTS)):
  """Multi-scale SSIM (Wang, Simoncelli & Bovik 2003): five scales, each the 2x2 means of the one before.

  Contrast and structure of the first four scales and the whole SSIM of the last, to the powers MS_SSIM_WEIGHTS; the
  means that are negative count as 0. The mean over channels comes last.

  Args:
    images, targets: (b, h, w, c) floats in [-1, 1], at least 11 * 2^(scales - 1) pixels a side inside of the border,
      MS_SSIM_LEAST_SIDE = 176 for all five scales.
    colour, shave, levels: see the top of this file.
    scales: 5; with fewer, for small images, the powers are the first so many of MS_SSIM_WEIGHTS over their sum, and
      the numbers compare with others of as many scales alone.

  Returns:
    float32 (b,), from 0 to 1.

  Raises:
    ValueError: as `psnr`, the images are too small, or another number of scales than 1 to 5.
  """
  images, targets = _comparable(images, targets, colour, shave, levels)
  if not 1 <= scales <= len(MS_SSIM_WEIGHTS):
    raise ValueError(f'ms_ssim: scales={scales} must be from 1 to {len(MS_SSIM_WEIGHTS)}')
  least = SSIM_SIDE * 2 ** (scales - 1)
  if min(images.shape[1:3]) < least:
    raise ValueError(
      f'ms_ssim: {images.shape[1]}x{images.shape[2]} pixels inside of the border are too few: its {scales} '
      f'scales need {least} a side'
    )
  weights = MS_SSIM_WEIGHTS[:scales]
  # The published powers add up to 1.0001 and stay as they are.
  weights = weights if scales == len(MS_SSIM_WEIGHTS) else [weight / sum(weights) for weight in weights]
  product = 1.0
  for scale, weight in enumerate(weights):
    luminances, structure = ssim_maps(images, targets)
    last = scale == scales - 1
    mean = jnp.mean(luminances * structure if last else structure, axis=(1, 2))
    product = product * jnp.maximum(mean, 0.0) ** weight
    if not last:
      images, targets = _halved(images), _halved(targets)
  return jnp.mean(product, axis=-1)


def ssim_maps(images, targets, peak=255.0):
  """The two factors of SSIM at each window: luminance, and contrast times structure.

  Args:
    images, targets: (b, h, w, c) floats of the same scale, from 0 to `peak`.
    peak: the largest level.

  Returns:
    Two arrays (b, h - 10, w - 10, c).

  Raises:
    ValueError: fewer than 11 pixels a side, or images of integers.
  """
  _check_floating(images, targets)
  if min(images.shape[1:3]) < SSIM_SIDE:
    raise ValueError(f'ssim: {images.shape[1]}x{images.shape[2]} pixels are too few: its window has {SSIM_SIDE} a side')
  c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
  # Sum p and difference q hold what is needed: 4 xy = pp - qq, 2 (xx + yy) = pp + qq, for moments of every kind.
  both = jnp.concatenate([images + targets, images - targets])
  # Variances within the columns of a window, then that of its columns' means: E[p^2] - E[p]^2 would cancel in float32
  # where an image is bright and flat.
  mean, variance = _moments(both, jnp.zeros_like(both), axis=1)
  mean, variance = _moments(mean, variance, axis=2)

  def ratio(moment, constant):
    p, q = jnp.split(moment, 2)
    return (p - q + 2 * constant) / (p + q + 2 * constant)

  return ratio(mean**2, c1), ratio(variance, c2)


def pair_similarity(images, labels=None, *, pairs=1000, seed=0):
  """How alike images of one set are: mean MS-SSIM of random pairs (Odena, Olah & Shlens 2017, section 4.2).

  It is high where a generator makes one image over and over; what diversity there can be, the same number of real
  images says. Small images get as many of the five scales as they have room for.

  Args:
    images: uint8 (n, h, w, c), 11 pixels a side or more.
    labels: int (n,): pairs are of one class, as in the paper; None = of any two images.
    pairs: how many, of two different images each.
    seed: of the pairs.

  Returns:
    (mean, standard deviation over the pairs, scales): float, float, int.

  Raises:
    UserError: images below 11 pixels a side, or no two of a class.
  """
  side = min(images.shape[1:3])
  if side < SSIM_SIDE:
    raise UserError(f'MS-SSIM has a window of {SSIM_SIDE} pixels, and the images are {side} wide: take larger ones')
  scales = min(len(MS_SSIM_WEIGHTS), int(np.log2(side / SSIM_SIDE)) + 1)
  labels = np.zeros(len(images), int) if labels is None else np.asarray(labels)
  groups = [group for label in np.unique(labels) if len(group := np.flatnonzero(labels == label)) > 1]
  if not groups:
    raise UserError(f'there are no two images of a class among {len(images)}: take more of them')
  random = np.random.default_rng(seed)
  shares = np.array([len(group) for group in groups]) / sum(map(len, groups))
  chosen = random.choice(len(groups), pairs, p=shares)
  pairs = np.stack([random.choice(groups[i], 2, replace=False) for i in chosen])
  found = []
  for start in range(0, len(pairs), _PAIRS_AT_ONCE):
    # One compiled shape: the last part is filled up with its first pair.
    part = pairs[start : start + _PAIRS_AT_ONCE]
    whole = np.concatenate([part, np.repeat(part[:1], _PAIRS_AT_ONCE - len(part), axis=0)])
    found.append(np.asarray(_similar(images[whole[:, 0]], images[whole[:, 1]], scales))[: len(part)])
  found = np.concatenate(found).astype(np.float64)
  return float(found.mean()), float(found.std()), scales


@functools.partial(jax.jit, static_argnums=2)
def _similar(images, others, scales):
  return ms_ssim(to_signed(images), to_signed(others), scales=scales)


def bicubic_baseline(images, scale):
  """(b, h, w, c) enlarged by the whole number `scale` by MATLAB's bicubic interpolation, clipped to [-1, 1]."""
  return jnp.clip(upsample_bicubic(images, scale), -1.0, 1.0)


def protocol(colour='rgb', shave=0, levels='rounded'):
  """The decisions behind these numbers in words: {'psnr_is', 'ssim_is'}."""
  _check_options(colour, levels)
  channels = 'luminance of BT.601 (levels 16 to 235)' if colour == 'y' else 'all channels'
  compared = {
    'rounded': 'clipped and rounded to 256 levels',
    'clipped': 'clipped to 0 to 255, not rounded',
    'raw': 'neither clipped nor rounded',
  }[levels]
  return {
    'psnr_is': f'mean over images of the PSNR of each, peak 255, {channels}, {shave} pixels shaved at each border, '
    f'{compared}; equal images count as {LIMIT_DB:.0f} dB',
    'ssim_is': f'Gaussian window {SSIM_SIDE}x{SSIM_SIDE} with sigma {SSIM_SIGMA}, of the same pixels',
  }


def _check_options(colour, levels):
  if colour not in ('rgb', 'y'):
    raise ValueError(f"colour must be 'rgb' or 'y', not {colour!r}")
  if levels not in LEVELS:
    raise ValueError(f'levels must be one of {", ".join(LEVELS)}, not {levels!r}')


def _check_floating(*arrays):
  for x in arrays:
    if not jnp.issubdtype(x.dtype, jnp.floating):
      raise ValueError(f'images must be floats, not {x.dtype}; deconv.data.to_signed makes them of levels')


def _comparable(images, targets, colour, shave, levels):
  """Both in levels, float32 (b, h', w', c')."""
  _check_options(colour, levels)
  images, targets = jnp.asarray(images), jnp.asarray(targets)
  _check_floating(images, targets)
  if images.shape != targets.shape or images.ndim != 4:
    raise ValueError(f'images {images.shape} and targets {targets.shape} must be of one shape (b, h, w, c)')
  if colour == 'y' and images.shape[-1] not in (1, 3):
    raise ValueError(f"colour 'y' is for 1 or 3 channels, not {images.shape[-1]}")
  if 2 * shave >= min(images.shape[1:3]) or shave < 0:
    raise ValueError(f'shaving {shave} pixels at each border leaves nothing of {images.shape[1]}x{images.shape[2]}')

  def convert(x):
    x = x[:, shave : x.shape[1] - shave, shave : x.shape[2] - shave].astype(jnp.float32)
    x = _settle((x + 1.0) * 127.5, levels)
    if colour == 'y' and x.shape[-1] == 3:
      x = _settle((luminance(x / 127.5 - 1.0) + 1.0) * 127.5, levels)
    return x

  return convert(images), convert(targets)


def _settle(x, levels):
  if levels == 'raw':
    return x
  x = jnp.clip(x, 0.0, 255.0)
  return jnp.round(x) if levels == 'rounded' else x


def _moments(mean, variance, axis):
  """Means and variances over windows along an axis, of pixels (b, h, w, c) that have variances within."""
  at = np.arange(SSIM_SIDE) - SSIM_SIDE // 2
  taps = np.exp(-0.5 * (at / SSIM_SIGMA) ** 2)
  taps = (taps / taps.sum()).tolist()
  size = mean.shape[axis] - SSIM_SIDE + 1

  def shifted(x):
    return [jax.lax.slice_in_dim(x, t, t + size, axis=axis) for t in range(SSIM_SIDE)]

  means = shifted(mean)
  total = sum(tap * m for tap, m in zip(taps, means))
  return total, sum(tap * (v + (m - total) ** 2) for tap, v, m in zip(taps, shifted(variance), means))


def _halved(x):
  b, h, w, c = x.shape
  return x[:, : h // 2 * 2, : w // 2 * 2].reshape(b, h // 2, 2, w // 2, 2, c).mean((2, 4))
