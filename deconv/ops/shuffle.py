"""Depth to space and back (sub-pixel convolution), and its ICNR initialiser.

Channel order as in PyTorch's pixel_shuffle: input channel `c * r^2 + i * r + j` becomes output channel `c` at offset
(i, j) of each r x r block. (TensorFlow's depth_to_space has the blocks outside: `(i * r + j) * c_out + c`.)
"""

from collections.abc import Callable, Sequence
import math

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from deconv.ops.arguments import per_dim


def depth_to_space(x: jax.Array, factor: int | Sequence[int]) -> jax.Array:
  """Rearranges channels into blocks of pixels (Shi et al. 2016, section 2.2).

  Args:
    x: (batch, *spatial, c * prod(factor)).
    factor: side of the blocks, an int or one for each spatial dimension.

  Returns:
    (batch, *(spatial * factor), c).

  Raises:
    ValueError: the channels are not a multiple of prod(factor).
  """
  dims = x.ndim - 2
  factor = per_dim('factor', factor, dims)
  channels, rest = divmod(x.shape[-1], math.prod(factor))
  if rest:
    raise ValueError(
      f'depth_to_space: x has {x.shape[-1]} channels, not a multiple of prod(factor) = '
      f'{math.prod(factor)} (factor {factor})'
    )
  y = x.reshape(*x.shape[:-1], channels, *factor)
  # (b, h, w, c, i, j) -> (b, h, i, w, j, c)
  axes = [0]
  for d in range(dims):
    axes += [1 + d, 2 + dims + d]
  y = y.transpose(*axes, 1 + dims)
  return y.reshape(x.shape[0], *(n * f for n, f in zip(x.shape[1:-1], factor)), channels)


def space_to_depth(x: jax.Array, factor: int | Sequence[int]) -> jax.Array:
  """Rearranges blocks of pixels into channels: the inverse, and the adjoint, of depth_to_space.

  Args:
    x: (batch, *spatial, c), each spatial size a multiple of its factor.
    factor: side of the blocks, an int or one for each spatial dimension.

  Returns:
    (batch, *(spatial / factor), c * prod(factor)).

  Raises:
    ValueError: a spatial size is not a multiple of its factor.
  """
  dims = x.ndim - 2
  factor = per_dim('factor', factor, dims)
  spatial = x.shape[1:-1]
  if any(n % f for n, f in zip(spatial, factor)):
    raise ValueError(f'space_to_depth: spatial sizes {spatial} of x are not multiples of factor {factor}')
  blocks = [size for n, f in zip(spatial, factor) for size in (n // f, f)]
  y = x.reshape(x.shape[0], *blocks, x.shape[-1])
  # (b, h, i, w, j, c) -> (b, h, w, c, i, j)
  y = y.transpose(0, *range(1, 2 * dims, 2), 1 + 2 * dims, *range(2, 2 * dims + 1, 2))
  return y.reshape(x.shape[0], *(n // f for n, f in zip(spatial, factor)), x.shape[-1] * math.prod(factor))


def icnr(init: Callable[..., jax.Array], factor: int | Sequence[int]) -> Callable[..., jax.Array]:
  """Initialiser of the convolution before depth_to_space that starts without checkerboard artifacts.

  All the kernels that make one output channel start equal, so convolution + depth_to_space is at first a convolution
  followed by nearest-neighbour upsampling (Aitken et al. 2017, "Checkerboard artifact free sub-pixel convolution").

  Args:
    init: initialiser (key, shape, dtype) of the kernels that are repeated.
    factor: as given to depth_to_space.

  Returns:
    init(key, shape, dtype) for kernels (*window, c_in, c * prod(factor)); ValueError when the last axis does not
    divide.
  """

  def repeated(key: jax.Array, shape: Sequence[int], dtype: DTypeLike = jnp.float32) -> jax.Array:
    copies = math.prod(per_dim('factor', factor, len(shape) - 2))
    if shape[-1] % copies:
      raise ValueError(f'icnr: a kernel of shape {shape} cannot be made of {copies} equal ones (factor {factor})')
    return jnp.repeat(init(key, (*shape[:-1], shape[-1] // copies), dtype), copies, axis=-1)

  return repeated
