"""A convolutional autoencoder: strided convolutions down to a small map of codes, and as many upsamplings back."""

from typing import Any

from flax import linen as nn
import jax.numpy as jnp

from deconv import layers
from deconv.errors import UserError
from deconv.models.restorer import Restorer
from deconv.ops.resample import upsample_bicubic
from deconv.options.models.restorers import AutoencoderOptions


class Autoencoder(Restorer):
  """Images (batch, h, w, c) in [-1, 1] -> (batch, scale * h, scale * w, channels), float32 and about [-1, 1].

  Each convolution 4x4 halves the size; `code` channels at 1 / 2**depth of it are all that the decoder sees.

  Attributes:
    options: AutoencoderOptions.
    channels: of the output.
    scale: the input is enlarged by bicubic interpolation at first.
    dtype: type that is computed in.
  """

  options: AutoencoderOptions
  channels: int
  scale: int
  dtype: Any

  @property
  def multiple(self):
    """The input's sides must be multiples of this."""
    return max(1, 2**self.options.depth // (self.scale & -self.scale))

  def setup(self):
    o = self.options
    widths = [min(o.max_width, o.width * 2**i) for i in range(o.depth)]
    self.down = [layers.Conv(width, 4, 2, padding=1, dtype=self.dtype, kernel_init=None) for width in widths]
    self.codes = layers.Conv(o.code, 3, dtype=self.dtype, kernel_init=layers.fan_in_normal(1.0))
    self.start = layers.Conv(widths[-1], 3, dtype=self.dtype, kernel_init=None)
    self.up = [layers.Upsample(width, o.upsample, 4, dtype=self.dtype, kernel_init=None) for width in widths[-2::-1]]
    self.last = layers.Upsample(self.channels, o.upsample, 4, dtype=self.dtype, kernel_init=layers.normal(1e-3))

  def encode(self, x):
    """Images -> codes (batch, scale * h / 2**depth, scale * w / 2**depth, code)."""
    x = upsample_bicubic(x, self.scale)
    for layer in self.down:
      x = nn.relu(layer(x))
    return self.codes(x)

  def decode(self, codes):
    """Codes -> images."""
    x = nn.relu(self.start(codes))
    for layer in self.up:
      x = nn.relu(layer(x))
    return self.last(x).astype(jnp.float32)

  def __call__(self, x, train=False):
    return self.decode(self.encode(x))


def build(options, *, image_shape, scale, dtype, batch_norm_axis):
  """Returns Autoencoder for images of `image_shape` (height, width, channels), the size of the result.

  Raises:
    UserError: a size that cannot be halved `depth` times.
  """
  del batch_norm_axis  # no batch norm
  if any(side % 2**options.depth for side in image_shape[:2]):
    raise UserError(
      f'model.depth={options.depth} halves the image {options.depth} times, so data.image_size={image_shape[0]} '
      f'must be a multiple of {2**options.depth}; change one of them'
    )
  return Autoencoder(options, image_shape[-1], scale, dtype)
