"""`flax.nnx.Conv` and `flax.nnx.ConvTranspose`, computed by deconv.ops: one import to change, the weights stay.

The layers are Flax's own classes with another computation. Arguments, names and shapes of the parameters, initial
values and results are theirs, 'SAME' as `lax` reads it included.
"""

from typing import Any

import jax

from deconv import ops

try:
  from flax import nnx
except ModuleNotFoundError as error:
  raise ModuleNotFoundError(
    "deconv.nnx needs Flax: pip install 'deconv[train]'; deconv.ops needs JAX alone", name=error.name
  ) from error
from deconv.linen import conv_transpose_as_flax, masked


class Conv(nnx.Conv):
  """flax.nnx.Conv whose convolution is deconv.ops.lax_conv_general_dilated.

  Its arguments are those of flax.nnx.Conv.
  """

  def __init__(self, *args: Any, conv_general_dilated: Any = ops.lax_conv_general_dilated, **kwargs: Any):
    super().__init__(*args, conv_general_dilated=conv_general_dilated, **kwargs)


class ConvTranspose(nnx.ConvTranspose):
  """flax.nnx.ConvTranspose whose convolution is deconv.ops.lax_conv_transpose.

  Its arguments are those of flax.nnx.ConvTranspose.
  """

  def __call__(self, inputs: jax.Array) -> jax.Array:
    """Applies the transposed convolution to (*batch, *spatial, channels); see flax.nnx.ConvTranspose."""
    bias = None if self.bias is None else self.bias[...]
    arrays = inputs, masked(self.kernel[...], self.mask), bias
    return conv_transpose_as_flax(self, *self.promote_dtype(arrays, dtype=self.dtype))
