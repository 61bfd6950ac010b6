"""`flax.linen.Conv` and `flax.linen.ConvTranspose`, computed by deconv.ops: one import to change, the weights stay.

The layers are Flax's own classes with another computation. Arguments, names and shapes of the parameters, initial
values and results are theirs, 'SAME' as `lax` reads it included. (deconv.layers has layers with PyTorch's semantics.)
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from deconv import ops
from deconv.ops.arguments import of_rank

try:
  from flax import linen as nn
  from flax.linen.linear import canonicalize_padding
except ModuleNotFoundError as error:
  raise ModuleNotFoundError(
    "deconv.linen needs Flax: pip install 'deconv[train]'; deconv.ops needs JAX alone", name=error.name
  ) from error


class Conv(nn.Conv):
  """flax.linen.Conv whose convolution is deconv.ops.lax_conv_general_dilated.

  Its fields are those of flax.linen.Conv.
  """

  conv_general_dilated: Any = ops.lax_conv_general_dilated


class ConvTranspose(nn.ConvTranspose):
  """flax.linen.ConvTranspose whose convolution is deconv.ops.lax_conv_transpose.

  Its fields are those of flax.linen.ConvTranspose.
  """

  @nn.compact
  def __call__(self, inputs: jax.Array) -> jax.Array:
    """Applies the transposed convolution to (*batch, *spatial, channels); see flax.linen.ConvTranspose."""
    window = window_of(self.kernel_size)
    channels = (inputs.shape[-1], self.features)
    shape = (*window, *(reversed(channels) if self.transpose_kernel else channels))
    kernel = self.param('kernel', self.kernel_init, shape, self.param_dtype)
    bias = self.param('bias', self.bias_init, (self.features,), self.param_dtype) if self.use_bias else None
    arrays: Any = self.promote_dtype(inputs, masked(kernel, self.mask), bias, dtype=self.dtype)
    return conv_transpose_as_flax(self, *arrays)


def window_of(kernel_size: int | Sequence[int]) -> tuple[int, ...]:
  """The sides of a window; an int is one of one dimension, as in Flax."""
  return (kernel_size,) if isinstance(kernel_size, int) else tuple(kernel_size)


def _per_dim(value: int | Sequence[int] | None, dims: int) -> tuple[int, ...]:
  return (1 if value is None else value,) * dims if isinstance(value, int | None) else tuple(value)


def masked(kernel: jax.Array, mask: jax.Array | None) -> jax.Array:
  """The kernel times its mask, where there is one.

  Raises:
    ValueError: their shapes differ.
  """
  if mask is None:
    return kernel
  if mask.shape != kernel.shape:
    raise ValueError(f'Mask needs to have the same shape as weights. Shapes are: {mask.shape}, {kernel.shape}')
  return kernel * mask


def conv_transpose_as_flax(layer: Any, inputs: jax.Array, kernel: jax.Array, bias: jax.Array | None) -> jax.Array:
  """What a transposed convolution of Flax, Linen or NNX, computes.

  Args:
    layer: has the fields of flax.linen.ConvTranspose.
    inputs: (*batch, *spatial, channels), with any number of batch axes, none included.
    kernel: of the type of the inputs, times its mask.
    bias: of the same type, or None.

  Returns:
    (*batch, *spatial', features).

  Raises:
    ValueError: the padding is none.
  """
  window = window_of(layer.kernel_size)
  strides, dilation = (_per_dim(value, len(window)) for value in (layer.strides, layer.kernel_dilation))
  padding = canonicalize_padding(layer.padding, len(window))
  circular = padding == 'CIRCULAR'
  batch = inputs.shape[: inputs.ndim - len(window) - 1]
  if len(batch) != 1:
    inputs = inputs.reshape(-1, *inputs.shape[len(batch) :])
  y = ops.lax_conv_transpose(
    inputs,
    kernel,
    strides,
    'VALID' if circular else padding,
    rhs_dilation=dilation,
    transpose_kernel=layer.transpose_kernel,
    precision=layer.precision,
    preferred_element_type=layer.preferred_element_type,
  )
  if circular:
    periods = [size * stride for size, stride in zip(inputs.shape[1:-1], strides)]
    y = _wrapped(y, periods, layer.transpose_kernel)
  if bias is not None:
    y += of_rank(bias, y.ndim)
  return y if len(batch) == 1 else y.reshape(*batch, *y.shape[1:])


def _wrapped(y: jax.Array, periods: Sequence[int], transpose_kernel: bool) -> jax.Array:
  """y (batch, *spatial, channels) -> (batch, *periods, channels): the sum of what lies whole periods apart.

  The input's first pixel comes to lie at a whole number of periods; of an odd number of added zeros the greater half
  is at the end where the kernel is transposed, else at the start, as in Flax.
  """
  pads = []
  for size, period in zip(y.shape[1:-1], periods):
    missing = -(size - period) % (2 * period)
    halves = (missing // 2, -(-missing // 2))
    pads.append(halves if transpose_kernel else halves[::-1])
  y = jnp.pad(y, ((0, 0), *pads, (0, 0)))
  for axis, period in enumerate(periods, 1):
    y = y.reshape(*y.shape[:axis], -1, period, *y.shape[axis + 1 :]).sum(axis)
  return y
