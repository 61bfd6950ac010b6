"""Making images smaller and larger by a whole factor as the literature of super-resolution does.

Bicubic is Keys' cubic with a = -1/2, widened by the factor when an image is made smaller (antialiased) and its weights
divided by their sum; outside of the image lies its mirror, border pixel included. That is MATLAB's `imresize`, by which
the published low-resolution images and bicubic PSNR were made. Pillow's BICUBIC is the same but for the border, where
it leaves out what is outside. PyTorch's and OpenCV's cubic has a = -3/4, and is not antialiased unless asked to.
"""

import jax
import jax.numpy as jnp
import numpy as np

from deconv.ops.arguments import check_floating, wide_type
from deconv.ops.blur import upsample_filter

METHODS = ('bicubic', 'area', 'nearest')


def downsample(x: jax.Array, factor: int, method: str = 'bicubic') -> jax.Array:
  """Makes images smaller by a whole factor.

  Args:
    x: (batch, height, width, channels), floating (for 'nearest' of any type); height and width multiples of the factor.
    factor: input size over output size, at least 1; 1 returns x.
    method: 'bicubic' (see above), 'area' (the mean of each block), or 'nearest' (the pixel at the middle of each block,
      right and below of it when the factor is even: Pillow's NEAREST).

  Returns:
    (batch, height / factor, width / factor, channels), the dtype of x; computed in float32 at least. Bicubic reaches
    beyond the range of x.

  Raises:
    ValueError: an unknown method, sizes that are no multiples of the factor, or an image of integers.
  """
  _check('downsample', x, factor)
  if method not in METHODS:
    raise ValueError(f'downsample: method must be one of {", ".join(METHODS)}, not {method!r}')
  if method != 'nearest':
    check_floating('downsample', x)
  b, h, w, c = x.shape
  if h % factor or w % factor:
    raise ValueError(f'downsample: {h}x{w} pixels are no multiple of the factor {factor}')
  if factor == 1:
    return x
  if method == 'nearest':
    return x[:, factor // 2 :: factor, factor // 2 :: factor]
  dtype = x.dtype
  x = x.astype(wide_type(dtype))
  if method == 'area':
    return x.reshape(b, h // factor, factor, w // factor, factor, c).mean((2, 4)).astype(dtype)
  taps = cubic_filter(factor) / factor
  before = (len(taps) - factor) // 2
  x = jnp.pad(x, [(0, 0), (before, before), (before, before), (0, 0)], mode='symmetric')
  for axis in (1, 2):
    span = (x.shape[axis] - len(taps)) // factor * factor + 1
    x = sum(tap * jax.lax.slice_in_dim(x, t, t + span, factor, axis) for t, tap in enumerate(taps.tolist()))
  return x.astype(dtype)


def upsample_bicubic(x: jax.Array, factor: int) -> jax.Array:
  """Makes images larger by a whole factor: MATLAB's `imresize(x, factor, 'bicubic')` before it rounds and clips.

  Args:
    x: (batch, height, width, channels), floating.
    factor: output size over input size, at least 1; 1 returns x.

  Returns:
    (batch, height * factor, width * factor, channels), the dtype of x; reaches beyond the range of x.

  Raises:
    ValueError: a factor that is no whole number, or an image of integers.
  """
  _check('upsample_bicubic', x, factor)
  check_floating('upsample_bicubic', x)
  if factor == 1:
    return x
  x = jnp.pad(x, [(0, 0), (2, 2), (2, 2), (0, 0)], mode='symmetric')
  x = upsample_filter(x, factor, cubic_filter(factor))
  return x[:, 2 * factor : -2 * factor, 2 * factor : -2 * factor]


def cubic_filter(factor: int) -> np.ndarray:
  """Keys' cubic with a = -1/2 (Keys 1981, equation 15), sampled at steps of 1 / factor, centred between taps or on one.

  Returns:
    float64 (4 * factor - factor % 2,): its sum is `factor`, that of each phase taps[p::factor] is 1.
  """
  length = 4 * factor - factor % 2
  at = np.abs(np.arange(length) - (length - 1) / 2) / factor
  taps = np.where(at < 1, 1.5 * at**3 - 2.5 * at**2 + 1, -0.5 * at**3 + 2.5 * at**2 - 4 * at + 2)
  return taps * factor / taps.sum()


def _check(name: str, x: jax.Array, factor: int) -> None:
  if x.ndim != 4:
    raise ValueError(f'{name}: x must be (batch, height, width, channels), not of shape {x.shape}')
  if factor < 1 or factor != int(factor):
    raise ValueError(f'{name}: the factor must be a whole number of at least 1, not {factor!r}')
