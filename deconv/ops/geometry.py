"""The sizes of a convolution and of its adjoint, and every check on the arguments."""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses
import math

from deconv.ops.arguments import Padding, is_int, is_same, pad_pairs, per_dim


@dataclasses.dataclass(frozen=True)
class Geometry:
  """A convolution from `large` to `small`, and the transposed convolution from `small` to `large`.

  Tap k of small position i sits at large position `i * stride + k * dilation - padding[0]`. All tuples hold an entry
  for each spatial dimension.
  """

  large: tuple[int, ...]
  small: tuple[int, ...]
  window: tuple[int, ...]
  strides: tuple[int, ...]
  dilation: tuple[int, ...]
  padding: tuple[tuple[int, int], ...]  # of the convolution; the high side is what the sizes make it
  groups: int

  @property
  def ndim(self) -> int:
    return len(self.window)

  @property
  def is_sized(self) -> bool:
    """Whether all sizes are known: in `jax.export` they may be symbols, by which no rule can decide."""
    return all(map(is_int, (*self.large, *self.small)))

  def positions(self, batch: int) -> int:
    """Small positions of a batch; of one image where the batch has no size yet (`jax.export`)."""
    return (batch if is_int(batch) else 1) * math.prod(self.small)

  def with_groups(self, groups: int) -> Geometry:
    return dataclasses.replace(self, groups=groups)

  def exchanged(self) -> Geometry:
    """The same pairs of pixels with small and large exchanged and the window flipped; of a geometry of stride 1."""
    reach = [d * (k - 1) for k, d in zip(self.window, self.dilation)]
    lows = [r - low for r, (low, _) in zip(reach, self.padding)]
    pads = tuple(
      (low, large - 1 + r + 1 - small - low) for low, r, large, small in zip(lows, reach, self.large, self.small)
    )
    return dataclasses.replace(self, large=self.small, small=self.large, padding=pads)


