"""The three maps of `bilinear.py` as convolutions of XLA, in the form that the compilers of accelerators know.

expand     a stride-1 convolution with input dilation. TPU convolutions dilate in hardware; XLA's GPU compiler
           matches the form to the library's backward-data kernel.
reduce     a strided convolution.
correlate  the kernel gradient of the *strided* convolution (on a GPU the library's backward-filter kernel), also
           for the transposed convolution, whose own derivative in `lax` convolves a zero-stuffed array.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
from jax import lax
import jax.numpy as jnp
from jax.typing import DTypeLike

from deconv.ops.geometry import Geometry


def expand(x: jax.Array, kernel: jax.Array, g: Geometry, accumulator: DTypeLike | None = None) -> jax.Array:
  """x (batch, *small, c_small) -> (batch, *large, c_large)."""
  n = g.ndim
  *window, c_small, c_large = kernel.shape
  if g.groups > 1:  # (c_s, c_l / groups) -> (c_s / groups, c_l)
    kernel = jnp.moveaxis(kernel.reshape(*window, g.groups, c_small // g.groups, c_large), n, n + 1)
    kernel = kernel.reshape(*window, c_small // g.groups, g.groups * c_large)
  pads = []
  for d in range(n):
    reach = g.dilation[d] * (g.window[d] - 1)
    low = reach - g.padding[d][0]
    pads.append((low, g.large[d] - ((g.small[d] - 1) * g.strides[d] + 1) + reach - low))
  out = lax.conv_general_dilated(
    x,
    jnp.flip(kernel, range(n)),
    (1,) * n,
    pads,
    lhs_dilation=g.strides,
    rhs_dilation=g.dilation,
    feature_group_count=g.groups,
    dimension_numbers=_numbers(n),
    preferred_element_type=accumulator,
  )
  return out.astype(x.dtype)


def reduce(y: jax.Array, kernel: jax.Array, g: Geometry, accumulator: DTypeLike | None = None) -> jax.Array:
  """y (batch, *large, c_large) -> (batch, *small, c_small)."""
  # Pixels that no window reaches make the high padding negative; below a stride of them the sizes come out the same
  # without.
  pads = [(low, 0 if -s < high < 0 else high) for (low, high), s in zip(g.padding, g.strides)]
  out = lax.conv_general_dilated(
    y,
    kernel,
    g.strides,
    pads,
    rhs_dilation=g.dilation,
    feature_group_count=g.groups,
    dimension_numbers=_numbers(g.ndim, 'OI'),
    preferred_element_type=accumulator,
  )
  return out.astype(y.dtype)


def correlate(x: jax.Array, y: jax.Array, g: Geometry) -> jax.Array:
  """x and y as above -> the kernel."""
  kernel = vary_like(jnp.zeros((*g.window, x.shape[-1], y.shape[-1] // g.groups), x.dtype), x)
  return jax.linear_transpose(lambda k: reduce(y, k, g), kernel)(x)[0]


def plain(x: jax.Array, kernel: jax.Array, pads: Sequence[tuple[int, int]], accumulator: DTypeLike | None) -> jax.Array:
  """x (batch, *size, c), kernel (*window, c, c_out): the convolution of stride 1."""
  n = len(pads)
  return lax.conv_general_dilated(
    x, kernel, (1,) * n, pads, dimension_numbers=_numbers(n), preferred_element_type=accumulator
  )


def beside(
  x: jax.Array, kernel: jax.Array, pads: Sequence[tuple[int, int]], accumulator: DTypeLike | None
) -> jax.Array:
  """A convolution of stride 1 whose images lie side by side in one image of long rows, zeros between them.

  XLA's convolution on a CPU divides only the rows of one image among its threads: with few channels it stays on one.

  Args:
    x: (batch, width, c) or (batch, height, width, c).
    kernel: (*window, c, c_out).
    pads: (low, high) of each dimension, each smaller than the window.
    accumulator: type of the sums; None = that of x.
  """
  batch, *height, width, channels = x.shape
  x = x.reshape(batch, *(height or [1]), width, channels)  # in 1-D one row
  kernel = kernel.reshape(-1, *kernel.shape[-3:])
  rows, (low, high) = ((0, 0), *pads)[-2], pads[-1]
  pitch = width + max(low, high)  # what lies between two images serves both
  x = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), (*rows, 0), (0, pitch - width, 0), (0, 0, 0)])
  x = lax.optimization_barrier(jnp.swapaxes(x, 0, 1).reshape(1, x.shape[1], batch * pitch, channels))
  out = lax.conv_general_dilated(
    x,
    kernel,
    (1, 1),
    ((0, 0), (low, kernel.shape[1] - 1 - low)),
    dimension_numbers=_numbers(2),
    preferred_element_type=accumulator,
  )
  out = out.reshape(out.shape[1], batch, pitch, out.shape[-1])[:, :, : width + low + high - kernel.shape[1] + 1]
  out = jnp.swapaxes(out, 0, 1)
  return out if len(pads) == 2 else out[:, 0]


def expand_beside(x: jax.Array, kernel: jax.Array, g: Geometry, accumulator: DTypeLike | None = None) -> jax.Array:
  """As `expand` with `beside`, where `lies_beside` says that it can be."""
  reach = [k - 1 for k in g.window]
  pads = [(r - low, large - small + low) for r, (low, _), large, small in zip(reach, g.padding, g.large, g.small)]
  return beside(x, jnp.flip(kernel, range(g.ndim)), pads, accumulator).astype(x.dtype)


def reduce_beside(y: jax.Array, kernel: jax.Array, g: Geometry, accumulator: DTypeLike | None = None) -> jax.Array:
  """As `reduce` with `beside`, where `lies_beside` says that it can be."""
  return beside(y, jnp.swapaxes(kernel, -1, -2), g.padding, accumulator).astype(y.dtype)


def lies_beside(g: Geometry) -> bool:
  """Whether both maps are convolutions that `beside` can do: in 1-D or 2-D, plain, and padded as usual."""
  plain = g.ndim < 3 and g.groups == max(g.strides) == max(g.dilation) == 1
  return plain and all(0 <= p < k for pads, k in zip(g.padding, g.window) for p in pads)


def _numbers(n: int, kernel: str = 'IO') -> tuple[str, str, str]:
  space = 'DHW'[-n:]
  return 'N' + space + 'C', space + kernel, 'N' + space + 'C'


def accumulator_of(dtype: DTypeLike) -> DTypeLike | None:
  """float32 for the half-precision floats, else what the operands are."""
  return jnp.float32 if dtype in (jnp.bfloat16, jnp.float16) else None


def vary_like(a: jax.Array, b: jax.Array) -> jax.Array:
  """a, varying over every mesh axis of an enclosing shard_map over which b varies."""
  more = tuple(_varying(b) - _varying(a))
  return lax.pcast(a, more, to='varying') if more else a


def _varying(a: jax.Array) -> frozenset[Any]:
  aval = jax.typeof(a)
  manual = getattr(aval, 'manual_axis_type', None)  # its name in JAX 0.10.2; `vma` in earlier releases
  return getattr(aval, 'vma', frozenset()) if manual is None else manual.varying
