"""The maps of a convolution as matrix products and sums, for processors whose matrix product is their one fast routine.

Notation of `geometry.py`: tap k of small position i sits at large position `i * stride + k * dilation - padding`.
Position `o = q * stride + r` of the large array is position q of its *phase* r (polyphase form): every tap of the
kernel belongs to one phase, in which it is a shift.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
import itertools
import math

import jax
from jax import lax
import jax.numpy as jnp
from jax.typing import DTypeLike

from deconv.ops import convolutions
from deconv.ops.arguments import of_rank
from deconv.ops.geometry import Geometry

# Largest unfolded array, in elements, that a form may hold at once.
MAX_UNFOLDED = 2**27


def folds(g: Geometry) -> bool:
  """Whether the window is whole blocks of stride pixels: then folding blocks into channels multiplies no zeros."""
  return all(k % s == 0 for k, s in zip(g.window, g.strides)) and all(d == 1 for d in g.dilation)


# Large from small.


def expand_overlap(x: jax.Array, kernel: jax.Array, g: Geometry, accumulator: DTypeLike | None = None) -> jax.Array:
  """One matrix product for all taps, then the taps of each phase are added at their shifts."""
  n = g.ndim
  products = lax.dot_general(x, kernel, (((n + 1,), (n,)), ((), ())), preferred_element_type=accumulator)
  return _add_phases(lambda tap: products[(slice(None),) * (n + 1) + tap], x, kernel.shape[-1], g, products.dtype)


def expand_taps(x: jax.Array, kernel: jax.Array, g: Geometry, accumulator: DTypeLike | None = None) -> jax.Array:
  """As above with a channel a group: kernel (*window, channels, 1)."""
  dtype = accumulator or x.dtype
  wide = x.astype(dtype)
  product = lambda tap: wide * of_rank(kernel[(*tap, slice(None), 0)].astype(dtype), x.ndim)
  return _add_phases(product, x, x.shape[-1], g, dtype)


def _add_phases(
  product: Callable[[tuple[int, ...]], jax.Array], x: jax.Array, channels: int, g: Geometry, dtype: DTypeLike
) -> jax.Array:
  quotient = [-(-size // s) for size, s in zip(g.large, g.strides)]  # pixels of a phase
  phases = []
  for phase in itertools.product(*map(range, g.strides)):
    total = None
    for tap in itertools.product(*(taps_of_phase(g, d, r) for d, r in enumerate(phase))):
      shift = [(t * g.dilation[d] - g.padding[d][0]) // g.strides[d] for d, t in enumerate(tap)]
      if any(q >= size or q + small <= 0 for q, size, small in zip(shift, quotient, g.small)):
        continue  # all of it is cut away
      pads = [(0, 0, 0), *((q, size - small - q, 0) for q, size, small in zip(shift, quotient, g.small)), (0, 0, 0)]
      term = lax.pad(product(tap), jnp.zeros((), dtype), pads)
      total = term if total is None else total + term
    phases.append(jnp.zeros((x.shape[0], *quotient, channels), dtype) if total is None else total)
  return interleave(phases, g).astype(x.dtype)


def interleave(phases: Sequence[jax.Array], g: Geometry) -> jax.Array:
  """The arrays (batch, *quotient, c) of all phases, in row-major order, as the one array (batch, *large, c)."""
  n = g.ndim
  batch, *quotient, channels = phases[0].shape
  out = jnp.stack(phases).reshape(*g.strides, batch, *quotient, channels)
  order = [n, *itertools.chain(*((n + 1 + d, d) for d in range(n))), 2 * n + 1]
  out = out.transpose(order).reshape(batch, *(q * s for q, s in zip(quotient, g.strides)), channels)
  return _crop(out, [0] * n, g.large)


def taps_of_phase(g: Geometry, d: int, phase: int) -> list[int]:
  """The taps of the kernel that fall on positions `q * stride + phase` of dimension d: evenly spaced ones."""
  return [k for k in range(g.window[d]) if (k * g.dilation[d] - g.padding[d][0] - phase) % g.strides[d] == 0]


def expand_wide(x: jax.Array, kernel: jax.Array, g: Geometry, accumulator: DTypeLike | None = None) -> jax.Array:
  """One stride-1 convolution with all phases as its output channels, for a window that folds.

  Without any padding cut away all phases read the same pixels, so that no zero is multiplied; the border goes
  afterwards.
  """
  n = g.ndim
  *_, c_small, c_large = kernel.shape
  blocks = [k // s for k, s in zip(g.window, g.strides)]
  kernel = kernel.reshape(*itertools.chain(*zip(blocks, g.strides)), c_small, c_large)
  kernel = kernel.transpose(*range(0, 2 * n, 2), 2 * n, *range(1, 2 * n, 2), 2 * n + 1)
  kernel = jnp.flip(kernel, range(n)).reshape(*blocks, c_small, -1)
  out = convolutions.plain(x, kernel, [(b - 1, b - 1) for b in blocks], accumulator)
  rows = out.shape[1:-1]
  out = out.reshape(x.shape[0], *rows, *g.strides, c_large)
  out = out.transpose(0, *itertools.chain(*((1 + d, 1 + n + d) for d in range(n))), 2 * n + 1)
  out = out.reshape(x.shape[0], *(r * s for r, s in zip(rows, g.strides)), c_large)
  return _crop(out, [low for low, _ in g.padding], g.large).astype(x.dtype)


def _crop(a: jax.Array, lows: Sequence[int], sizes: Sequence[int]) -> jax.Array:
  """`sizes` pixels of each spatial dimension from position `lows` on; zeros beyond the end."""
  pads = [(-low, low + size - have, 0) for low, size, have in zip(lows, sizes, a.shape[1:-1])]
  return lax.pad(a, jnp.zeros((), a.dtype), [(0, 0, 0), *pads, (0, 0, 0)])


def per_group(
  program: Callable[[jax.Array, jax.Array], jax.Array],
  groups: int,
  a: jax.Array,
  b: jax.Array,
  axes: tuple[int, int],
  out: int = -1,
) -> jax.Array:
  """`program(a, b)` for each group of channels by itself, as one batched program.

  Args:
    program: of two arrays of one group to one array.
    groups: their number.
    a: array of all groups.
    b: another one.
    axes: the axis that is divided of a and of b, counted from the end.
    out: the axis of the result on which the groups are put side by side.
  """
  if groups == 1:
    return program(a, b)
  return _join(jax.vmap(program)(*(_split(x, groups, axis) for x, axis in zip((a, b), axes))), out)


def _split(a: jax.Array, groups: int, axis: int) -> jax.Array:
  """(..., groups * c, ...) -> (groups, ..., c, ...)."""
  at = a.ndim + axis
  return jnp.moveaxis(a.reshape(*a.shape[:at], groups, a.shape[at] // groups, *a.shape[at + 1 :]), at, 0)


def _join(a: jax.Array, axis: int) -> jax.Array:
  """(groups, ..., c, ...) -> (..., groups * c, ...)."""
  a = jnp.moveaxis(a, 0, a.ndim - 1 + axis)
  at = a.ndim - 1 + axis
  return a.reshape(*a.shape[:at], a.shape[at] * a.shape[at + 1], *a.shape[at + 2 :])


# Small from large, and the kernel from both: products with the columns of the unfolded large array.


def _columns(y: jax.Array, g: Geometry) -> list[jax.Array]:
  """The unfolded large array as a list of arrays (batch, *small, c).

  Where the window folds, a column is a shift of the array with its blocks of stride pixels folded into channels (c =
  c_l * the pixels of a block); else it is what one tap of the kernel sees (c = c_l).
  """
  if folds(g):
    blocks = [k // s for k, s in zip(g.window, g.strides)]
    rows = [small + b - 1 for small, b in zip(g.small, blocks)]
    y = _crop(y, [-low for low, _ in g.padding], [r * s for r, s in zip(rows, g.strides)])
    y = y.reshape(y.shape[0], *itertools.chain(*zip(rows, g.strides)), y.shape[-1])
    n = g.ndim
    y = y.transpose(0, *range(1, 2 * n, 2), *range(2, 2 * n + 1, 2), 2 * n + 1)
    y = y.reshape(y.shape[0], *rows, math.prod(g.strides) * y.shape[-1])
    # Folded once and kept: fused into each product that reads it, the transposition would be done again and again.
    y = lax.optimization_barrier(y)
    return [
      y[(slice(None), *(slice(q, q + small) for q, small in zip(shift, g.small)))]
      for shift in itertools.product(*map(range, blocks))
    ]
  return _tap_columns(y, g)


def _tap_columns(y: jax.Array, g: Geometry) -> list[jax.Array]:
  """What each tap of the kernel sees: arrays (batch, *small, c_l)."""
  ends = [(small - 1) * s + 1 for small, s in zip(g.small, g.strides)]
  reach = [d * (k - 1) for k, d in zip(g.window, g.dilation)]
  y = _crop(y, [-low for low, _ in g.padding], [end + r for end, r in zip(ends, reach)])
  starts = ([k * d for k, d in zip(tap, g.dilation)] for tap in itertools.product(*map(range, g.window)))
  return [y[(slice(None), *(slice(a, a + end, s) for a, end, s in zip(start, ends, g.strides)))] for start in starts]


def _fold_kernel(kernel: jax.Array, g: Geometry) -> jax.Array:
  """(*window, c_s, c_l) -> (columns, c, c_s), in the order of `_columns`."""
  n = g.ndim
  *_, c_small, c_large = kernel.shape
  if not folds(g):
    return jnp.swapaxes(kernel, -1, -2).reshape(-1, c_large, c_small)
  blocks = [k // s for k, s in zip(g.window, g.strides)]
  kernel = kernel.reshape(*itertools.chain(*zip(blocks, g.strides)), c_small, c_large)
  kernel = kernel.transpose(*range(0, 2 * n, 2), *range(1, 2 * n, 2), 2 * n + 1, 2 * n)
  return kernel.reshape(math.prod(blocks), -1, c_small)


def _unfold_kernel(columns: jax.Array, g: Geometry) -> jax.Array:
  """(columns, c_s, c) -> (*window, c_s, c_l)."""
  n = g.ndim
  _, c_small, _ = columns.shape
  if not folds(g):
    return columns.reshape(*g.window, c_small, -1)
  blocks = [k // s for k, s in zip(g.window, g.strides)]
  kernel = columns.reshape(*blocks, c_small, *g.strides, -1)
  kernel = kernel.transpose(*itertools.chain(*((d, n + 1 + d) for d in range(n))), n, 2 * n + 1)
  return kernel.reshape(*g.window, c_small, -1)


def reduce_columns(
  y: jax.Array, kernel: jax.Array, g: Geometry, accumulator: DTypeLike | None, together: bool
) -> jax.Array:
  """The sum over columns of (rows, c) @ (c, c_s); `together`: one product for all of them."""
  columns, kernels = _columns(y, g), _fold_kernel(kernel, g)
  if together and len(columns) > 1:
    columns, kernels = [jnp.concatenate(columns, -1)], kernels.reshape(1, -1, kernels.shape[-1])
  terms = [
    lax.dot_general(column, k, (((column.ndim - 1,), (0,)), ((), ())), preferred_element_type=accumulator)
    for column, k in zip(columns, kernels)
  ]
  return sum(terms[1:], terms[0]).astype(y.dtype)


def correlate_columns(
  x: jax.Array, y: jax.Array, g: Geometry, accumulator: DTypeLike | None, together: bool
) -> jax.Array:
  """The columns of the kernel: (c_s, rows) @ (rows, c) for each column of y; `together`: in one product."""
  columns = _columns(y, g)
  thin = columns[0].shape[-1]
  together = together and len(columns) > 1
  columns_y = [jnp.concatenate(columns, -1)] if together else columns
  rows = tuple(range(g.ndim + 1))
  products = [lax.dot_general(x, c, ((rows, rows), ((), ())), preferred_element_type=accumulator) for c in columns_y]
  if together:
    out = jnp.moveaxis(products[0].reshape(x.shape[-1], len(columns), thin), 0, 1)
  else:
    out = jnp.stack(products)
  return _unfold_kernel(out, g).astype(x.dtype)


# The same with the groups as the batch of one product, for which the columns are put together first.


def reduce_groups(y: jax.Array, kernel: jax.Array, g: Geometry, accumulator: DTypeLike | None = None) -> jax.Array:
  """As `reduce_columns` in one product, of any number of groups."""
  channels = kernel.shape[-2] // g.groups
  kernels = [kernel[..., i * channels : (i + 1) * channels, :] for i in range(g.groups)]
  folded = jnp.stack([_fold_kernel(k, g).reshape(-1, channels) for k in kernels])
  dimensions = (((2,), (1,)), ((0,), (0,)))
  out = lax.dot_general(_grouped_columns(y, g), folded, dimensions, preferred_element_type=accumulator)
  return jnp.moveaxis(out, 0, 1).reshape(y.shape[0], *g.small, kernel.shape[-2]).astype(y.dtype)


def correlate_groups(x: jax.Array, y: jax.Array, g: Geometry, accumulator: DTypeLike | None = None) -> jax.Array:
  """As `correlate_columns` in one product, of any number of groups."""
  columns = _grouped_columns(y, g)
  x_groups = x.reshape(columns.shape[1], g.groups, x.shape[-1] // g.groups)
  x_groups = lax.optimization_barrier(jnp.moveaxis(x_groups, 1, 0))
  out = lax.dot_general(x_groups, columns, (((1,), (1,)), ((0,), (0,))), preferred_element_type=accumulator)
  number = math.prod(g.window) // (math.prod(g.strides) if folds(g) else 1)
  out = jnp.moveaxis(out.reshape(g.groups, x_groups.shape[-1], number, -1), 2, 1)
  return jnp.concatenate([_unfold_kernel(out[i], g) for i in range(g.groups)], -2).astype(x.dtype)


def _grouped_columns(y: jax.Array, g: Geometry) -> jax.Array:
  """(groups, rows, columns * channels of a column) in the order of `_columns` of one group."""
  columns = jnp.stack(_columns(y, g), -2)
  channels = y.shape[-1] // g.groups
  rows = math.prod(columns.shape[: g.ndim + 1])
  taps = columns.shape[-2] * columns.shape[-1] // y.shape[-1]  # of all columns
  columns = jnp.moveaxis(columns.reshape(rows, taps, g.groups, channels), 2, 0)
  return lax.optimization_barrier(columns.reshape(g.groups, rows, taps * channels))


def reduce_taps(y: jax.Array, kernel: jax.Array, g: Geometry, accumulator: DTypeLike | None = None) -> jax.Array:
  """With a channel a group: kernel (*window, channels, 1)."""
  dtype = accumulator or y.dtype
  kernels = kernel[..., 0].reshape(-1, y.shape[-1]).astype(dtype)
  columns = _tap_columns(y.astype(dtype), g)
  terms = [c * of_rank(k, y.ndim) for c, k in zip(columns, kernels)]
  return sum(terms[1:], terms[0]).astype(y.dtype)


def correlate_taps(x: jax.Array, y: jax.Array, g: Geometry, accumulator: DTypeLike | None = None) -> jax.Array:
  """As `correlate_columns` with a channel a group: (*window, channels, 1)."""
  dtype = accumulator or x.dtype
  rows = tuple(range(g.ndim + 1))
  x = x.astype(dtype)
  out = jnp.stack([jnp.sum(x * c, rows) for c in _tap_columns(y.astype(dtype), g)])
  return out.reshape(*g.window, x.shape[-1], 1).astype(y.dtype)


# Of small arrays of one pixel: a window of the large array, and products with nothing to add.


def expand_pixel(x: jax.Array, kernel: jax.Array, g: Geometry, accumulator: DTypeLike | None = None) -> jax.Array:
  """The window of products put where it belongs."""
  n = g.ndim
  pixel = x.reshape(x.shape[0], x.shape[-1])
  out = lax.dot_general(pixel, kernel, (((1,), (n,)), ((), ())), preferred_element_type=accumulator).astype(x.dtype)
  pads = [(-low, large + low - d * (k - 1) - 1, d - 1) for (low, _), large, d, k in _window(g)]
  return lax.pad(out, jnp.zeros((), x.dtype), [(0, 0, 0), *pads, (0, 0, 0)])


def reduce_pixel(y: jax.Array, kernel: jax.Array, g: Geometry, accumulator: DTypeLike | None = None) -> jax.Array:
  """The window that is seen, times the kernel."""
  n = g.ndim
  axes = tuple(range(1, n + 1))
  out = lax.dot_general(
    _seen(y, g), kernel, (((*axes, n + 1), (*range(n), n + 1)), ((), ())), preferred_element_type=accumulator
  )
  return out.astype(y.dtype).reshape(y.shape[0], *(1,) * n, kernel.shape[-2])


def correlate_pixel(x: jax.Array, y: jax.Array, g: Geometry, accumulator: DTypeLike | None = None) -> jax.Array:
  """The outer product of the pixel and the window that it sees, summed over the batch."""
  pixel = x.reshape(x.shape[0], x.shape[-1])
  out = lax.dot_general(_seen(y, g), pixel, (((0,), (0,)), ((), ())), preferred_element_type=accumulator)
  return jnp.swapaxes(out, -1, -2).astype(x.dtype)


def _seen(y: jax.Array, g: Geometry) -> jax.Array:
  pads = [(low, d * (k - 1) + 1 - large - low, 0) for (low, _), large, d, k in _window(g)]
  y = lax.pad(y, jnp.zeros((), y.dtype), [(0, 0, 0), *pads, (0, 0, 0)])
  return y[(slice(None), *(slice(None, None, d) for d in g.dilation))]


def _window(g: Geometry) -> Iterable[tuple[tuple[int, int], int, int, int]]:
  return zip(g.padding, g.large, g.dilation, g.window)
