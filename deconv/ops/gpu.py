"""How the three maps of `bilinear.py` are computed on a GPU: a choice by shape, for what XLA's compiler makes of it.

XLA hands a convolution to the library (cuDNN) as it stands, or rewrites it to the library's backward-data or
backward-filter kernel where it recognises one. Where it does not, it writes the zeros of a dilated operand to memory
and multiplies them. So these forms keep to what is recognised, and go round the rest:

- The backward-data kernel is recognised by a kernel that *is* a reversal over all of its spatial dimensions, with
  neither dilation nor groups. The simplifier moves a reversal behind elementwise work on the kernel, so that a scaled
  kernel would lose it: `optimization_barrier` keeps the two apart. It also drops a reversal along a side of 1.
- Where the window has more elements than the image, the simplifier exchanges the two, and nothing is recognised any
  more. Such images are small: one matrix product for all taps is the better form.
- A convolution keeps a dilated kernel only where low and high padding are equal; else the zeros are written out. So
  the image is padded before, behind a barrier, since the simplifier would fold the padding in again.
- Unequal padding costs a copy of the image. Where the low one may serve at both sides, it does.

docs/lowering.md says how this was found, and what the compiled programs hold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
import dataclasses
import itertools
import math

import jax
from jax import lax
import jax.numpy as jnp

from deconv.ops import convolutions, dots
from deconv.ops.convolutions import accumulator_of
from deconv.ops.geometry import Geometry

# A program of two of the three arrays and the geometry.
Form = Callable[[jax.Array, jax.Array, Geometry], jax.Array]


def expand_form(g: Geometry, batch: int, c_small: int, c_large: int) -> str:
  """Which of EXPAND a GPU runs (channels are those of one group).

  'pixel': of small images of one pixel: a matrix product alone.
  'taps': a channel alone in its group: products by element.
  'library': the backward-data kernel, and at stride 1 a convolution.
  'overlap': one matrix product for all taps, then the overlapping taps are added, phase by phase.
  'phases': a convolution for each phase, where the array of 'overlap' would be too large.
  """
  if math.prod(g.small) == 1:
    return 'pixel'
  if c_small == c_large == 1 and g.groups > 1:
    return 'taps'
  reversible = g.groups == 1 and max(g.dilation) == 1 and (min(g.window) > 1 or max(g.window) == 1)
  if math.prod(g.window) <= math.prod(g.small) and (reversible or max(g.strides) == 1):
    return 'library'
  unfolded = g.positions(batch) * math.prod(g.window) * c_large * g.groups
  return 'overlap' if unfolded <= dots.MAX_UNFOLDED else 'phases'


def reduce_form(g: Geometry) -> str:
  """Which of REDUCE a GPU runs: the convolution of the library, but for one pixel and for what it would stuff.

  'columns': with dilation, where the window has more elements than the image.
  """
  if math.prod(g.small) == 1:
    return 'pixel'
  return 'columns' if max(g.dilation) > 1 and math.prod(g.window) > math.prod(g.large) else 'library'


def correlate_form(g: Geometry) -> str:
  """Which of CORRELATE a GPU runs: the backward-filter kernel, or what it is taken for, but for one pixel.

  'columns': with a stride, where the small image has more elements than the large one.
  """
  if math.prod(g.small) == 1:
    return 'pixel'
  return 'columns' if max(g.strides) > 1 and math.prod(g.small) > math.prod(g.large) else 'library'


def expand(x: jax.Array, kernel: jax.Array, g: Geometry) -> jax.Array:
  """x (batch, *small, c_small) -> (batch, *large, c_large): see bilinear.expand."""
  if not g.is_sized:
    return convolutions.expand(x, kernel, g)
  *_, c_small, c_large = kernel.shape
  return EXPAND[expand_form(g, x.shape[0], c_small // g.groups, c_large)](x, kernel, g)


def reduce(y: jax.Array, kernel: jax.Array, g: Geometry) -> jax.Array:
  """y (batch, *large, c_large) -> (batch, *small, c_small): see bilinear.reduce."""
  return REDUCE[reduce_form(g)](y, kernel, g) if g.is_sized else convolutions.reduce(y, kernel, g)


def correlate(x: jax.Array, y: jax.Array, g: Geometry) -> jax.Array:
  """x and y as above -> the kernel: see bilinear.correlate."""
  return CORRELATE[correlate_form(g)](x, y, g) if g.is_sized else convolutions.correlate(x, y, g)


def _by_library(x: jax.Array, kernel: jax.Array, g: Geometry) -> jax.Array:
  kernel = lax.optimization_barrier(kernel)
  if max(g.dilation) == 1:
    return convolutions.expand(x, kernel, g)
  # At stride 1. The padding of the convolution itself is what is left of the reach of the window.
  reach = [d * (k - 1) for k, d in zip(g.window, g.dilation)]
  pads = [(r - low, large - small + low) for r, (low, _), large, small in zip(reach, g.padding, g.large, g.small)]
  if any(low != high for low, high in pads):
    small = tuple(size + sum(pad) for size, pad in zip(g.small, pads))
    x, g = _padded(x, pads), dataclasses.replace(g, small=small, padding=tuple((r, r) for r in reach))
  return convolutions.expand(x, kernel, g)


def _by_phases(x: jax.Array, kernel: jax.Array, g: Geometry) -> jax.Array:
  """The taps of a phase are a window of their own, over the pixels of that phase, at stride 1."""
  large = tuple(-(-size // s) for size, s in zip(g.large, g.strides))
  phases = []
  for phase in itertools.product(*map(range, g.strides)):
    taps = [dots.taps_of_phase(g, d, r) for d, r in enumerate(phase)]
    if not all(taps):
      channels = kernel.shape[-1] * g.groups
      phases.append(convolutions.vary_like(jnp.zeros((x.shape[0], *large, channels), x.dtype), x))
      continue
    lows = [(g.padding[d][0] + r - taps[d][0] * g.dilation[d]) // g.strides[d] for d, r in enumerate(phase)]
    dilation = tuple(d // math.gcd(d, s) for d, s in zip(g.dilation, g.strides))
    one = Geometry(
      large=large,
      small=g.small,
      window=tuple(map(len, taps)),
      strides=(1,) * g.ndim,
      dilation=dilation,
      padding=tuple((low, low) for low in lows),
      groups=g.groups,
    )
    of_phase = tuple(slice(t[0], t[-1] + 1, s // math.gcd(d, s)) for t, d, s in zip(taps, g.dilation, g.strides))
    phases.append(_by_library(x, kernel[of_phase], one))
  return dots.interleave(phases, g)


def _reduce_by_library(y: jax.Array, kernel: jax.Array, g: Geometry) -> jax.Array:
  pads = tuple((low, low if high <= low < high + s else high) for (low, high), s in zip(g.padding, g.strides))
  g = dataclasses.replace(g, padding=pads)
  if max(g.dilation) > 1 and any(low != high for low, high in pads):
    y, g = _with_padding(y, g)
  return convolutions.reduce(y, kernel, g)


def _correlate_by_library(x: jax.Array, y: jax.Array, g: Geometry) -> jax.Array:
  # The small image is the kernel of this convolution, dilated by the stride.
  filter_kernel = max(g.dilation) == 1 and any(m > k for m, k in zip(g.small, g.window))
  if max(g.strides) > 1 and not filter_kernel and any(low != high for low, high in g.padding):
    y, g = _with_padding(y, g)
  return convolutions.correlate(x, y, g)


def _with_padding(y: jax.Array, g: Geometry) -> tuple[jax.Array, Geometry]:
  """The large array with its padding, and the geometry without."""
  large = tuple(size + sum(pad) for size, pad in zip(g.large, g.padding))
  return _padded(y, g.padding), dataclasses.replace(g, large=large, padding=((0, 0),) * g.ndim)


def _padded(a: jax.Array, pads: Sequence[tuple[int, int]]) -> jax.Array:
  return lax.optimization_barrier(lax.pad(a, jnp.zeros((), a.dtype), [(0, 0, 0), *((*p, 0) for p in pads), (0, 0, 0)]))


def _per_group(program: Callable[..., jax.Array], axes: tuple[int, int], out: int = -1) -> Form:
  """A program of dots.py, which knows no groups, for each of them."""

  def run(a: jax.Array, b: jax.Array, g: Geometry) -> jax.Array:
    one, accumulator = g.with_groups(1), accumulator_of(a.dtype)
    return dots.per_group(lambda a, b: program(a, b, one, accumulator), g.groups, a, b, axes, out)

  return run


def _all_columns(program: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
  return lambda a, b, g, accumulator: program(a, b, g, accumulator, True)


# The forms by name: programs of the two operands and the geometry.
EXPAND: dict[str, Form] = {
  'pixel': _per_group(dots.expand_pixel, (-1, -2)),
  'taps': lambda x, kernel, g: dots.expand_taps(x, kernel, g, accumulator_of(x.dtype)),
  'library': _by_library,
  'overlap': _per_group(dots.expand_overlap, (-1, -2)),
  'phases': _by_phases,
}
REDUCE: dict[str, Form] = {
  'pixel': _per_group(dots.reduce_pixel, (-1, -2)),
  'library': _reduce_by_library,
  'columns': _per_group(_all_columns(dots.reduce_columns), (-1, -2)),
}
CORRELATE: dict[str, Form] = {
  'pixel': _per_group(dots.correlate_pixel, (-1, -1), -2),
  'library': _correlate_by_library,
  'columns': _per_group(_all_columns(dots.correlate_columns), (-1, -1), -2),
}
