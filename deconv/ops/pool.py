"""Max pooling with switches, unpooling by switches, average pooling and unpooling; any number of spatial dimensions.

Switches are what PyTorch's `return_indices` gives: for each pooled value the flat index, in the unpadded input plane of
its channel (row-major over the spatial dimensions), of the pixel that it came from.

Everything is made of one whole-array slice for each tap of the window, selections and sums: JAX differentiates that in
every mode, and without scatters. On a CPU that is several times as fast as lax.reduce_window and scatter-add
(docs/benchmarks.md#pooling).
"""

from collections.abc import Sequence
import math

import jax
from jax import lax
import jax.numpy as jnp
import numpy as np

from deconv.ops.arguments import Padding, check_floating, pad_pairs, per_dim, wide_type
from deconv.ops.resize import resize_nearest


def max_pool(
  x: jax.Array, window: int | Sequence[int] = 2, strides: int | Sequence[int] | None = None, padding: Padding = 0
) -> tuple[jax.Array, jax.Array]:
  """Max pooling that also returns its switches.

  Args:
    x: (batch, *spatial, channels).
    window: side of the window, an int or one per spatial dimension.
    strides: steps of the window. The default is the window itself (no overlap).
    padding: pixels around x, fewer than the window ("Padding" in docs/operators.md says how it is read). Padding never
      wins.

  Returns:
    The pair (y, switches). y has the shape (batch, *pooled, channels) with
    pooled = (size + low + high - window) // strides + 1. NaN wins, as in PyTorch. switches is int32 of the shape of y:
    flat indices into the unpadded plane, the first one in row-major order on ties. The gradient of y goes to the
    switches alone.

  Raises:
    ValueError: an argument does not fit the shape of x; the message names it and the sizes.
  """
  windows = _Windows('max_pool', x.shape, window, strides, padding)
  parts, inside = windows.slices(x), windows.inside()
  # A running maximum. JAX's derivative of these selections is already the right one, to the winner alone.
  best, offset, seen = parts[0], jnp.zeros(parts[0].shape, jnp.int32), inside[0]
  for part, here, at in zip(parts[1:], inside[1:], windows.offsets[1:]):
    wins = (part > best) | ((part != part) & (best == best))
    if not (here.all() and seen.all()):
      wins = (wins | ~seen) & here
    best = jnp.where(wins, part, best)
    offset = jnp.where(wins, at, offset)
    seen = seen | here
  return best, windows.starts() + offset


