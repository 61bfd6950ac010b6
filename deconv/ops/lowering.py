"""How the three maps of `bilinear.py` are computed: one program for accelerators, a choice of four by shape on a CPU.

Accelerators (and every platform that was not measured) get the convolutions of `lax` in the form that their compilers
know:

  expand     a stride-1 convolution with input dilation. TPU convolutions dilate in hardware; XLA's GPU compiler
             matches the form to the library's backward-data kernel.
  reduce     a strided convolution.
  correlate  the kernel gradient of the *strided* convolution (on a GPU the library's backward-filter kernel), also
             for the transposed convolution, whose own derivative in `lax` convolves a zero-stuffed array.

On a CPU zeros would be multiplied as numbers, and XLA's kernel gradients and 3-D convolutions are many times slower
than its matrix products. So the work is cast as matrix products (`dots.py`), and as plain stride-1 or strided
convolutions where these were as fast and need less memory. `expand_form`, `reduce_form` and `concatenate` are the
rule; docs/lowering.md holds the measurements.
"""

from __future__ import annotations

from collections.abc import Callable
import math
from typing import Any

import jax
from jax import lax
import jax.numpy as jnp
from jax.typing import DTypeLike

from deconv.ops import dots
from deconv.ops.geometry import Geometry

# Of two of the three arrays the third.
Program = Callable[[jax.Array, jax.Array], jax.Array]

# Largest unfolded array, in elements, that a matrix-product form may hold at once.
MAX_UNFOLDED = 2**27
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
    tpu=lambda x, k: _lax_expand(x, k, g, _accumulator(x.dtype)),
    default=lambda x, k: _lax_expand(x, k, g),
  )


def reduce(y: jax.Array, kernel: jax.Array, g: Geometry) -> jax.Array:
  """y (batch, *large, c_large) -> (batch, *small, c_small): see bilinear.reduce."""
  return lax.platform_dependent(
    y,
    kernel,
    cpu=lambda y, k: _cpu_reduce(y, k, g),
    tpu=lambda y, k: _lax_reduce(y, k, g, _accumulator(y.dtype)),
    default=lambda y, k: _lax_reduce(y, k, g),
  )


def correlate(x: jax.Array, y: jax.Array, g: Geometry) -> jax.Array:
  """x and y as above -> the kernel: see bilinear.correlate."""
  return lax.platform_dependent(
    x, y, cpu=lambda x, y: _cpu_correlate(x, y, g), default=lambda x, y: _lax_correlate(x, y, g)
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
  unfolded = _elements(batch, g) * math.prod(g.window) * c_large * g.groups
  if dots.folds(g) and g.groups == 1:
    long_rows = g.ndim < 3 and g.small[-1] >= SHORTEST_ROW['expand']
    if (overlaps and long_rows and c_large * math.prod(g.strides) >= 64) or unfolded > MAX_UNFOLDED:
      return 'wide'
  return 'overlap' if unfolded <= MAX_UNFOLDED else 'lax'


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
  return 1 < channels < 64 and _elements(batch, g) * channels * columns <= MAX_UNFOLDED


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
    and (batch if isinstance(batch, int) else 1) * math.prod(g.large) * columns <= MAX_UNFOLDED
  )


def _elements(batch: int, g: Geometry) -> int:
  """Small positions of a batch; of one image where the batch has no size yet (`jax.export`)."""
  return (batch if isinstance(batch, int) else 1) * math.prod(g.small)


def _accumulator(dtype: DTypeLike) -> DTypeLike | None:
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


# The programs of accelerators.


def _numbers(n: int, kernel: str = 'IO') -> tuple[str, str, str]:
  space = 'DHW'[-n:]
  return 'N' + space + 'C', space + kernel, 'N' + space + 'C'


def _lax_expand(x: jax.Array, kernel: jax.Array, g: Geometry, accumulator: DTypeLike | None = None) -> jax.Array:
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


def _lax_reduce(y: jax.Array, kernel: jax.Array, g: Geometry, accumulator: DTypeLike | None = None) -> jax.Array:
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


