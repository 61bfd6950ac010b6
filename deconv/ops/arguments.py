"""Arguments that every windowed operator shares: ints that broadcast over dimensions, and the grammar of paddings."""

from collections.abc import Iterable, Sequence
import operator
from typing import Any, TypeGuard, cast

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

# What `padding` may be, see pad_pairs.
Padding = str | int | Sequence[int] | Sequence[tuple[int, int]]


def per_dim(name: str, value: int | Sequence[int], dims: int, minimum: int = 1) -> tuple[int, ...]:
  """Returns one int for each of `dims` spatial dimensions.

  Raises:
    ValueError: `value` is neither an int nor `dims` ints, or one is smaller than `minimum`; `name` is the argument it
      names.
  """
  try:
    values = (operator.index(cast(int, value)),) * dims
  except TypeError:
    try:
      values = tuple(operator.index(v) for v in cast(Sequence[int], value))
    except TypeError:
      raise ValueError(f'{name} must be an int or {dims} ints, one for each spatial dimension, not {value!r}') from None
  if len(values) != dims:
    raise ValueError(f'{name} must be an int or {dims} ints, one for each spatial dimension, not {value!r}')
  if any(v < minimum for v in values):
    raise ValueError(f'{name} must be at least {minimum}, not {value!r}')
  return values


def is_int(value: Any) -> TypeGuard[int]:
  """Whether `value` is an int of any library; True and False are none."""
  try:
    operator.index(value)
  except TypeError:
    return False
  return not isinstance(value, bool)


def wide_type(dtype: DTypeLike) -> DTypeLike:
  """float32 for the floats that are narrower, any other type as it is: the type of sums.

  `jnp.promote_types(dtype, jnp.float32)` says the same of floats, but not where `jax_numpy_dtype_promotion` is strict.
  """
  return jnp.dtype(jnp.float32) if jnp.issubdtype(dtype, jnp.floating) and jnp.finfo(dtype).bits < 32 else dtype


def of_rank(x: jax.Array, rank: int) -> jax.Array:
  """x with axes of 1 in front up to `rank`: what broadcasting does, and `jax_numpy_rank_promotion='raise'` refuses."""
  return jnp.expand_dims(x, tuple(range(rank - x.ndim)))


def check_floating(name: str, x: jax.Array, argument: str = 'x') -> None:
  """Raises ValueError where x is of integers or booleans, to which the result of `name` would be truncated."""
  if not jnp.issubdtype(x.dtype, jnp.inexact):
    raise ValueError(f'{name}: {argument} must be floating, not {x.dtype}, to which the result would be truncated')


def is_same(padding: Padding) -> bool:
  """Whether `padding` is 'SAME', in letters of either case."""
  return isinstance(padding, str) and padding.upper() == 'SAME'


def pad_pairs(
  padding: Padding, reach: Sequence[int], strides: Sequence[int], sizes: Sequence[int]
) -> tuple[tuple[int, int], ...]:
  """Returns a (low, high) padding for each spatial dimension: the one grammar of every operator that takes a padding.

  It says what surrounds the large array, which a window slides over: the input of a convolution or a pooling, the
  output of a transposed convolution or an unpooling (there it is what is cut away).

  Args:
    padding: in one of five forms, strings in letters of either case:
      an int: as many at both ends of every dimension;
      ints: one for each dimension, as many at both ends;
      (low, high) pairs: one for each dimension (an int may stand for a pair);
      'VALID': none;
      'SAME': what makes the small array ceil(size / stride) large, the odd one at the high end, as in TensorFlow and
        lax.
    reach: pixels that the window spans, dilation * (side - 1) + 1.
    strides: steps of the window.
    sizes: of the large array.

  Raises:
    ValueError: something else, or a negative padding.
  """
  dims = len(reach)
  if is_same(padding):
    totals = [max((-(-n // s) - 1) * s + r - n, 0) for r, s, n in zip(reach, strides, sizes)]
    return tuple((total // 2, total - total // 2) for total in totals)
  if isinstance(padding, str) and padding.upper() == 'VALID':
    return ((0, 0),) * dims
  entries = (padding,) * dims if is_int(padding) else tuple(padding) if isinstance(padding, Iterable) else ()
  given = [(entry,) * 2 if is_int(entry) else tuple(entry) if isinstance(entry, Iterable) else () for entry in entries]
  if len(given) != dims or not all(len(pair) == 2 and all(map(is_int, pair)) for pair in given):
    raise ValueError(
      f"padding must be 'SAME', 'VALID', an int, {dims} ints or {dims} (low, high) pairs, one for each "
      f'spatial dimension, not {padding!r}'
    )
  pairs = tuple((operator.index(low), operator.index(high)) for low, high in given)
  if min(map(min, pairs)) < 0:
    raise ValueError(f'padding must be at least 0, not {padding!r}')
  return pairs
