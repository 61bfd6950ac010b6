"""How the three maps of `bilinear.py` are computed: one program for a TPU, a choice of four by shape on a CPU.

A TPU (and every platform that was not looked at) gets the convolutions of `convolutions.py`; a GPU has a choice of its
own, in `gpu.py`.

On a CPU zeros would be multiplied as numbers, and XLA's kernel gradients and 3-D convolutions are many times slower
than its matrix products. So the work is cast as matrix products (`dots.py`), and as plain stride-1 or strided
convolutions where these were as fast and need less memory. `expand_form`, `reduce_form` and `concatenate` are the
rule; docs/lowering.md holds the measurements.
"""

from __future__ import annotations

from collections.abc import Callable
import math

import jax
from jax import lax
import jax.numpy as jnp

from deconv.ops import convolutions, dots, gpu
from deconv.ops.convolutions import accumulator_of
from deconv.ops.geometry import Geometry

# Of two of the three arrays the third.
Program = Callable[[jax.Array, jax.Array], jax.Array]

# A CPU convolution of XLA works on one row of the output at a time: below this length its tiles are mostly empty.
SHORTEST_ROW = {'expand': 8, 'reduce': 16, 'plain': 8}
# And with fewer output channels than these its registers are.
FEWEST_OUTPUTS = 8


def expand(x: jax.Array, kernel: jax.Array, g: Geometry) -> jax.Array:
  """x (batch, *small, c_small) -> (batch, *large, c_large): see bilinear.expand."""
  return lax.platform_dependent(
    x,
    kernel,
    cpu=lambda x, k: _cpu_expand(x, k, g),
    tpu=lambda x, k: convolutions.expand(x, k, g, accumulator_of(x.dtype)),
    cuda=lambda x, k: gpu.expand(x, k, g),
    rocm=lambda x, k: gpu.expand(x, k, g),
    default=lambda x, k: convolutions.expand(x, k, g),
  )


def reduce(y: jax.Array, kernel: jax.Array, g: Geometry) -> jax.Array:
  """y (batch, *large, c_large) -> (batch, *small, c_small): see bilinear.reduce."""
  return lax.platform_dependent(
    y,
    kernel,
    cpu=lambda y, k: _cpu_reduce(y, k, g),
    tpu=lambda y, k: convolutions.reduce(y, k, g, accumulator_of(y.dtype)),
    cuda=lambda y, k: gpu.reduce(y, k, g),
    rocm=lambda y, k: gpu.reduce(y, k, g),
    default=lambda y, k: convolutions.reduce(y, k, g),
  )


def correlate(x: jax.Array, y: jax.Array, g: Geometry) -> jax.Array:
  """x and y as above -> the kernel: see bilinear.correlate."""
  return lax.platform_dependent(
    x,
    y,
    cpu=lambda x, y: _cpu_correlate(x, y, g),
    cuda=lambda x, y: gpu.correlate(x, y, g),
    rocm=lambda x, y: gpu.correlate(x, y, g),
    default=lambda x, y: convolutions.correlate(x, y, g),
  )


def expand_form(g: Geometry, batch: int, c_small: int, c_large: int) -> str:
  """Which program a CPU runs for `expand` (channels are those of one group).

  'taps': a channel alone in its group: no sum over channels, so products by element.
  'wide': all stride**n phases as the output channels of one stride-1 convolution, interleaved afterwards. It needs a
    window that the stride divides; it loses where its rows are short, its output channels few, or in 3-D.
  'lax': where nothing is dilated, a stride-1 convolution of rows that are long enough is as fast as any form, two to
    four times as fast with few channels, and compiled in a tenth of the time; not with fewer than FEWEST_OUTPUTS
    output channels. Also where the array of 'overlap' would be too large.
  'overlap': one matrix product for all taps, then the overlapping taps are added, phase by phase. Its intermediate
    array is window / stride times the output in each dimension; without overlap (2x2/2) nothing is better.
  """
  if c_small == c_large == 1 and g.groups > 1:
    return 'taps'
  if _plain(g) and c_large >= FEWEST_OUTPUTS:
    return 'lax'
  overlaps = any(k > s for k, s in zip(g.window, g.strides))
  unfolded = g.positions(batch) * math.prod(g.window) * c_large * g.groups
  if dots.folds(g) and g.groups == 1:
    long_rows = g.ndim < 3 and g.small[-1] >= SHORTEST_ROW['expand']
    if (overlaps and long_rows and c_large * math.prod(g.strides) >= 64) or unfolded > dots.MAX_UNFOLDED:
      return 'wide'
  return 'overlap' if unfolded <= dots.MAX_UNFOLDED else 'lax'


