"""Strided convolution and its adjoint, the transposed convolution, as pure array functions."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from deconv.ops import bilinear
from deconv.ops.arguments import Padding
from deconv.ops.geometry import conv_geometry, conv_transpose_geometry


def conv_transpose(
  x: jax.Array,
  kernel: jax.Array,
  *,
  strides: int | Sequence[int] = 1,
  padding: Padding = 0,
  output_padding: int | Sequence[int] = 0,
  dilation: int | Sequence[int] = 1,
  groups: int = 1,
) -> jax.Array:
  """Transposed convolution: the adjoint of the convolution with the same arguments.

  `y[i * stride + k * dilation - padding] += x[i] @ kernel[k]`, which is PyTorch's `conv_transpose` with the channel
  axes of the weight moved last.

  Args:
    x: (batch, *spatial, c_in), with 1, 2 or 3 spatial dimensions.
    kernel: (*window, c_in, c_out / groups).
    strides: Output pixels between two neighbouring input pixels: an int, or one per spatial dimension.
    padding: Output pixels cut from each border ("Padding" in docs/operators.md says how it is read). With 'SAME',
      output = input * stride, the adjoint of a SAME convolution.
    output_padding: Pixels added at the high border of the output, fewer than max(stride, dilation). Not allowed with
      'SAME'.
    dilation: Distance between the taps of the kernel in the output.
    groups: Channel groups that do not mix; c_in must be divisible by it.

  Returns:
    (batch, *out, groups * kernel.shape[-1]) with
    `out = (n - 1) * stride - low - high + dilation * (k - 1) + output_padding + 1` in each dimension.

  Raises:
    ValueError: The shapes do not fit together, the output would be empty, or the output padding is too large.
  """
  geometry = conv_transpose_geometry(x.shape, kernel.shape, strides, padding, output_padding, dilation, groups)
  x, kernel = _promote(x, kernel)
  return bilinear.expand(x, kernel, geometry)


def conv(
  x: jax.Array,
  kernel: jax.Array,
  *,
  strides: int | Sequence[int] = 1,
  padding: Padding = 0,
  dilation: int | Sequence[int] = 1,
  groups: int = 1,
) -> jax.Array:
  """Strided convolution (cross-correlation, as everywhere in deep learning).

  `y[i] = sum_k x[i * stride + k * dilation - padding] @ kernel[k]`, zero outside of x.

  Args:
    x: (batch, *spatial, c_in), with 1, 2 or 3 spatial dimensions.
    kernel: (*window, c_in / groups, c_out).
    strides: An int, or one per spatial dimension.
    padding: Zeros at the borders ("Padding" in docs/operators.md says how it is read). With 'SAME',
      output = ceil(input / stride).
    dilation: Distance between the taps of the kernel in the input.
    groups: Channel groups that do not mix; c_in and c_out must be divisible by it.

  Returns:
    (batch, *out, c_out) with `out = (n + low + high - dilation * (k - 1) - 1) // stride + 1` in each dimension.

  Raises:
    ValueError: The shapes do not fit together, or the output would be empty.
  """
  geometry = conv_geometry(x.shape, kernel.shape, strides, padding, dilation, groups)
  x, kernel = _promote(x, kernel)
  return bilinear.reduce(x, jnp.swapaxes(kernel, -1, -2), geometry)


def _promote(x: jax.Array, kernel: jax.Array) -> tuple[jax.Array, jax.Array]:
  dtype = jnp.promote_types(x.dtype, kernel.dtype)
  return x.astype(dtype), kernel.astype(dtype)
