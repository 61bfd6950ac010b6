"""`jax.lax.conv_transpose` and `jax.lax.conv_general_dilated`, computed by this package: one import to change.

Both functions have the signature and the values of their models. They are lines of bookkeeping around `conv` and
`conv_transpose`: axes are moved last, lax's padding of the dilated input becomes the padding of the convolution that
is transposed, and the kernel is flipped.

What these operators do not compute goes to lax, so nothing that worked stops working. That is every call that lax
refuses (its own error appears), and:
  integers, booleans, complex numbers, 8-bit floats, and two weakly typed operands (whose result is weakly typed);
  no spatial dimension, more than three, an empty array, or a spatial size or number of channels that is a symbol;
  a stride and an input dilation in one call; batch groups; `out_sharding`;
  a precision that differs between the operands or names an algorithm; a preferred type that is no wider float.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
import contextlib
import operator
from typing import Any

import jax
from jax import lax
import jax.numpy as jnp
from jax.typing import DTypeLike
import numpy as np

from deconv.ops.arguments import is_int
from deconv.ops.conv import conv, conv_transpose

_Pairs = tuple[tuple[int, int], ...]

# What lax takes for the dimension numbers of a transposed convolution that names none, by spatial dimensions.
_TRANSPOSED_NUMBERS = {1: ('NHC', 'HIO', 'NHC'), 2: ('NHWC', 'HWIO', 'NHWC'), 3: ('NHWDC', 'HWDIO', 'NHWDC')}
_FLOATS = ('bfloat16', 'float16', 'float32', 'float64')
_PRECISIONS = {lax.Precision.DEFAULT: 'default', lax.Precision.HIGH: 'high', lax.Precision.HIGHEST: 'highest'}


class _Declined(Exception):
  """A call that is lax's to compute, or to refuse."""


def lax_conv_transpose(
  lhs: jax.Array,
  rhs: jax.Array,
  strides: Sequence[int],
  padding: str | Sequence[tuple[int, int]],
  rhs_dilation: Sequence[int] | None = None,
  dimension_numbers: Any = None,
  transpose_kernel: bool = False,
  precision: Any = None,
  preferred_element_type: DTypeLike | None = None,
  use_consistent_padding: bool = False,
) -> jax.Array:
  """`jax.lax.conv_transpose` by the programs of `deconv.ops.conv_transpose`: same arguments, same values.

  Its derivatives of every order are the fast programs too. With a wider `preferred_element_type` the operands are
  converted to it first. What is left to lax itself is listed at the top of deconv/ops/drop_in.py.

  Args:
    lhs: n + 2 axes in the order of `dimension_numbers`, n = 1, 2 or 3.
    rhs: the kernel, n + 2 axes.
    strides: n ints, input dilation.
    padding: 'SAME' or 'VALID', of the convolution that is transposed; or n pairs (low, high) of zeros around the
      dilated input, which may be negative. For an odd kernel with an even stride 'SAME' lies one pixel beside PyTorch's
      padding=(k - 1) // 2, output_padding=1.
    rhs_dilation: n ints, or None for 1.
    dimension_numbers: as in jax.lax.conv_general_dilated; None for channels last.
    transpose_kernel: flip the kernel and exchange its channel axes.
    precision: as in jax.lax.conv_general_dilated.
    preferred_element_type: type of the sums and of the result.
    use_consistent_padding: pairs are the padding of the convolution that is transposed, too.

  Returns:
    The array of jax.lax.conv_transpose.

  Raises:
    Exception: what jax.lax.conv_transpose raises, and its sentence.
  """
  try:
    n = _spatial_dims(lhs, rhs)
    numbers = lax.conv_dimension_numbers(
      lhs.shape, rhs.shape, _TRANSPOSED_NUMBERS[n] if dimension_numbers is None else dimension_numbers
    )
    steps, dilation = _ints(strides, n), _ints(rhs_dilation, n)
    pads = _transposed_pads(padding, _window(rhs, numbers), steps, dilation, use_consistent_padding)
    one = (1,) * n
    return _convolve(
      lhs, rhs, one, pads, steps, dilation, numbers, 1, precision, preferred_element_type, transpose_kernel
    )
  except _Declined:
    pass
  return lax.conv_transpose(
    lhs,
    rhs,
    strides,
    padding,
    rhs_dilation,
    dimension_numbers,
    transpose_kernel,
    precision,
    preferred_element_type,
    use_consistent_padding,
  )