def conv_geometry(
  x_shape: Sequence[int],
  kernel_shape: Sequence[int],
  strides: int | Sequence[int],
  padding: Padding,
  dilation: int | Sequence[int],
  groups: int,
) -> Geometry:
  """The geometry of `conv`; raises ValueError where the arguments do not fit."""
  large, window = _spatial('conv', x_shape, kernel_shape)
  n = len(window)
  strides, dilation = per_dim('strides', strides, n, 1), per_dim('dilation', dilation, n, 1)
  groups = _check_groups('conv', groups)
  if x_shape[-1] != kernel_shape[-2] * groups:
    raise ValueError(
      f'conv: x of shape {tuple(x_shape)} has {x_shape[-1]} channels but the kernel of shape {tuple(kernel_shape)} '
      f'with groups={groups} takes {kernel_shape[-2] * groups}; the kernel must be (*window, c_in / groups, c_out).'
    )
  if kernel_shape[-1] % groups:
    raise ValueError(f'conv: groups={groups} does not divide the {kernel_shape[-1]} output channels of the kernel.')
  reach = tuple(d * (k - 1) + 1 for k, d in zip(window, dilation))
  pads = pad_pairs(padding, reach, strides, large)
  small = []
  for d in range(n):
    room = large[d] + sum(pads[d]) - reach[d]
    if room < 0:
      raise ValueError(
        f'conv: the output would be empty in spatial dimension {d}: input {large[d]} with padding {pads[d]} is '
        f'smaller than the kernel, which spans {reach[d]} (window {window[d]}, dilation {dilation[d]}).'
      )
    small.append(room // strides[d] + 1)
  return _geometry(large, small, window, strides, dilation, pads, groups)


def conv_transpose_geometry(
  x_shape: Sequence[int],
  kernel_shape: Sequence[int],
  strides: int | Sequence[int],
  padding: Padding,
  output_padding: int | Sequence[int],
  dilation: int | Sequence[int],
  groups: int,
) -> Geometry:
  """The geometry of `conv_transpose`; raises ValueError where the arguments do not fit."""
  small, window = _spatial('conv_transpose', x_shape, kernel_shape)
  n = len(window)
  strides, dilation = per_dim('strides', strides, n, 1), per_dim('dilation', dilation, n, 1)
  extra = per_dim('output_padding', output_padding, n, 0)
  groups = _check_groups('conv_transpose', groups)
  if x_shape[-1] != kernel_shape[-2]:
    raise ValueError(
      f'conv_transpose: x of shape {tuple(x_shape)} has {x_shape[-1]} channels but the kernel of shape '
      f'{tuple(kernel_shape)} takes {kernel_shape[-2]}; the kernel must be (*window, c_in, c_out / groups).'
    )
  if x_shape[-1] % groups:
    raise ValueError(f'conv_transpose: groups={groups} does not divide the {x_shape[-1]} channels of x.')
  for d in range(n):
    if extra[d] >= max(strides[d], dilation[d]):
      raise ValueError(
        f'conv_transpose: output_padding={extra[d]} in spatial dimension {d} must be smaller than the larger of '
        f'stride {strides[d]} and dilation {dilation[d]}.'
      )
  reach = tuple(d * (k - 1) + 1 for k, d in zip(window, dilation))
  same = is_same(padding)
  if same and any(extra):
    raise ValueError(
      f"conv_transpose: output_padding={extra} with padding='SAME', which fixes the output at "
      'input * stride; give the padding as numbers.'
    )
  # SAME is what a SAME convolution of this many pixels adds; with a kernel below the stride the rest is zeros.
  large = [size * s for size, s in zip(small, strides)]
  pads = pad_pairs(padding, reach, strides, large)
  if not same:
    large = [(size - 1) * s + r - sum(p) + e for size, s, r, p, e in zip(small, strides, reach, pads, extra)]
  for d in range(n):
    if large[d] < 1:
      raise ValueError(
        f'conv_transpose: the output would be empty in spatial dimension {d}: input {small[d]}, window {window[d]}, '
        f'stride {strides[d]}, dilation {dilation[d]}, padding {pads[d]} and output_padding {extra[d]} give '
        f'{large[d]} pixels.'
      )
  return _geometry(large, small, window, strides, dilation, pads, groups)


def _geometry(
  large: Sequence[int],
  small: Sequence[int],
  window: tuple[int, ...],
  strides: tuple[int, ...],
  dilation: tuple[int, ...],
  pads: tuple[tuple[int, int], ...],
  groups: int,
) -> Geometry:
  """Fills in the high padding: what the last position of the window leaves (below zero where pixels are left over).

  Where that depends on a size that is not known yet (`jax.export` with symbolic sizes), the padding stays as given.
  """
  lasts = [
    (m - 1) * s + d * (k - 1) + 1 - size - low
    for size, m, k, s, d, (low, _) in zip(large, small, window, strides, dilation, pads)
  ]
  pads = tuple((low, last if is_int(last) else high) for last, (low, high) in zip(lasts, pads))
  return Geometry(tuple(large), tuple(small), window, strides, dilation, pads, groups)


def _spatial(name: str, x_shape: Sequence[int], kernel_shape: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
  n = len(x_shape) - 2
  if n not in (1, 2, 3):
    raise ValueError(
      f'{name}: x must be (batch, *spatial, channels) with 1, 2 or 3 spatial dimensions, got shape {tuple(x_shape)}.'
    )
  if len(kernel_shape) != n + 2:
    raise ValueError(
      f'{name}: x of shape {tuple(x_shape)} has {n} spatial dimensions, so the kernel needs {n + 2} '
      f'axes (*window, c_in, c_out), got shape {tuple(kernel_shape)}.'
    )
  if 0 in x_shape[1:] or 0 in kernel_shape:
    raise ValueError(
      f'{name}: only the batch may be empty, got x of shape {tuple(x_shape)} and a kernel of shape '
      f'{tuple(kernel_shape)}.'
    )
  return tuple(x_shape[1:-1]), tuple(kernel_shape[:-2])


def _check_groups(name: str, groups: int) -> int:
  if not is_int(groups) or groups < 1:
    raise ValueError(f'{name}: groups must be a positive int, got {groups!r}.')
  return int(groups)
