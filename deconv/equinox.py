"""The convolutions of `equinox.nn`, computed by deconv.ops: one import to change, the weights stay.

The layers are Equinox's own classes with another computation. Arguments, names and shapes of the parameters, initial
values and results are theirs. Arrays have no batch axis and channels first, as everywhere in Equinox; `jax.vmap` over
a layer makes one batch of the mapped images.
"""

from collections.abc import Sequence
from typing import Any

import jax
from jax import lax
import jax.numpy as jnp
import numpy as np

from deconv import ops

try:
  import equinox as eqx
except ModuleNotFoundError as error:
  raise ModuleNotFoundError(
    "deconv.equinox needs Equinox: pip install 'deconv[equinox]'; deconv.ops needs JAX alone", name=error.name
  ) from error

_PAD_MODES = {'REFLECT': 'reflect', 'REPLICATE': 'edge', 'CIRCULAR': 'wrap'}
_Pairs = list[tuple[int, int]]


class Conv(eqx.nn.Conv):
  """equinox.nn.Conv whose convolution is deconv.ops.lax_conv_general_dilated.

  Its arguments are those of equinox.nn.Conv.
  """

  def __call__(self, x: jax.Array, *, key: Any = None) -> jax.Array:
    """Applies the convolution to (in_channels, *spatial); `key` is ignored.

    Raises:
      ValueError: x does not have the axes (in_channels, *spatial).
    """
    del key
    _check_rank('Conv', x, self.num_spatial_dims)
    padding: str | Sequence[tuple[int, int]] = self.padding
    if self.padding_mode != 'ZEROS':
      reach = [d * (k - 1) + 1 for k, d in zip(self.kernel_size, self.dilation)]
      pads = lax.padtype_to_pads(x.shape[1:], reach, self.stride, padding) if isinstance(padding, str) else padding
      x = jnp.pad(x, ((0, 0), *pads), _PAD_MODES[self.padding_mode])
      padding = 'VALID'
    return _convolved(self, x, window_strides=self.stride, padding=padding)


class ConvTranspose(eqx.nn.ConvTranspose):
  """equinox.nn.ConvTranspose whose convolution is deconv.ops.lax_conv_general_dilated.

  Its arguments are those of equinox.nn.ConvTranspose.
  """

  def __call__(self, x: jax.Array, *, key: Any = None) -> jax.Array:
    """Applies the transposed convolution to (in_channels, *spatial); `key` is ignored.

    Raises:
      ValueError: x does not have the axes (in_channels, *spatial).
    """
    del key
    _check_rank('ConvTranspose', x, self.num_spatial_dims)
    pads = self._zeros_around()
    if self.padding_mode == 'CIRCULAR':  # whole pixels of the input wrap; what is left lies between two of them
      x = jnp.pad(x, ((0, 0), *((low // s, high // s) for (low, high), s in zip(pads, self.stride))), 'wrap')
      pads = [(low % s, high % s) for (low, high), s in zip(pads, self.stride)]
    return _convolved(self, x, window_strides=(1,) * len(pads), padding=pads, lhs_dilation=self.stride)

  def _zeros_around(self) -> _Pairs:
    """The zeros around the dilated input: relationship 14 of Dumoulin and Visin, "A guide to convolution arithmetic
    for deep learning", 2016."""
    pads = []
    for i, (k, s, d, extra) in enumerate(zip(self.kernel_size, self.stride, self.dilation, self.output_padding)):
      reach = d * (k - 1)
      if not isinstance(self.padding, str):
        low, high = self.padding[i]
      elif self.padding == 'VALID':
        low, high = 0, 0
      else:
        total = reach - s + extra + 1
        extra, total = max(-total, 0), max(total, 0)
        low = (total + (self.padding == 'SAME_LOWER')) // 2
        high = total - low
      pads.append((reach - low, reach - high + extra))
    return pads


def _check_rank(name: str, x: jax.Array, dims: int) -> None:
  if x.ndim != dims + 1:
    raise ValueError(f'Input to `{name}` needs to have rank {dims + 1}, but input has shape {np.shape(x)}.')


def _convolved(layer: Any, x: jax.Array, **arguments: Any) -> jax.Array:
  y = ops.lax_conv_general_dilated(
    x[None], layer.weight, rhs_dilation=layer.dilation, feature_group_count=layer.groups, **arguments
  )[0]
  return y + layer.bias if layer.use_bias else y


class Conv1d(Conv, eqx.nn.Conv1d):
  """equinox.nn.Conv1d, see Conv."""


class Conv2d(Conv, eqx.nn.Conv2d):
  """equinox.nn.Conv2d, see Conv."""


class Conv3d(Conv, eqx.nn.Conv3d):
  """equinox.nn.Conv3d, see Conv."""


class ConvTranspose1d(ConvTranspose, eqx.nn.ConvTranspose1d):
  """equinox.nn.ConvTranspose1d, see ConvTranspose."""


class ConvTranspose2d(ConvTranspose, eqx.nn.ConvTranspose2d):
  """equinox.nn.ConvTranspose2d, see ConvTranspose."""


class ConvTranspose3d(ConvTranspose, eqx.nn.ConvTranspose3d):
  """equinox.nn.ConvTranspose3d, see ConvTranspose."""
