"""Nearest and bilinear resizing with PyTorch's pixel alignment, and their exact adjoints by differentiation.

Bilinear is `align_corners=False`: pixel i covers [i, i + 1), its centre is i + 1/2, and the border is repeated. Neither
method filters before it makes an image smaller (PyTorch's `antialias=False`; jax.image.resize and Pillow do filter).
"""

from collections.abc import Sequence
import math

import jax
import jax.numpy as jnp
import numpy as np

from deconv.ops.arguments import check_floating, per_dim, wide_type
from deconv.ops.blur import upsample_filter
from deconv.ops.conv import conv_transpose


def resize_nearest(
  x: jax.Array, factor: float | Sequence[float] | None = None, *, size: int | Sequence[int] | None = None
) -> jax.Array:
  """Resizes by repeating the nearest pixel: output pixel i is input pixel floor(i / factor), PyTorch's 'nearest'.

  Args:
    x: (batch, *spatial, channels), any number of spatial dimensions.
    factor: output size over input size, any positive number, or one for each dimension; sizes are rounded down.
    size: output size instead of `factor`, an int or one for each dimension.

  Returns:
    (batch, *size, channels), the dtype of x.

  Raises:
    ValueError: not exactly one of factor and size is given, or one is not positive, or an output would be empty.
  """
  for d, (n_out, scale) in enumerate(_targets('resize_nearest', x, factor, size)):
    axis = 1 + d
    n = x.shape[axis]
    if n_out == n and scale == 1:
      continue
    repeats = n_out // n
    if n_out == repeats * n and scale == repeats:
      # Broadcast and reshape: the adjoint is a sum over blocks instead of a scatter.
      shape = x.shape
      x = jnp.broadcast_to(jnp.expand_dims(x, axis + 1), (*shape[: axis + 1], repeats, *shape[axis + 1 :]))
      x = x.reshape(*shape[:axis], n_out, *shape[axis + 1 :])
    else:
      x = jnp.take(x, np.minimum(_floor(np.arange(n_out) / scale), n - 1), axis=axis, indices_are_sorted=True)
  return x


def resize_bilinear(
  x: jax.Array,
  factor: float | Sequence[float] | None = None,
  *,
  size: int | Sequence[int] | None = None,
  border: str = 'edge',
) -> jax.Array:
  """Resizes by linear interpolation in every spatial dimension, PyTorch's 'bilinear' with align_corners=False, no
  antialias.

  Output pixel i is read at (i + 1/2) / factor - 1/2.

  Args:
    x: (batch, *spatial, channels), floating; any number of spatial dimensions.
    factor: output size over input size, any positive number, or one for each dimension; sizes are rounded down.
    size: output size instead of `factor`, an int or one for each dimension.
    border: what lies outside of x: 'edge' (its last pixel, as PyTorch) or 'zero', which makes an integer factor equal
      to the transposed convolution with bilinear_kernel(factor) of each channel: Long et al. 2015 at initialisation.

  Returns:
    (batch, *size, channels), the dtype of x; interpolated in float32 at least.

  Raises:
    ValueError: not exactly one of factor and size is given, or one is not positive, an output would be empty, an
      unknown border, or an image of integers.
  """
  check_floating('resize_bilinear', x)
  if border not in ('edge', 'zero'):
    raise ValueError(f"border must be 'edge' or 'zero', not {border!r}")
  dtype = x.dtype
  x = x.astype(wide_type(dtype))
  for d, (n_out, scale) in enumerate(_targets('resize_bilinear', x, factor, size)):
    axis = 1 + d
    n = x.shape[axis]
    if n_out == n and scale == 1:
      continue
    if n_out % n == 0 and scale == n_out // n:
      # An integer factor is a filter of few taps: slices and sums, both ways.
      factors = [1] * (x.ndim - 2)
      factors[d] = n_out // n
      x = upsample_filter(x, factors, [bilinear_kernel(f, dims=1) for f in factors], border=border)
    else:
      matrix = jnp.asarray(_linear_matrix(n, n_out, scale, border), x.dtype)
      # Resizing is defined by its values: no bfloat16 products on accelerators.
      x = jnp.moveaxis(jnp.tensordot(matrix, x, (1, axis), precision=jax.lax.Precision.HIGHEST), 0, axis)
  return x.astype(dtype)