def lax_conv_general_dilated(
  lhs: jax.Array,
  rhs: jax.Array,
  window_strides: Sequence[int],
  padding: str | Sequence[tuple[int, int]],
  lhs_dilation: Sequence[int] | None = None,
  rhs_dilation: Sequence[int] | None = None,
  dimension_numbers: Any = None,
  feature_group_count: int = 1,
  batch_group_count: int = 1,
  precision: Any = None,
  preferred_element_type: DTypeLike | None = None,
  out_sharding: Any = None,
) -> jax.Array:
  """`jax.lax.conv_general_dilated` by the programs of `deconv.ops`: same arguments, same values.

  A convolution with strides is `conv`, one with an input dilation is `conv_transpose`. What is left to lax itself is
  listed at the top of deconv/ops/drop_in.py. Layers that take the function which convolves as an argument
  (`flax.nnx.Conv`, `flax.linen.Conv`) take this one.

  Args:
    lhs: n + 2 axes in the order of `dimension_numbers`, n = 1, 2 or 3.
    rhs: the kernel, n + 2 axes.
    window_strides: n ints.
    padding: 'SAME', 'SAME_LOWER', 'VALID' or n pairs (low, high), which may be negative.
    lhs_dilation: n ints, or None for 1: the strides of a transposed convolution.
    rhs_dilation: n ints, or None for 1.
    dimension_numbers: as in jax.lax.conv_general_dilated; None for channels first.
    feature_group_count: groups of channels that do not mix.
    batch_group_count: as in jax.lax.conv_general_dilated.
    precision: as in jax.lax.conv_general_dilated.
    preferred_element_type: type of the sums and of the result.
    out_sharding: as in jax.lax.conv_general_dilated.

  Returns:
    The array of jax.lax.conv_general_dilated.

  Raises:
    Exception: what jax.lax.conv_general_dilated raises, and its sentence.
  """
  try:
    n = _spatial_dims(lhs, rhs)
    if not is_int(batch_group_count) or batch_group_count != 1 or out_sharding is not None:
      raise _Declined
    numbers = lax.conv_dimension_numbers(lhs.shape, rhs.shape, dimension_numbers)
    strides, large, small = _ints(window_strides, n), _ints(lhs_dilation, n), _ints(rhs_dilation, n)
    if isinstance(padding, str):
      padding = _string_pads(padding, lhs, rhs, strides, large, small, numbers)
    pads = _pairs(padding, n)
    return _convolve(
      lhs, rhs, strides, pads, large, small, numbers, feature_group_count, precision, preferred_element_type
    )
  except _Declined:
    pass
  return lax.conv_general_dilated(
    lhs,
    rhs,
    window_strides,
    padding,
    lhs_dilation,
    rhs_dilation,
    dimension_numbers,
    feature_group_count,
    batch_group_count,
    precision,
    preferred_element_type,
    out_sharding,
  )