def _lax_correlate(x: jax.Array, y: jax.Array, g: Geometry) -> jax.Array:
  kernel = vary_like(jnp.zeros((*g.window, x.shape[-1], y.shape[-1] // g.groups), x.dtype), x)
  return jax.linear_transpose(lambda k: _lax_reduce(y, k, g), kernel)(x)[0]


# The programs of a CPU.


def _cpu_expand(x: jax.Array, kernel: jax.Array, g: Geometry) -> jax.Array:
  *_, c_small, c_large = kernel.shape
  if not g.is_sized:
    return _lax_expand(x, kernel, g, _accumulator(x.dtype))
  form = expand_form(g, x.shape[0], c_small // g.groups, c_large)
  if form == 'taps':
    return dots.expand_taps(x, kernel, g, _accumulator(x.dtype))
  if form == 'wide':
    return dots.expand_wide(x, kernel, g, _accumulator(x.dtype))
  if form == 'lax':
    return _lax_expand(x, kernel, g, _accumulator(x.dtype))
  if g.groups == 1:
    return dots.expand_overlap(x, kernel, g, _accumulator(x.dtype))
  one = g.with_groups(1)
  program: Program = lambda x, k: dots.expand_overlap(x, k, one, _accumulator(x.dtype))
  return _join(jax.vmap(program)(_split(x, g.groups), _split(kernel, g.groups, -2)))


def _cpu_reduce(y: jax.Array, kernel: jax.Array, g: Geometry) -> jax.Array:
  *_, c_small, c_large = kernel.shape
  if not g.is_sized:
    return _lax_reduce(y, kernel, g, _accumulator(y.dtype))
  form = reduce_form(g, c_small // g.groups, c_large)
  if form == 'taps':
    return dots.reduce_taps(y, kernel, g, _accumulator(y.dtype))
  if form == 'lax':
    return _lax_reduce(y, kernel, g, _accumulator(y.dtype))
  one = g.with_groups(1)
  program: Program = lambda y, k: dots.reduce_columns(y, k, one, _accumulator(y.dtype), concatenate)
  if g.groups == 1:
    return program(y, kernel)
  return _join(jax.vmap(program)(_split(y, g.groups), _split(kernel, g.groups, -2)))


def _cpu_correlate(x: jax.Array, y: jax.Array, g: Geometry) -> jax.Array:
  if not g.is_sized:
    return _lax_correlate(x, y, g)
  if x.shape[-1] == y.shape[-1] == g.groups > 1:
    return dots.correlate_taps(x, y, g, _accumulator(x.dtype))
  if correlates_by_lax(g, x.shape[-1], y.shape[-1]):
    return _lax_correlate(x, y, g)
  if g.groups == 1 and unfolds_small(g, x.shape[0], x.shape[-1], y.shape[-1]):
    kernel = dots.correlate_columns(y, x, g.exchanged(), _accumulator(x.dtype), lambda *_: True)
    return jnp.swapaxes(jnp.flip(kernel, range(g.ndim)), -1, -2)
  one = g.with_groups(1)
  program: Program = lambda x, y: dots.correlate_columns(x, y, one, _accumulator(x.dtype), concatenate)
  if g.groups == 1:
    return program(x, y)
  return _join(jax.vmap(program)(_split(x, g.groups), _split(y, g.groups)), -2)


def _split(a: jax.Array, groups: int, axis: int = -1) -> jax.Array:
  """(..., groups * c, ...) -> (groups, ..., c, ...); the axis counts from the end."""
  at = a.ndim + axis
  return jnp.moveaxis(a.reshape(*a.shape[:at], groups, a.shape[at] // groups, *a.shape[at + 1 :]), at, 0)


def _join(a: jax.Array, axis: int = -1) -> jax.Array:
  """(groups, ..., c, ...) -> (..., groups * c, ...)."""
  a = jnp.moveaxis(a, 0, a.ndim - 1 + axis)
  at = a.ndim - 1 + axis
  return a.reshape(*a.shape[:at], a.shape[at] * a.shape[at + 1], *a.shape[at + 2 :])
