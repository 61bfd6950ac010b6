"""Flax Linen layers over deconv.ops: Conv and ConvTranspose.

Parameters are float32 and named `kernel` and `bias`; `dtype` is the type that is computed in (None: the widest of input and
parameters). Kernels have the layout of deconv.ops: (*window, c_in / groups, c_out) for a convolution and
(*window, c_in, c_out / groups) for a transposed one.
"""
from collections.abc import Callable, Sequence
import math
from typing import Any

from flax import linen as nn
import jax
import jax.numpy as jnp

from deconv import ops

Initializer = Callable[..., jax.Array]

# The default of every kernel: Radford et al. 2015, section 4. It does not look at the shape, so it cannot mistake which axis of a
# transposed kernel is the input. Networks without batch norm want `fan_in_normal`.
default_kernel_init = nn.initializers.normal(0.02)


def fan_in_normal(scale: float = 1.0, strides: int | Sequence[int] = 1, groups: int = 1,
                  transposed: bool = False) -> Initializer:
  """Normal kernels of variance `scale / fan_in`, with the fan-in that an output pixel really has.

  A pixel of a convolution sums window * c_in / groups products. A pixel of a transposed convolution with stride s sums only
  one in s products of each dimension of the window (on average, where the stride does not divide it): variance_scaling of JAX knows
  neither the stride nor the groups, and reads the fan-in of kernels in PyTorch's layout from the wrong axis.

  Args:
    scale: 1 keeps the variance of white inputs; 2 does so after a ReLU (He et al. 2015).
    strides: those of the transposed convolution; without effect for a convolution, whose stride drops whole outputs.
    groups: feature groups of the transposed convolution; the kernel of a convolution shows them in its shape.
    transposed: the kernel is (*window, c_in, c_out / groups) instead of (*window, c_in / groups, c_out).

  Returns:
    init(key, shape, dtype).
  """
  def init(key, shape, dtype=jnp.float32):
    fan_in = math.prod(shape[:-1])
    if transposed:
      window = shape[:-2]
      fan_in /= groups * math.prod(min(k, s) for k, s in zip(window, _per_dim(strides, len(window))))
    return math.sqrt(scale / max(fan_in, 1)) * jax.random.normal(key, shape, dtype)
  return init


def _per_dim(value: int | Sequence[int], dims: int) -> tuple[int, ...]:
  return (value,) * dims if isinstance(value, int) else tuple(value)


class Conv(nn.Module):
  """Convolution (batch, *spatial, c_in) -> (batch, *spatial', features) by deconv.ops.conv.

  Attributes:
    features: channels of the output.
    kernel_size: side of the window, or one side for each spatial dimension.
    strides, padding, dilation, groups: as in deconv.ops.conv.
    use_bias: adds a bias for each channel.
    dtype: type that is computed in.
    kernel_init, bias_init: initialisers (key, shape, dtype).
  """
  features: int
  kernel_size: int | Sequence[int]
  strides: int | Sequence[int] = 1
  padding: Any = 'SAME'
  dilation: int | Sequence[int] = 1
  groups: int = 1
  use_bias: bool = True
  dtype: Any = None
  kernel_init: Initializer = default_kernel_init
  bias_init: Initializer = nn.initializers.zeros

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    window = _per_dim(self.kernel_size, x.ndim - 2)
    kernel = self.param('kernel', self.kernel_init, (*window, x.shape[-1] // self.groups, self.features), jnp.float32)
    bias = self.param('bias', self.bias_init, (self.features,), jnp.float32) if self.use_bias else None
    x, kernel, bias = nn.dtypes.promote_dtype(x, kernel, bias, dtype=self.dtype)
    y = ops.conv(x, kernel, strides=self.strides, padding=self.padding, dilation=self.dilation, groups=self.groups)
    return y if bias is None else y + bias


class ConvTranspose(nn.Module):
  """Transposed convolution (batch, *spatial, c_in) -> (batch, *spatial', features) by deconv.ops.conv_transpose.

  The adjoint of the convolution with the same arguments; 'SAME' multiplies the size by the strides exactly. Attributes as in
  Conv, and `output_padding` as in PyTorch.
  """
  features: int
  kernel_size: int | Sequence[int]
  strides: int | Sequence[int] = 1
  padding: Any = 'SAME'
  output_padding: int | Sequence[int] = 0
  dilation: int | Sequence[int] = 1
  groups: int = 1
  use_bias: bool = True
  dtype: Any = None
  kernel_init: Initializer = default_kernel_init
  bias_init: Initializer = nn.initializers.zeros

  @nn.compact
  def __call__(self, x: jax.Array) -> jax.Array:
    window = _per_dim(self.kernel_size, x.ndim - 2)
    kernel = self.param('kernel', self.kernel_init, (*window, x.shape[-1], self.features // self.groups), jnp.float32)
    bias = self.param('bias', self.bias_init, (self.features,), jnp.float32) if self.use_bias else None
    x, kernel, bias = nn.dtypes.promote_dtype(x, kernel, bias, dtype=self.dtype)
    y = ops.conv_transpose(x, kernel, strides=self.strides, padding=self.padding, output_padding=self.output_padding,
                           dilation=self.dilation, groups=self.groups)
    return y if bias is None else y + bias