def _convolve(
  lhs: jax.Array,
  rhs: jax.Array,
  strides: tuple[int, ...],
  pads: _Pairs,
  lhs_dilation: tuple[int, ...],
  rhs_dilation: tuple[int, ...],
  numbers: Any,
  groups: int,
  precision: Any,
  preferred_element_type: DTypeLike | None,
  transpose_kernel: bool = False,
) -> jax.Array:
  """The convolution of lax, its arguments read; `transpose_kernel` as in lax_conv_transpose."""
  lhs, rhs = jnp.asarray(lhs), jnp.asarray(rhs)
  dtype = _result_type(lhs, rhs, preferred_element_type)
  if max(strides) > 1 and max(lhs_dilation) > 1:
    raise _Declined
  name = _precision(precision)
  batch, channels, *space = numbers.lhs_spec
  c_out, c_in, *window = numbers.rhs_spec
  if transpose_kernel:
    c_out, c_in = c_in, c_out
  shape, kernel_shape = _shape(lhs, (*space, channels)), _shape(rhs, (*window, c_in, c_out))
  if not is_int(groups) or groups < 1 or shape[-1] != kernel_shape[-2] * groups or kernel_shape[-1] % groups:
    raise _Declined
  transposed = max(lhs_dilation) > 1
  plan = _transposed_plan if transposed else _plan
  cut, zeros, arguments = plan(
    shape[:-1], kernel_shape[:-2], pads, lhs_dilation if transposed else strides, rhs_dilation
  )

  x = _permuted(lhs, (batch, *space, channels)).astype(dtype)
  kernel = _permuted(rhs, (*window, c_in, c_out)).astype(dtype)
  if transposed != transpose_kernel:  # the adjoint scatters what a convolution gathers
    kernel = lax.rev(kernel, range(len(window)))
  if transposed and groups > 1:  # (*window, c_in / groups, c_out) -> (*window, c_in, c_out / groups)
    *sides, few, many = kernel.shape
    kernel = jnp.moveaxis(kernel.reshape(*sides, few, groups, many // groups), -2, -3)
    kernel = kernel.reshape(*sides, few * groups, many // groups)
  if any(map(any, cut)):
    x = x[(slice(None), *(slice(low, size - high) for size, (low, high) in zip(shape, cut)))]
  with jax.default_matmul_precision(name) if name else contextlib.nullcontext():
    operator_ = conv_transpose if transposed else conv
    y = operator_(x, kernel, dilation=rhs_dilation, groups=groups, **arguments)
  if any(map(any, zeros)):
    y = jnp.pad(y, ((0, 0), *zeros, (0, 0)))
  batch, channels, *space = numbers.out_spec
  order = (batch, *space, channels)
  return _permuted(y, sorted(range(y.ndim), key=order.__getitem__))


def _plan(
  sizes: Sequence[int], window: Sequence[int], pads: _Pairs, strides: Sequence[int], dilation: Sequence[int]
) -> tuple[_Pairs, _Pairs, dict[str, Any]]:
  """What to cut from the input, what zeros to add to the output, and the arguments of `conv`."""
  for size, k, pair, d in zip(sizes, window, pads, dilation):
    # A window that does not fit makes an empty array.
    if size + sum(pair) <= d * (k - 1) or min(pair) <= -size:
      raise _Declined
  cut = tuple((max(-low, 0), max(-high, 0)) for low, high in pads)
  padding = tuple((max(low, 0), max(high, 0)) for low, high in pads)
  return cut, ((0, 0),) * len(pads), {'strides': strides, 'padding': padding}


def _transposed_plan(
  sizes: Sequence[int], window: Sequence[int], pads: _Pairs, strides: Sequence[int], dilation: Sequence[int]
) -> tuple[_Pairs, _Pairs, dict[str, Any]]:
  """The same for `conv_transpose`, which cuts from the whole of d * (k - 1) what lax pads less."""
  padding, extra, zeros = [], [], []
  for size, k, (low, high), s, d in zip(sizes, window, pads, strides, dilation):
    reach = d * (k - 1)
    beyond = max(high - reach, 0)  # pixels that no tap reaches, as far as they may be an output padding
    extra.append(min(beyond, max(s, d) - 1))
    zeros.append((max(low - reach, 0), beyond - extra[-1]))
    padding.append((max(reach - low, 0), max(reach - high, 0)))
    if (size - 1) * s + 1 + reach - sum(padding[-1]) + extra[-1] < 1:
      raise _Declined
  return ((0, 0),) * len(pads), tuple(zeros), {'strides': strides, 'padding': padding, 'output_padding': extra}


# Arguments. What is not understood is declined: lax either understands it, or says what is wrong.


def _spatial_dims(lhs: Any, rhs: Any) -> int:
  if not (isinstance(lhs, (jax.Array, np.ndarray)) and isinstance(rhs, (jax.Array, np.ndarray))):
    raise _Declined
  if lhs.ndim != rhs.ndim or lhs.ndim - 2 not in _TRANSPOSED_NUMBERS:
    raise _Declined
  return lhs.ndim - 2


def _window(rhs: jax.Array, numbers: Any) -> tuple[int, ...]:
  return _shape(rhs, numbers.rhs_spec[2:])


def _shape(a: jax.Array, axes: Sequence[int]) -> tuple[int, ...]:
  """The sizes of some axes, which are known and none of which is 0."""
  if not all(map(is_int, (a.shape[axis] for axis in axes))) or 0 in a.shape:
    raise _Declined
  return tuple(a.shape[axis] for axis in axes)


def _ints(values: Sequence[int] | None, n: int) -> tuple[int, ...]:
  """n ints of at least 1; None stands for 1."""
  if values is None:
    return (1,) * n
  try:
    found = tuple(map(operator.index, values))
  except TypeError:
    raise _Declined from None
  if len(found) != n or min(found) < 1:
    raise _Declined
  return found


def _pairs(padding: Any, n: int) -> _Pairs:
  try:
    found = tuple((operator.index(low), operator.index(high)) for low, high in padding)
  except (TypeError, ValueError):
    raise _Declined from None
  if len(found) != n:
    raise _Declined
  return found


def _transposed_pads(
  padding: Any, window: Sequence[int], strides: Sequence[int], dilation: Sequence[int], consistent: bool
) -> _Pairs:
  """The zeros around the dilated input, which lax computes from the convolution that is transposed."""
  reach = [d * (k - 1) for k, d in zip(window, dilation)]
  if isinstance(padding, str):
    if padding == 'VALID':
      return tuple((r, max(r, s - 1)) for r, s in zip(reach, strides))
    if padding != 'SAME':
      raise _Declined
    lows = [r if s > r else -(-(r + s - 1) // 2) for r, s in zip(reach, strides)]
    return tuple((low, r + s - 1 - low) for low, r, s in zip(lows, reach, strides))
  if not consistent:
    return _pairs(padding, len(window))
  if not isinstance(padding, Iterable) or not all(isinstance(pair, tuple) for pair in padding):
    raise _Declined  # lax takes tuples alone here
  return tuple((r - low, r - high) for r, (low, high) in zip(reach, _pairs(padding, len(window))))


def _string_pads(
  padding: str,
  lhs: jax.Array,
  rhs: jax.Array,
  strides: Sequence[int],
  lhs_dilation: Sequence[int],
  rhs_dilation: Sequence[int],
  numbers: Any,
) -> Sequence[tuple[int, int]]:
  if max(lhs_dilation) > 1:
    raise _Declined
  reach = [d * (k - 1) + 1 for k, d in zip(_window(rhs, numbers), rhs_dilation)]
  pads: Sequence[tuple[int, int]] = lax.padtype_to_pads(_shape(lhs, numbers.lhs_spec[2:]), reach, strides, padding)
  return pads


def _result_type(lhs: jax.Array, rhs: jax.Array, preferred: DTypeLike | None) -> np.dtype:
  """The type to compute in, of both operands alike."""
  x, kernel = jax.typeof(lhs), jax.typeof(rhs)
  if x.dtype != kernel.dtype or x.dtype.name not in _FLOATS or (x.weak_type and kernel.weak_type):
    raise _Declined
  dtype = np.dtype(x.dtype if preferred is None else preferred)
  if dtype != x.dtype and (
    dtype.name not in _FLOATS
    or jnp.finfo(dtype).bits <= jnp.finfo(x.dtype).bits
    or jax.dtypes.canonicalize_dtype(dtype) != dtype
  ):
    raise _Declined
  return dtype


def _precision(precision: Any) -> str | None:
  """The name that jax.default_matmul_precision has for it; None for the one in force."""
  both = precision if isinstance(precision, tuple) else (precision, precision)
  if both == (None, None):
    return None
  try:
    names = {_PRECISIONS[lax.Precision(one)] for one in both if one is not None}
  except (KeyError, ValueError):
    raise _Declined from None
  if len(both) != 2 or len(names) != 1 or None in both:
    raise _Declined
  return names.pop()


def _permuted(a: jax.Array, axes: Sequence[int]) -> jax.Array:
  return a if list(axes) == list(range(a.ndim)) else lax.transpose(a, axes)