def resize_nearest_conv(x: jax.Array, kernel: jax.Array, factor: int | Sequence[int]) -> jax.Array:
  """`conv(resize_nearest(x, factor), kernel, padding='SAME')` without multiplying repeated pixels by each tap apart.

  A convolution of an image of equal blocks is the transposed convolution of the small image by the kernel convolved
  with a block: side k + factor - 1 instead of k, but only one tap in factor^2 meets a pixel. With 3x3 and factor 2 it
  needs 4 products a pixel instead of 9, and the large image between the two is never made. Equal up to rounding, at the
  border too.

  Args:
    x: (batch, *spatial, c_in).
    kernel: (*window, c_in, c_out).
    factor: output size over input size, an int or one for each dimension.

  Returns:
    (batch, *(spatial * factor), c_out).
  """
  dims = x.ndim - 2
  factors = per_dim('factor', factor, dims)
  window = kernel.shape[:dims]
  dtype = kernel.dtype
  blocks = kernel[(slice(None, None, -1),) * dims].astype(wide_type(dtype))
  for d, f in enumerate(factors):
    pads = [(0, 0)] * blocks.ndim
    parts = [jnp.pad(blocks, [*pads[:d], (q, f - 1 - q), *pads[d + 1 :]]) for q in range(f)]
    blocks = sum(parts[1:], parts[0])
  # The convolution's padding below is (k - 1) // 2; its adjoint cuts what is left of k - 1 there.
  pads = [(k - 1 - (k - 1) // 2, (k - 1) // 2) for k in window]
  return conv_transpose(x, blocks.astype(dtype), strides=factors, padding=pads)


def bilinear_kernel(factor: int, dims: int = 2) -> np.ndarray:
  """The linear interpolation filter of a transposed convolution with stride `factor` (Long et al. 2015; FCN's
  `upsample_filt`).

  Its side is 2 * factor - factor % 2; with padding ceil((factor - 1) / 2) the output is exactly `factor` times as
  large.

  Args:
    factor: the stride.
    dims: number of spatial dimensions.

  Returns:
    (side,) * dims, float64; each phase sums to 1, the whole to factor ** dims.
  """
  per_dim('factor', factor, 1)
  side = 2 * factor - factor % 2
  taps = 1 - np.abs(np.arange(side) - (side - 1) / 2) / factor
  kernel = np.ones(())
  for _ in range(dims):
    kernel = np.multiply.outer(kernel, taps)
  return kernel


def _linear_matrix(n: int, n_out: int, scale: float, border: str) -> np.ndarray:
  """The (n_out, n) matrix of linear interpolation along one axis."""
  at = (np.arange(n_out) + 0.5) / scale - 0.5
  low = _floor(at)
  matrix = np.zeros((n_out, n))
  for pixel, weight in ((low, 1 - (at - low)), (low + 1, at - low)):
    inside = (pixel >= 0) & (pixel < n) if border == 'zero' else np.ones_like(pixel, bool)
    np.add.at(matrix, (np.arange(n_out)[inside], np.clip(pixel, 0, n - 1)[inside]), weight[inside])
  return matrix


def _floor(values: np.ndarray) -> np.ndarray:
  # A position that is an integer but for the rounding of the division must not fall to the pixel below.
  return np.floor(values + 1e-9).astype(np.int64)


def _targets(
  name: str, x: jax.Array, factor: float | Sequence[float] | None, size: int | Sequence[int] | None
) -> list[tuple[int, float]]:
  """Returns (output size, scale) for each spatial dimension."""
  sizes = x.shape[1:-1]
  if x.ndim < 3:
    raise ValueError(f'{name}: x must be (batch, *spatial, channels), not of shape {x.shape}')
  if 0 in sizes:
    raise ValueError(f'{name}: only the batch may be empty, not x of shape {x.shape}')
  if (factor is None) == (size is None):
    raise ValueError(f'{name}: give exactly one of factor and size, not factor={factor!r} and size={size!r}')
  if size is not None:
    return [(out, out / n) for out, n in zip(per_dim('size', size, len(sizes)), sizes)]
  assert factor is not None  # one of the two is given
  factors = tuple(factor) if isinstance(factor, Sequence) else (factor,) * len(sizes)
  if len(factors) != len(sizes):
    raise ValueError(f'{name}: factor has {len(factors)} entries {factors} for {len(sizes)} spatial dimensions')
  if not all(f > 0 for f in factors):
    raise ValueError(f'{name}: factor must be positive, not {factor!r}')
  outs = [math.floor(n * f + 1e-9) for n, f in zip(sizes, factors)]
  if not all(outs):
    raise ValueError(f'{name}: sizes {sizes} times factor {factor!r} leave an empty output {tuple(outs)}')
  return list(zip(outs, map(float, factors)))