def reduce_form(g: Geometry, c_small: int, c_large: int) -> str:
  """Which program a CPU runs for `reduce` (channels are those of one group).

  'taps': as above. 'lax': the convolution, at stride 1 where its rows are long enough; with a stride where they are
  longer, the unfolded array would be 4 times the input (2 times in 1-D) or more, and there are channels enough to fill
  a register. 'dots': matrix products with the unfolded array.
  """
  if c_small == c_large == 1 and g.groups > 1:
    return 'taps'
  if _plain(g):
    return 'lax'
  if g.groups > 1 or g.ndim == 3 or max(g.dilation) > 1 or c_large < 32:
    return 'dots'
  growth = math.prod(g.window) / math.prod(g.strides)
  return 'lax' if growth >= 2**g.ndim and g.small[-1] >= SHORTEST_ROW['reduce'] else 'dots'


def _plain(g: Geometry) -> bool:
  """Whether the map is a stride-1 convolution with rows that XLA's program for the CPU fills."""
  return (
    g.groups == 1
    and g.ndim < 3
    and max(g.strides) == max(g.dilation) == 1
    and math.prod(g.window) > 1
    and g.small[-1] >= SHORTEST_ROW['plain']
  )


def correlates_by_lax(g: Geometry, c_small: int, c_large: int) -> bool:
  """Whether the kernel gradient is left to XLA: at stride 1, few taps, and too few channels to fill a product."""
  return _plain(g) and math.prod(g.window) <= 9 and max(c_small, c_large) <= 32


def concatenate(g: Geometry, batch: int, channels: int, columns: int) -> bool:
  """Whether the columns of the unfolded array share one matrix product: when each is too thin to fill one by itself.

  Not a single channel: its products go by element, together with the slicing, and nothing is unfolded.
  """
  return 1 < channels < 64 and g.positions(batch) * channels * columns <= dots.MAX_UNFOLDED


def unfolds_small(g: Geometry, batch: int, c_small: int, c_large: int) -> bool:
  """Whether `correlate` unfolds the small array in place of the large one.

  At stride 1 either will do, and the one with fewer channels is the smaller one: the kernel gradient of a 7x7
  convolution of 64 channels to one took 493 ms with the 64 unfolded, tap by tap, and 47 with the one (128 images of
  28x28). Not where the large array has more pixels, which would all be multiplied.
  """
  columns = math.prod(g.window) * c_small
  return (
    max(g.strides) == 1
    and math.prod(g.window) > 1
    and c_small < min(c_large, 64)
    and math.prod(g.large) <= 1.02 * math.prod(g.small)
    and (batch if isinstance(batch, int) else 1) * math.prod(g.large) * columns <= dots.MAX_UNFOLDED
  )


# The programs of a CPU.


def _cpu_expand(x: jax.Array, kernel: jax.Array, g: Geometry) -> jax.Array:
  *_, c_small, c_large = kernel.shape
  if not g.is_sized:
    return convolutions.expand(x, kernel, g, accumulator_of(x.dtype))
  form = expand_form(g, x.shape[0], c_small // g.groups, c_large)
  if form == 'taps':
    return dots.expand_taps(x, kernel, g, accumulator_of(x.dtype))
  if form == 'wide':
    return dots.expand_wide(x, kernel, g, accumulator_of(x.dtype))
  if form == 'lax':
    return convolutions.expand(x, kernel, g, accumulator_of(x.dtype))
  one = g.with_groups(1)
  program: Program = lambda x, k: dots.expand_overlap(x, k, one, accumulator_of(x.dtype))
  return dots.per_group(program, g.groups, x, kernel, (-1, -2))


def _cpu_reduce(y: jax.Array, kernel: jax.Array, g: Geometry) -> jax.Array:
  *_, c_small, c_large = kernel.shape
  if not g.is_sized:
    return convolutions.reduce(y, kernel, g, accumulator_of(y.dtype))
  form = reduce_form(g, c_small // g.groups, c_large)
  if form == 'taps':
    return dots.reduce_taps(y, kernel, g, accumulator_of(y.dtype))
  if form == 'lax':
    return convolutions.reduce(y, kernel, g, accumulator_of(y.dtype))
  one = g.with_groups(1)
  program: Program = lambda y, k: dots.reduce_columns(y, k, one, accumulator_of(y.dtype), concatenate)
  return dots.per_group(program, g.groups, y, kernel, (-1, -2))


def _cpu_correlate(x: jax.Array, y: jax.Array, g: Geometry) -> jax.Array:
  if not g.is_sized:
    return convolutions.correlate(x, y, g)
  if x.shape[-1] == y.shape[-1] == g.groups > 1:
    return dots.correlate_taps(x, y, g, accumulator_of(x.dtype))
  if correlates_by_lax(g, x.shape[-1], y.shape[-1]):
    return convolutions.correlate(x, y, g)
  if g.groups == 1 and unfolds_small(g, x.shape[0], x.shape[-1], y.shape[-1]):
    kernel = dots.correlate_columns(y, x, g.exchanged(), accumulator_of(x.dtype), lambda *_: True)
    return jnp.swapaxes(jnp.flip(kernel, range(g.ndim)), -1, -2)
  one = g.with_groups(1)
  program: Program = lambda x, y: dots.correlate_columns(x, y, one, accumulator_of(x.dtype), concatenate)
  return dots.per_group(program, g.groups, x, y, (-1, -1), -2)