def max_unpool(
  y: jax.Array,
  switches: jax.Array,
  output_size: int | Sequence[int] | None = None,
  *,
  window: int | Sequence[int] | None = None,
  strides: int | Sequence[int] | None = None,
  padding: Padding = 0,
) -> jax.Array:
  """Puts every value at the pixel that its switch names, zeros elsewhere (Zeiler and Fergus 2014; Noh et al. 2015).

  If two windows chose the same pixel, their values are added. The sum is deterministic in any order of execution. It
  makes unpooling the exact adjoint of picking the pixels at the switches, so its gradient is a gather at the switches.
  (PyTorch keeps one of the values, and it is undefined which one. For windows that do not overlap both are equal.)

  Args:
    y: (batch, *pooled, channels).
    switches: integers of the shape of y, as from max_pool.
    output_size: spatial size of the result: that of max_pool's input. By default pooled * strides, which fits windows
      without overlap that cover the input exactly.
    window: that of the max_pool that made the switches. With a window no scatter is needed, and a value whose switch
      lies outside of its window is dropped. Without it any switches are accepted, by a slower scatter-add;
      `output_size` is then required, and a value whose switch lies outside of the plane is dropped.
    strides: those of that max_pool; without effect if there is no window.
    padding: that of that max_pool; without effect if there is no window.

  Returns:
    (batch, *output_size, channels), the dtype of y.

  Raises:
    ValueError: an argument does not fit the shapes; the message names it and the sizes.
  """
  if y.shape != switches.shape:
    raise ValueError(f'max_unpool: switches of shape {switches.shape} do not fit y of shape {y.shape}')
  if not jnp.issubdtype(switches.dtype, jnp.integer):
    raise ValueError(f'max_unpool: switches must be integers, not {switches.dtype}')
  dims = y.ndim - 2
  if output_size is None:
    if window is None:
      raise ValueError('max_unpool: give output_size, or the window and strides of the pooling')
    output_size = _unpooled_size(y, window, strides)
  output_size = per_dim('max_unpool: output_size', output_size, dims)
  if window is None:
    return _scatter(y, switches, output_size)
  windows = _Windows('max_unpool', (y.shape[0], *output_size, y.shape[-1]), window, strides, padding, pooled=y)
  offset = switches - windows.starts()
  if windows.tiles:
    # One selection over (b, m, k, m, k, c).
    ones = [axis for d in range(dims) for axis in (y.shape[1 + d], 1)]
    taps = np.reshape(windows.offsets, [1] + [side for k in windows.window for side in (1, k)] + [1])
    y, offset = (a.reshape(a.shape[0], *ones, a.shape[-1]) for a in (y, offset))
    return jnp.where(offset == taps, y, 0).reshape(y.shape[0], *output_size, y.shape[-1])
  parts = []
  for at, here in zip(windows.offsets, windows.inside()):
    chosen = offset == at
    parts.append(jnp.where(chosen if here.all() else chosen & here, y, 0))
  return windows.spread(parts)


def avg_pool(
  x: jax.Array,
  window: int | Sequence[int] = 2,
  strides: int | Sequence[int] | None = None,
  padding: Padding = 0,
  *,
  count_padding: bool = True,
) -> jax.Array:
  """Average pooling.

  Args:
    x: (batch, *spatial, channels), floating.
    window: as in max_pool.
    strides: as in max_pool.
    padding: as in max_pool.
    count_padding: divide by the whole window (PyTorch's count_include_pad=True) or by its pixels inside of x.

  Returns:
    (batch, *pooled, channels), the dtype of x; summed in float32 at least.

  Raises:
    ValueError: an argument does not fit the shape of x, or the image is of integers.
  """
  check_floating('avg_pool', x)
  windows = _Windows('avg_pool', x.shape, window, strides, padding)
  wide = x.astype(wide_type(x.dtype))
  total = sum(windows.slices(wide))
  return (total * jnp.asarray(windows.weights(count_padding), wide.dtype)).astype(x.dtype)


def avg_unpool(
  y: jax.Array,
  window: int | Sequence[int] = 2,
  strides: int | Sequence[int] | None = None,
  padding: Padding = 0,
  *,
  output_size: int | Sequence[int] | None = None,
  count_padding: bool = True,
) -> jax.Array:
  """Average unpooling: spreads every value evenly over its window, the adjoint of avg_pool.

  The sum of the image stays the same. If windows do not overlap, avg_pool of the result is the input divided by the
  number of pixels of a window. resize_nearest repeats the values unchanged instead.

  Args:
    y: (batch, *pooled, channels), floating.
    window: as in avg_pool.
    strides: as in avg_pool.
    padding: as in avg_pool.
    output_size: spatial size of the result, that of avg_pool's input; by default pooled * strides.
    count_padding: as in avg_pool.

  Returns:
    (batch, *output_size, channels), the dtype of y.

  Raises:
    ValueError: an argument does not fit the shape of y, or the values are integers.
  """
  check_floating('avg_unpool', y, 'y')
  output_size = _unpooled_size(y, window, strides) if output_size is None else output_size
  output_size = per_dim('avg_unpool: output_size', output_size, y.ndim - 2)
  windows = _Windows('avg_unpool', (y.shape[0], *output_size, y.shape[-1]), window, strides, padding, pooled=y)
  wide = y.astype(wide_type(y.dtype))
  spread = wide * jnp.asarray(windows.weights(count_padding), wide.dtype)
  if windows.tiles:
    return resize_nearest(spread, windows.window).astype(y.dtype)
  return windows.spread([spread] * len(windows.taps)).astype(y.dtype)


