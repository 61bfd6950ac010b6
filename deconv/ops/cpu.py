"""How the three maps of `bilinear.py` are computed on a CPU: a choice of forms by shape and by measured thresholds.

On a CPU zeros would be multiplied as numbers, and XLA's kernel gradients and 3-D convolutions are many times slower
than its matrix products. So the work is cast as matrix products (`dots.py`), and as plain stride-1 or strided
convolutions where these were as fast and need less memory. `expand_form`, `reduce_form` and `correlate_form` are the
rule, a pure function of the shape and of a `CpuRule`; docs/lowering.md holds the measurements.

Where oneDNN's convolutions were built, `onednn.carries` says which shapes they compute, before that rule is asked.

EXPAND, REDUCE and CORRELATE hold the forms by name. `expand_forms`, `reduce_forms` and `correlate_forms` say which of
them can compute a shape at all: what scripts.tune_ops measures, and what the tests compare.
"""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
import math

import jax
import jax.numpy as jnp

from deconv.ops import convolutions, cpu_rule, dots, onednn
from deconv.ops.arguments import is_int
from deconv.ops.convolutions import accumulator_of
from deconv.ops.cpu_rule import CpuRule
from deconv.ops.geometry import Geometry

# A program of two of the three arrays and the geometry.
Form = Callable[[jax.Array, jax.Array, Geometry], jax.Array]


