"""How images come to the side that a feature network takes: RESIZERS, by the name that stands in every number.

FID moves by a tenth with the resizer alone (Parmar, Zhang & Zhu 2022), so it is a field and part of the protocol:

- clean: Pillow's bicubic (a = -1/2) on floats, channel by channel (its mode F): antialiased, that is, stretched by the
  factor where images shrink. Not rounded and not clipped in between. What clean-fid does by default.
- legacy_pytorch: bilinear, pixels are squares (align_corners=False), without antialiasing; as pytorch-fid.
- legacy_tensorflow: bilinear of TensorFlow 1: corners not aligned and no half pixels, so that the image moves up and
  to the left; as the authors' first programs.

All are separable and linear. So each is a matrix of the side (out, in), made in the float types of its original, and an
image is multiplied by two of them, on any device.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from deconv.errors import UserError, did_you_mean


def resize(images, side, resizer):
  """Brings images to a square, by the matrices of a resizer.

  Args:
    images: (n, height, width, channels) of levels from 0 to 255, uint8 or float.
    side: of the result, in pixels.
    resizer: a key of RESIZERS.

  Returns:
    float32 (n, side, side, channels), levels: 'clean' overshoots 0 and 255 beside edges.

  Raises:
    UserError: no such resizer.
  """
  images = jnp.asarray(images, jnp.float32)
  if images.ndim != 4:
    raise ValueError(f'images must be (number, height, width, channels), not {images.shape}')
  rows, columns = (jnp.asarray(matrix(resizer, size, side), jnp.float32) for size in images.shape[1:3])
  return _apply(rows, columns, images)


@jax.jit
def _apply(rows, columns, images):
  # Columns first, as Pillow does. The highest precision: an accelerator's default has three digits.
  across = jnp.einsum('xw,nhwc->nhxc', columns, images, precision='highest')
  return jnp.einsum('yh,nhxc->nyxc', rows, across, precision='highest')


@functools.lru_cache(maxsize=64)
def matrix(resizer, size, side):
  """Returns the weights float64 (side, size) of a resizer along one dimension; rows add up to 1.

  Args:
    resizer: a key of RESIZERS.
    size: pixels of the image.
    side: pixels of the result.

  Raises:
    UserError: no such resizer.
  """
  if resizer not in RESIZERS:
    raise UserError(
      f"there is no resizer '{resizer}'{did_you_mean(resizer, RESIZERS)}: choose one of {', '.join(RESIZERS)}"
    )
  found = RESIZERS[resizer](size, side)
  found.flags.writeable = False  # it is kept
  return found


def _clean(size, side):
  """Pillow's coefficients: support and centre are stretched by the factor where the image shrinks."""
  factor = size / side
  stretch = max(factor, 1.0)
  found = np.zeros((side, size))
  for i in range(side):
    centre = (i + 0.5) * factor
    first = max(int(centre - 2 * stretch + 0.5), 0)
    last = min(int(centre + 2 * stretch + 0.5), size)
    weights = _bicubic((np.arange(first, last) - centre + 0.5) / stretch)
    found[i, first:last] = weights / weights.sum()
  return found


def _bicubic(x):
  """Keys' kernel with a = -1/2."""
  x = np.abs(x)
  near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
  return np.where(x < 1, near, np.where(x < 2, far, 0))


def _legacy_pytorch(size, side):
  # Coordinates in float32, as there.
  scale = np.float32(size) / np.float32(side)
  at = scale * (np.arange(side, dtype=np.float32) + np.float32(0.5)) - np.float32(0.5)
  return _bilinear(np.maximum(at, np.float32(0)), size)


def _legacy_tensorflow(size, side):
  return _bilinear(np.arange(side, dtype=np.float32) * np.float32(size / side), size)


def _bilinear(at, size):
  """Weights (len(at), size) of the two pixels beside each place; beyond the last pixel it is repeated."""
  low = np.minimum(np.floor(at).astype(int), size - 1)
  high = np.minimum(low + 1, size - 1)
  share = at.astype(np.float64) - low
  rows, found = np.arange(len(at)), np.zeros((len(at), size))
  np.add.at(found, (rows, low), 1 - share)
  np.add.at(found, (rows, high), share)
  return found


RESIZERS = {'clean': _clean, 'legacy_pytorch': _legacy_pytorch, 'legacy_tensorflow': _legacy_tensorflow}
