"""Luminance and chrominance of images in [-1, 1], where -1 is level 0 and 1 is level 255."""

import jax
import jax.numpy as jnp
import numpy as np

from deconv.ops.arguments import of_rank

LUMA = 0.299, 0.587, 0.114  # of red, green, blue (ITU-R BT.601)

# Rows: Y, Cb, Cr of red, green, blue.
_FULL = np.array([LUMA, [-0.168735892, -0.331264108, 0.5], [0.5, -0.418687589, -0.081312411]])
# MATLAB's rgb2ycbcr: levels 16 to 235 (Y) and 16 to 240, for red, green, blue in 0 to 255.
_STUDIO = np.array([[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]]) / 255
_OFFSETS = {'studio': (_STUDIO, np.array([16.0, 128.0, 128.0])), 'full': (_FULL, np.array([0.0, 128.0, 128.0]))}


def to_ycbcr(images, swing='studio'):
  """Converts RGB to Y, Cb, Cr.

  Args:
    images: (..., 3) floats in [-1, 1].
    swing: 'studio' (MATLAB's rgb2ycbcr: Y is from level 16 to 235; the Y of papers on super-resolution) or 'full'
      (JPEG's, from 0 to 255; Y is the grey of Pillow and of this library's data sources).

  Returns:
    (..., 3) on the same scale, so Y of white is 235 / 127.5 - 1 in the first case; not rounded.
  """
  matrix, offset = _OFFSETS[swing]
  # In levels y = M x + o; in [-1, 1], y = M x + (M 1 127.5 + o) / 127.5 - 1.
  shift = matrix.sum(axis=1) + offset / 127.5 - 1
  # Colours are defined by their values: no bfloat16 products on accelerators.
  return jnp.matmul(images, jnp.asarray(matrix.T, images.dtype), precision=jax.lax.Precision.HIGHEST) + of_rank(
    jnp.asarray(shift, images.dtype), images.ndim
  )


def from_ycbcr(images, swing='studio'):
  """Inverse of `to_ycbcr`; may leave [-1, 1], for not every Y, Cb, Cr is a colour."""
  matrix, offset = _OFFSETS[swing]
  shift = matrix.sum(axis=1) + offset / 127.5 - 1
  inverse = np.linalg.inv(matrix)
  return jnp.matmul(images, jnp.asarray(inverse.T, images.dtype), precision=jax.lax.Precision.HIGHEST) - of_rank(
    jnp.asarray(inverse @ shift, images.dtype), images.ndim
  )


def luminance(images, swing='studio'):
  """The Y of `to_ycbcr`, (..., 1); an image of one channel is returned as it is."""
  return images if images.shape[-1] == 1 else to_ycbcr(images, swing)[..., :1]
