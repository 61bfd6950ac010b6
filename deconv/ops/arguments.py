"""Arguments that every windowed operator shares: ints that broadcast over dimensions, and paddings."""
from collections.abc import Sequence
import operator


def per_dim(name: str, value: int | Sequence[int], dims: int, minimum: int = 1) -> tuple[int, ...]:
  """Returns one int for each of `dims` spatial dimensions.

  Raises:
    ValueError: `value` is neither an int nor `dims` ints, or one is smaller than `minimum`; `name` is the argument it
      names.
  """
  try:
    values = (operator.index(value),) * dims
  except TypeError:
    try:
      values = tuple(operator.index(v) for v in value)
    except TypeError:
      raise ValueError(f'{name} must be an int or {dims} ints, one for each spatial dimension, not {value!r}') from None
  if len(values) != dims:
    raise ValueError(f'{name} must be an int or {dims} ints, one for each spatial dimension, not {value!r}')
  if any(v < minimum for v in values):
    raise ValueError(f'{name} must be at least {minimum}, not {value!r}')
  return values


def pad_pairs(padding, window: Sequence[int], strides: Sequence[int],
              sizes: Sequence[int]) -> tuple[tuple[int, int], ...]:
  """Returns a (low, high) padding for each spatial dimension of a window that slides over `sizes`.

  Args:
    padding: an int, an int or a (low, high) pair for each dimension, 'SAME' (output ceil(size / stride), the odd pixel
      at the high end, as TensorFlow and lax) or 'VALID' (none).
    window, strides, sizes: one int for each dimension.

  Raises:
    ValueError: something else, or a negative padding.
  """
  dims = len(window)
  if isinstance(padding, str):
    if padding.upper() == 'VALID':
      return ((0, 0),) * dims
    if padding.upper() == 'SAME':
      totals = [max((-(-n // s) - 1) * s + k - n, 0) for k, s, n in zip(window, strides, sizes)]
      return tuple((total // 2, total - total // 2) for total in totals)
    raise ValueError(f"padding must be 'SAME', 'VALID', an int, ints or (low, high) pairs, not {padding!r}")
  try:
    entries = (operator.index(padding),) * dims
  except TypeError:
    entries = tuple(padding)
  if len(entries) != dims:
    raise ValueError(f'padding has {len(entries)} entries {entries} for {dims} spatial dimensions')
  return tuple(per_dim('padding', entry, 2, minimum=0) for entry in entries)