def _unpooled_size(y: jax.Array, window: int | Sequence[int], strides: int | Sequence[int] | None) -> tuple[int, ...]:
  strides = per_dim('strides', window if strides is None else strides, y.ndim - 2)
  return tuple(n * s for n, s in zip(y.shape[1:-1], strides))


class _Windows:
  """A window sliding over the spatial dimensions of an array (batch, *size, channels); one entry in every list is one
  of its taps.

  Taps are in row-major order, and so are the pixels of a window that they see.
  """

  def __init__(
    self,
    name: str,
    shape: Sequence[int],
    window: int | Sequence[int],
    strides: int | Sequence[int] | None,
    padding: Padding,
    pooled: jax.Array | None = None,
  ) -> None:
    if len(shape) < 3:
      raise ValueError(f'{name}: expected (batch, *spatial, channels), not shape {tuple(shape)}')
    self.size = tuple(shape[1:-1])
    dims = len(self.size)
    self.window = per_dim(f'{name}: window', window, dims)
    self.strides = self.window if strides is None else per_dim(f'{name}: strides', strides, dims)
    self.padding = pad_pairs(padding, self.window, self.strides, self.size)
    if any(max(pair) >= k for k, pair in zip(self.window, self.padding)):
      raise ValueError(f'{name}: padding {self.padding} must be smaller than window {self.window}')
    if any(n + sum(pair) < k for n, k, pair in zip(self.size, self.window, self.padding)):
      raise ValueError(
        f'{name}: window {self.window} is larger than spatial size {self.size} with padding {self.padding}'
      )
    self.pooled = tuple(
      (n + sum(pair) - k) // s + 1 for n, k, s, pair in zip(self.size, self.window, self.strides, self.padding)
    )
    if pooled is not None and pooled.shape[1:-1] != self.pooled:
      raise ValueError(
        f'{name}: window {self.window} with strides {self.strides} and padding {self.padding} pools '
        f'output_size {self.size} to {self.pooled}, but y has {pooled.shape[1:-1]}'
      )
    self.taps = list(np.ndindex(*self.window))
    # Windows side by side that cover the array exactly.
    self.tiles = (
      self.window == self.strides
      and not any(low for low, _ in self.padding)
      and self.size == tuple(m * k for m, k in zip(self.pooled, self.window))
    )

    # How far each tap lies after the first pixel of its window, in flat indices of the plane.
    self.steps = [math.prod(self.size[d + 1 :]) for d in range(dims)]
    self.offsets = [sum(at * step for at, step in zip(tap, self.steps)) for tap in self.taps]

  def starts(self) -> jax.Array:
    """Returns the flat index of the first pixel of each window, perhaps outside: int32 (1, *pooled, 1).

    From iotas: a table of constants inside of the fused loops took ten times as long.
    """
    shape = (1, *self.pooled, 1)
    terms = [
      (lax.broadcasted_iota(jnp.int32, shape, 1 + d) * s - low) * step
      for d, (s, step, (low, _)) in enumerate(zip(self.strides, self.steps, self.padding))
    ]
    return sum(terms[1:], terms[0])

  def _per_axis(self, tap: Sequence[int]) -> list[np.ndarray]:
    """Returns for each dimension which coordinate the tap of every window sees, (pooled,) ints, perhaps outside."""
    return [np.arange(m) * s + at - low for at, m, s, (low, _) in zip(tap, self.pooled, self.strides, self.padding)]

  def inside(self) -> list[np.ndarray]:
    """Returns for each tap which windows see a pixel of x through it, bool (1, *pooled, 1)."""
    masks = []
    for tap in self.taps:
      axes = [(at >= 0) & (at < n) for at, n in zip(self._per_axis(tap), self.size)]
      masks.append(np.logical_and.reduce(np.meshgrid(*axes, indexing='ij'))[None, ..., None])
    return masks

  def slices(self, x: jax.Array) -> list[jax.Array]:
    """Returns for each tap what it sees, each (batch, *pooled, channels), with zeros outside of x."""
    if self.tiles:
      # (b, m, k, m, k, c): the pixels of a window are axes of their own.
      x = x.reshape(x.shape[0], *(i for pair in zip(self.pooled, self.window) for i in pair), x.shape[-1])
      return [x[(slice(None), *(i for at in tap for i in (slice(None), at)))] for tap in self.taps]
    pads = []
    for n, k, s, m, (low, _) in zip(self.size, self.window, self.strides, self.pooled, self.padding):
      pads.append((low, (m - 1) * s + k - low - n, 0))  # up to the last pixel that is seen: the high side may also crop
    x = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *pads, (0, 0, 0)])
    return [
      x[(slice(None), *(slice(at, at + (m - 1) * s + 1, s) for at, m, s in zip(tap, self.pooled, self.strides)))]
      for tap in self.taps
    ]

  def spread(self, parts: Sequence[jax.Array]) -> jax.Array:
    """The adjoint of `slices`: adds every tap's part where the tap is, (batch, *size, channels)."""
    batch, channels = parts[0].shape[0], parts[0].shape[-1]
    placeholder = jax.ShapeDtypeStruct((batch, *self.size, channels), parts[0].dtype)
    return jax.linear_transpose(self._slices_of_phases, placeholder)(list(parts))[0]

  def _slices_of_phases(self, x: jax.Array) -> list[jax.Array]:
    """`slices`, written so that the adjoint adds arrays of the pooled size and then interleaves them.

    The adjoint of strided slices fills in zeros and adds arrays of full size, which took 5 times as long for 3x3/2; the
    gradient of max_pool in turn is faster through strided slices, because XLA then does not repeat the comparisons.
    """
    rows = [m + (k - 1) // s for m, k, s in zip(self.pooled, self.window, self.strides)]
    pads = [(low, r * s - low - n, 0) for n, r, s, (low, _) in zip(self.size, rows, self.strides, self.padding)]
    x = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *pads, (0, 0, 0)])
    phases = [x.reshape(x.shape[0], *(i for pair in zip(rows, self.strides) for i in pair), x.shape[-1])]
    for d, s in enumerate(self.strides):  # (b, r, s, r, s, c), dimension by dimension
      phases = [jnp.squeeze(part, 2 + d) for phase in phases for part in lax.split(phase, (1,) * s, 2 + d)]
    seen = []
    for tap in self.taps:
      phase = np.ravel_multi_index([at % s for at, s in zip(tap, self.strides)], self.strides)
      shifts = (slice(at // s, at // s + m) for at, s, m in zip(tap, self.strides, self.pooled))
      seen.append(phases[phase][(slice(None), *shifts)])
    return seen

  def weights(self, count_padding: bool) -> np.ndarray | np.float64:
    """Returns one over the number of pixels that each average is divided by, broadcasting to (1, *pooled, 1)."""
    return np.float64(1 / len(self.taps)) if count_padding else 1 / np.sum(self.inside(), axis=0)


def _scatter(y: jax.Array, switches: jax.Array, output_size: tuple[int, ...]) -> jax.Array:
  """Unpooling by any switches at all: scatter-add into the flat planes."""
  batch, channels = y.shape[0], y.shape[-1]
  plane = jnp.zeros((batch, math.prod(output_size), channels), y.dtype)
  at = switches.reshape(batch, math.prod(y.shape[1:-1]), channels)
  at = jnp.where(at < 0, plane.shape[1], at)  # a negative index would count from the end; beyond it, it is dropped
  plane = plane.at[jnp.arange(batch)[:, None, None], at, jnp.arange(channels)].add(y.reshape(at.shape), mode='drop')
  return plane.reshape(batch, *output_size, channels)
