"""Fixed low-pass filters: blurring, and upsampling with the filter built in (anti-aliased upsampling).

A filter removes the checkerboard of a factor f completely when its spectrum is zero at the frequencies k / f: the box
of length f is the shortest that is, and all filters here are boxes convolved with each other. Separable, made of slices
and sums: no zeros are multiplied, the same program differentiates well on every platform.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from deconv.ops.arguments import check_floating, per_dim, wide_type

Taps = Sequence[float] | np.ndarray  # of a one-dimensional filter

_BORDERS = {'edge': 'edge', 'zero': 'constant', 'reflect': 'reflect'}


def box_filter(length: int, order: int = 1) -> np.ndarray:
  """Returns a box of `length` taps convolved `order` times, sum 1: order * (length - 1) + 1 taps, float64.

  Length 2 gives the binomial filters: order 2 is [1, 2, 1] / 4 ("Triangle-3" of Zhang 2019), order 3 is [1, 3, 3, 1] /
  8 (StyleGAN 2, Karras et al. 2020). Order 2 is the triangle of linear interpolation.
  """
  per_dim('length', length, 1)
  per_dim('order', order, 1)
  taps = np.ones(1)
  for _ in range(order):
    taps = np.convolve(taps, np.full(length, 1 / length))
  return taps


def blur(x: jax.Array, taps: Taps | None = None, *, border: str = 'edge') -> jax.Array:
  """Filters every channel by `taps` in each spatial dimension; the size stays.

  Args:
    x: (batch, *spatial, channels), floating.
    taps: the one-dimensional filter, by default [1, 2, 1] / 4. With an even number the result moves half a pixel down.
    border: what lies outside of x: 'edge' (its last pixel; constants stay constant), 'zero' or 'reflect'.

  Returns:
    The shape and dtype of x; filtered in float32 at least.

  Raises:
    ValueError: an unknown border, no taps, or an image of integers.
  """
  check_floating('blur', x)
  return upsample_filter(x, 1, box_filter(2, 2) if taps is None else taps, border=border)


def blur_upsample(x: jax.Array, factor: int | Sequence[int] = 2, *, order: int = 3, border: str = 'edge') -> jax.Array:
  """Anti-aliased upsampling: zeros between the pixels, then a filter with zeros at the frequencies k / factor.

  With factor 2 and order 3 it is StyleGAN 2's `upsample_2d` with [1, 3, 3, 1] (except at the border when `border` is
  not 'zero'). Order 1 repeats pixels; orders that are odd keep the centre of the image in its place for every factor.

  Args:
    x: (batch, *spatial, channels), floating.
    factor: output size over input size, an int or one for each dimension.
    order: how many boxes of length `factor` make the filter (box_filter).
    border: 'edge', 'zero' or 'reflect'.

  Returns:
    (batch, *(spatial * factor), channels), the dtype of x.

  Raises:
    ValueError: an unknown border, or an image of integers.
  """
  check_floating('blur_upsample', x)
  factors = per_dim('factor', factor, x.ndim - 2)
  return upsample_filter(x, factors, [f * box_filter(f, order) for f in factors], border=border)


def upsample_filter(
  x: jax.Array, factor: int | Sequence[int], taps: Taps | Sequence[Taps], *, border: str = 'edge'
) -> jax.Array:
  """Zero insertion followed by a separable filter: `y[i * factor + t - low] += x[i] * taps[t]`.

  low = (len(taps) - factor) // 2 keeps the image in its place. Each of the `factor` phases of the output is a short sum
  over shifted inputs. The depthwise transposed convolution with these taps (at border='zero'), without its zeros.

  Args:
    x: (batch, *spatial, channels), floating.
    factor: an int or one for each spatial dimension.
    taps: one filter for all dimensions, or a list with one for each. Its phases taps[p::factor] must each sum to 1
      where constants are to stay constant.
    border: what lies outside of x: 'edge', 'zero' or 'reflect'.

  Returns:
    (batch, *(spatial * factor), channels), the dtype of x; filtered in float32 at least.

  Raises:
    ValueError: an unknown border, taps that do not fit, or an image of integers.
  """
  check_floating('upsample_filter', x)
  dims = x.ndim - 2
  factors = per_dim('factor', factor, dims)
  if border not in _BORDERS:
    raise ValueError(f'border must be one of {", ".join(_BORDERS)}, not {border!r}')
  if not len(taps):
    raise ValueError('taps is empty: a filter needs at least one tap')
  filters = [np.asarray(t, np.float64) for t in ([taps] * dims if np.ndim(taps[0]) == 0 else taps)]
  if len(filters) != dims:
    raise ValueError(f'taps has {len(filters)} filters for {dims} spatial dimensions')
  dtype = x.dtype
  x = x.astype(wide_type(dtype))
  for d in range(dims):
    x = _along(x, 1 + d, factors[d], filters[d], border)
  return x.astype(dtype)


def _along(x: jax.Array, axis: int, factor: int, taps: np.ndarray, border: str) -> jax.Array:
  low = (len(taps) - factor) // 2
  # Phase p of the output reads x[i + shift] * taps[t] for every tap t = p + low - factor * shift.
  phases = [
    [((p + low - t) // factor, tap) for t, tap in enumerate(taps.tolist()) if (p + low - t) % factor == 0 and tap]
    for p in range(factor)
  ]
  shifts = [shift for phase in phases for shift, _ in phase]
  before, after = max(0, -min(shifts, default=0)), max(0, max(shifts, default=0))
  n = x.shape[axis]
  pads = [(0, 0)] * x.ndim
  pads[axis] = (before, after)
  padded = (
    jnp.pad(x, pads, mode=_BORDERS[border])
    if x.size
    else jnp.zeros([m + sum(pad) for m, pad in zip(x.shape, pads)], x.dtype)
  )
  outputs = []
  for phase in phases:
    total = jnp.zeros_like(x)
    for shift, tap in phase:
      total = total + tap * jax.lax.slice_in_dim(padded, before + shift, before + shift + n, axis=axis)
    outputs.append(total)
  if factor == 1:
    return outputs[0]
  y = jnp.stack(outputs, axis + 1)
  return y.reshape(*x.shape[:axis], n * factor, *x.shape[axis + 1 :])
