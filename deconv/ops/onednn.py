"""The three maps by oneDNN's convolutions, where they were built (deconv/native): the form 'native' of a CPU.

They run at the rate of the matrix product at stride 1 and in kernel gradients, where XLA's programs for a CPU do not,
and read images and write them as they lie in memory, with nothing unfolded. `carries` is the rule, a pure function of
type and shape and, for bfloat16, of the processor; docs/lowering.md#native holds the measurements.
"""

from __future__ import annotations

import functools
import math

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
import numpy as np

from deconv import native
from deconv.ops import cpu_rule
from deconv.ops.arguments import is_int
from deconv.ops.convolutions import vary_like
from deconv.ops.geometry import Geometry

# Fewer output channels than these leave registers empty in `expand`: at stride 1, and above it.
FEWEST_OUTPUTS = (6, 16)
# A kernel of this many times the numbers of both images costs more to bring into oneDNN's order than it gains.
LARGEST_KERNEL = (8.0, 0.5)


def expand(x: jax.Array, kernel: jax.Array, g: Geometry) -> jax.Array:
  """x (batch, *small, c_small) -> (batch, *large, c_large)."""
  return _call('expand', x, kernel, g, (x.shape[0], *g.large, kernel.shape[-1] * g.groups))


def reduce(y: jax.Array, kernel: jax.Array, g: Geometry) -> jax.Array:
  """y (batch, *large, c_large) -> (batch, *small, c_small)."""
  return _call('reduce', y, kernel, g, (y.shape[0], *g.small, kernel.shape[-2]))


def correlate(x: jax.Array, y: jax.Array, g: Geometry) -> jax.Array:
  """x and y as above -> the kernel."""
  return _call('correlate', x, y, g, (*g.window, x.shape[-1], y.shape[-1] // g.groups))


def _call(name: str, a: jax.Array, b: jax.Array, g: Geometry, shape: tuple[int, ...]) -> jax.Array:
  library = native.in_use()
  assert library is not None, 'a form that is not there was chosen'
  result = jax.ShapeDtypeStruct(shape, a.dtype)
  out: jax.Array = jax.ffi.ffi_call(native.targets(library)[name], result)(
    a,
    b,
    strides=np.array(g.strides, np.int64),
    dilation=np.array(g.dilation, np.int64),
    low=np.array([low for low, _ in g.padding], np.int64),
    high=np.array([high for _, high in g.padding], np.int64),
    groups=np.int64(g.groups),
  )
  return vary_like(out, a)


def can(dtype: DTypeLike, g: Geometry, batch: int) -> bool:
  """Whether oneDNN computes a shape by one of its fast programs, and the library is there.

  Not images that are larger than what the windows see at their low side, or by a stride at the high one: oneDNN knows
  no padding below zero.
  """
  sized = g.is_sized and is_int(batch) and batch > 0
  if not sized or dtype not in (jnp.float32, jnp.bfloat16) or native.in_use() is None:
    return False
  reach = [d * (k - 1) for d, k in zip(g.dilation, g.window)]
  return all(0 <= low <= r and -s < high <= r for (low, high), r, s in zip(g.padding, reach, g.strides))


@functools.cache
def multiplies_bfloat16() -> bool:
  """Whether this processor has matrix instructions for bfloat16; without them nothing was measured."""
  return 'amx_bf16' in cpu_rule.processor_fields().get('flags', '').split()


def carries(name: str, dtype: DTypeLike, g: Geometry, batch: int, c_small: int, c_large: int) -> bool:
  """Whether the map `name` of a shape is computed by oneDNN; channels are those of one group.

  Not what is a matrix product anyway: small images of one pixel, and windows of one but for their kernel gradient.
  Not with few output channels, which its registers lie along: one of `reduce`, a few of `expand`; nor the kernel
  gradient of one small channel. Not one image with a stride, for threads share the batch. Not a kernel that is large
  beside the images: it is brought into another order at every call. bfloat16 where the processor multiplies it by
  AMX, two to eleven times as fast as the other forms.
  """
  if (dtype != jnp.float32 and not multiplies_bfloat16()) or not can(dtype, g, batch) or math.prod(g.small) == 1:
    return False
  if math.prod(g.window) == 1 and name != 'correlate':
    return False
  strided = max(g.strides) > 1
  if g.groups == 1 and (c_large < FEWEST_OUTPUTS[strided] if name == 'expand' else c_small == 1):
    return False
  if strided and batch == 1 and name != 'correlate':
    return False
  images = batch * g.groups * (math.prod(g.small) * c_small + math.prod(g.large) * c_large)
  return math.prod(g.window) * g.groups * c_small * c_large <= LARGEST_KERNEL[strided] * images