def expand(x: jax.Array, kernel: jax.Array, g: Geometry) -> jax.Array:
  """x (batch, *small, c_small) -> (batch, *large, c_large): see bilinear.expand."""
  *_, c_small, c_large = kernel.shape
  if onednn.carries('expand', x.dtype, g, x.shape[0], c_small // g.groups, c_large):
    return EXPAND['native'](x, kernel, g)
  form = expand_form(g, x.shape[0], c_small // g.groups, c_large, _rule()) if g.is_sized else 'lax'
  return EXPAND[form](x, kernel, g)


def reduce(y: jax.Array, kernel: jax.Array, g: Geometry) -> jax.Array:
  """y (batch, *large, c_large) -> (batch, *small, c_small): see bilinear.reduce."""
  *_, c_small, c_large = kernel.shape
  if onednn.carries('reduce', y.dtype, g, y.shape[0], c_small // g.groups, c_large):
    return REDUCE['native'](y, kernel, g)
  form = reduce_form(g, y.shape[0], c_small // g.groups, c_large, _rule()) if g.is_sized else 'lax'
  return REDUCE[form](y, kernel, g)


def correlate(x: jax.Array, y: jax.Array, g: Geometry) -> jax.Array:
  """x and y as above -> the kernel: see bilinear.correlate."""
  c_small, c_large = x.shape[-1] // g.groups, y.shape[-1] // g.groups
  if onednn.carries('correlate', x.dtype, g, x.shape[0], c_small, c_large):
    return CORRELATE['native'](x, y, g)
  form = correlate_form(g, x.shape[0], c_small, c_large, _rule()) if g.is_sized else 'lax'
  return CORRELATE[form](x, y, g)


def _rule() -> CpuRule:
  """The rule in use; of a CPU that is divided into several devices, without what moves images of one batch together.

  A batch may be divided among the devices, which would have to exchange borders; and each has its threads busy.
  """
  rule = cpu_rule.in_use()
  return rule if jax.device_count('cpu') == 1 else dataclasses.replace(rule, beside_row_products=0)


# The rule. Channels are those of one group.


def expand_form(g: Geometry, batch: int, c_small: int, c_large: int, rule: CpuRule) -> str:
  """Which of EXPAND is run.

  'taps': a channel alone in its group: no sum over channels, so products by element.
  'wide': all stride**n phases as the output channels of one stride-1 convolution, interleaved afterwards. It needs a
    window that the stride divides; it loses where its rows are short, its output channels few, or in 3-D.
  'lax': where nothing is dilated, a stride-1 convolution of rows that are long enough is as fast as any form, two to
    four times as fast with few channels, and compiled in a tenth of the time; not with very few output channels. Also
    where the array of 'overlap' would be too large.
  'beside': the same convolution of all images side by side, where one of them is too small for two threads.
  'overlap': one matrix product for all taps, then the overlapping taps are added, phase by phase. Its intermediate
    array is window / stride times the output in each dimension; without overlap (2x2/2) nothing is better.
  """
  if _is_depthwise(g, c_small, c_large):
    return 'taps'
  if _is_plain(g, rule) and c_large >= rule.plain_outputs:
    return 'beside' if _goes_beside(g, batch, c_small, c_large, rule) else 'lax'
  overlaps = any(k > s for k, s in zip(g.window, g.strides))
  unfolded = g.positions(batch) * math.prod(g.window) * c_large * g.groups
  if dots.folds(g) and g.groups == 1:
    long_rows = g.ndim < 3 and g.small[-1] >= rule.wide_row
    enough = c_large * math.prod(g.strides) >= rule.wide_outputs
    if (overlaps and long_rows and enough) or unfolded > dots.MAX_UNFOLDED:
      return 'wide'
  return 'overlap' if unfolded <= dots.MAX_UNFOLDED else 'lax'


def reduce_form(g: Geometry, batch: int, c_small: int, c_large: int, rule: CpuRule) -> str:
  """Which of REDUCE is run.

  'taps': as above.
  'lax': the convolution, at stride 1 where its rows are long enough; with a stride where they are longer, the unfolded
    array would be 4 times the input (2 times in 1-D) or more, and there are channels enough to fill a register.
  'beside': as above.
  'columns', 'unfolded': matrix products with the unfolded array, a column at a time or all at once.
  'groups': the same for all groups in one batched product.
  """
  if _is_depthwise(g, c_small, c_large):
    return 'taps'
  if _is_plain(g, rule):
    return 'beside' if _goes_beside(g, batch, c_small, c_large, rule) else 'lax'
  if g.groups == 1 and g.ndim < 3 and max(g.dilation) == 1 and c_large >= rule.strided_inputs:
    growth = math.prod(g.window) / math.prod(g.strides)
    if growth >= 2**g.ndim and g.small[-1] >= rule.strided_row:
      return 'lax'
  return _columns_form(g, batch, c_large, rule)


def correlate_form(g: Geometry, batch: int, c_small: int, c_large: int, rule: CpuRule) -> str:
  """Which of CORRELATE is run.

  'taps': as above.
  'lax': left to XLA at stride 1, with few taps, and too few channels to fill a product.
  'small': the small array is unfolded in place of the large one. At stride 1 either will do, and the one with fewer
    channels is the smaller one: the kernel gradient of a 7x7 convolution of 64 channels to one took 493 ms with the 64
    unfolded, tap by tap, and 47 with the one (128 images of 28x28). Not where the large array has more pixels, which
    would all be multiplied.
  'columns', 'unfolded', 'groups': as above.
  """
  if _is_depthwise(g, c_small, c_large):
    return 'taps'
  wider = max(c_small, c_large)
  few = math.prod(g.window) <= rule.lax_taps and wider <= rule.lax_channels
  if _is_plain(g, rule) and few and g.positions(batch) * wider <= rule.lax_elements:
    return 'lax'
  unfolded = (batch if is_int(batch) else 1) * math.prod((*g.large, *g.window)) * c_small
  if (
    g.groups == 1
    and max(g.strides) == 1
    and math.prod(g.window) > 1
    and c_small < min(c_large, rule.small_channels)
    and math.prod(g.large) <= 1.02 * math.prod(g.small)
    and unfolded <= dots.MAX_UNFOLDED
  ):
    return 'small'
  return _columns_form(g, batch, c_large, rule)


def _is_depthwise(g: Geometry, c_small: int, c_large: int) -> bool:
  return c_small == c_large == 1 and g.groups > 1


def _is_plain(g: Geometry, rule: CpuRule) -> bool:
  """Whether the map is a stride-1 convolution with rows that XLA's program for the CPU fills."""
  return (
    g.groups == 1
    and g.ndim < 3
    and max(g.strides) == max(g.dilation) == 1
    and math.prod(g.window) > 1
    and g.small[-1] >= rule.plain_row
  )


def _goes_beside(g: Geometry, batch: int, c_small: int, c_large: int, rule: CpuRule) -> bool:
  """Whether a plain convolution should have its images side by side."""
  channels = c_small * c_large
  return (
    is_int(batch)
    and batch > 1
    and convolutions.lies_beside(g)
    and g.small[-1] * channels < rule.beside_row_products
    and g.positions(batch) * channels >= rule.beside_products
    and max(c_small, c_large) >= rule.beside_channels
  )


def _columns_form(g: Geometry, batch: int, c_large: int, rule: CpuRule) -> str:
  """Whether the columns of the unfolded array share one matrix product: when each is too thin to fill one by itself.

  Not a single channel: its products go by element, together with the slicing, and nothing is unfolded.
  """
  if g.groups > 1 and c_large >= rule.group_channels:
    return 'groups'
  folded = math.prod(g.strides) if dots.folds(g) else 1
  thin = c_large * folded
  columns = math.prod(g.window) // folded
  together = 1 < thin < rule.thin_column and g.positions(batch) * thin * columns <= dots.MAX_UNFOLDED
  return 'unfolded' if together else 'columns'


# Which forms can compute a shape.


def expand_forms(g: Geometry, batch: int, c_small: int, c_large: int) -> list[str]:
  """Returns the names of the forms of EXPAND that give the right values, and multiply no zeros."""
  if _is_depthwise(g, c_small, c_large):
    return ['taps', 'overlap', *onednn_forms(g, batch)]
  forms = ['overlap', *onednn_forms(g, batch)]
  if dots.folds(g) and g.groups == 1:
    forms.append('wide')
  if max(g.strides) == 1:
    forms.append('lax')
  return [*forms, 'beside'] if convolutions.lies_beside(g) else forms


def reduce_forms(g: Geometry, batch: int, c_small: int, c_large: int) -> list[str]:
  """Returns the names of the forms of REDUCE that give the right values."""
  forms = _product_forms(g, batch, c_small, c_large)
  return [*forms, 'beside'] if convolutions.lies_beside(g) else forms


def correlate_forms(g: Geometry, batch: int, c_small: int, c_large: int) -> list[str]:
  """Returns the names of the forms of CORRELATE that give the right values."""
  forms = _product_forms(g, batch, c_small, c_large)
  return [*forms, 'small'] if g.groups == 1 and max(g.strides) == 1 else forms


def _product_forms(g: Geometry, batch: int, c_small: int, c_large: int) -> list[str]:
  """What REDUCE and CORRELATE have in common."""
  return [
    *(['taps'] if _is_depthwise(g, c_small, c_large) else []),
    'lax',
    'columns',
    'unfolded',
    *onednn_forms(g, batch),
    *(['groups'] if g.groups > 1 else []),
  ]


def onednn_forms(g: Geometry, batch: int) -> list[str]:
  """Returns ['native'] where that form can be had in float32, else []."""
  return ['native'] if onednn.can(jnp.float32, g, batch) else []


# The programs.


def _per_group(program: Callable[..., jax.Array], axes: tuple[int, int], out: int = -1) -> Form:
  """A program of dots.py, which knows no groups, for each of them."""

  def run(a: jax.Array, b: jax.Array, g: Geometry) -> jax.Array:
    one, accumulator = g.with_groups(1), accumulator_of(a.dtype)
    return dots.per_group(lambda a, b: program(a, b, one, accumulator), g.groups, a, b, axes, out)

  return run


def _with(program: Callable[..., jax.Array]) -> Form:
  """A program that takes an accumulator after the geometry."""
  return lambda a, b, g: program(a, b, g, accumulator_of(a.dtype))


def _columns(program: Callable[..., jax.Array], together: bool) -> Callable[..., jax.Array]:
  return lambda a, b, g, accumulator: program(a, b, g, accumulator, together)


def _correlate_small(x: jax.Array, y: jax.Array, g: Geometry) -> jax.Array:
  kernel = dots.correlate_columns(y, x, g.exchanged(), accumulator_of(x.dtype), True)
  return jnp.swapaxes(jnp.flip(kernel, range(g.ndim)), -1, -2)


# The forms by name: programs of the two operands and the geometry.
EXPAND: dict[str, Form] = {
  'native': onednn.expand,
  'taps': _with(dots.expand_taps),
  'wide': _with(dots.expand_wide),
  'lax': _with(convolutions.expand),
  'beside': _with(convolutions.expand_beside),
  'overlap': _per_group(dots.expand_overlap, (-1, -2)),
}
REDUCE: dict[str, Form] = {
  'native': onednn.reduce,
  'taps': _with(dots.reduce_taps),
  'lax': _with(convolutions.reduce),
  'beside': _with(convolutions.reduce_beside),
  'columns': _per_group(_columns(dots.reduce_columns, False), (-1, -2)),
  'unfolded': _per_group(_columns(dots.reduce_columns, True), (-1, -2)),
  'groups': _with(dots.reduce_groups),
}
CORRELATE: dict[str, Form] = {
  'native': onednn.correlate,
  'taps': _with(dots.correlate_taps),
  'lax': convolutions.correlate,
  'columns': _per_group(_columns(dots.correlate_columns, False), (-1, -1), -2),
  'unfolded': _per_group(_columns(dots.correlate_columns, True), (-1, -1), -2),
  'groups': _with(dots.correlate_groups),
  'small': _correlate_small,
}
