"""The three maps of `bilinear.py` as convolutions of XLA, in the form that the compilers of accelerators know.

expand     a stride-1 convolution with input dilation. TPU convolutions dilate in hardware; XLA's GPU compiler
           matches the form to the library's backward-data kernel.
reduce     a strided convolution.
correlate  the kernel gradient of the *strided* convolution (on a GPU the library's backward-filter kernel), also
           for the transposed convolution, whose own derivative in `lax` convolves a zero-stuffed array.
"""

from __future__ import annotations

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
