"""A convolutional autoencoder: strided convolutions down to a small map of codes, and as many upsamplings back."""
from typing import Any

from flax import linen as nn
import jax.numpy as jnp

from deconv import layers
from deconv.errors import UserError
from deconv.ops.resample import upsample_bicubic


class Autoencoder(nn.Module):
  """Images (batch, h, w, c) in [-1, 1] -> (batch, scale * h, scale * w, channels), float32 and about [-1, 1].

  Each convolution 4x4 halves the size; `code` channels at 1 / 2**depth of it are all that the decoder sees.

  Attributes:
    channels: of the output.
    depth: number of halvings.
    width: channels at half the size; doubled at each halving, up to max_width.
    max_width: their upper limit.
    code: channels of the code.
    upsample: kind of deconv.layers.Upsample.
    scale: the input is enlarged by bicubic interpolation at first.
    dtype: type that is computed in.
  """
  channels: int
  depth: int = 3
  width: int = 32
  max_width: int = 256
  code: int = 8
  upsample: str = 'deconv'
  scale: int = 1
  dtype: Any = None

  @property
  def multiple(self):
    """The input's sides must be multiples of this."""
    return max(1, 2**self.depth // (self.scale & -self.scale))

  def setup(self):
    widths = [min(self.max_width, self.width * 2**i) for i in range(self.depth)]
    self.down = [layers.Conv(width, 4, 2, padding=1, dtype=self.dtype, kernel_init=None) for width in widths]
    self.codes = layers.Conv(self.code, 3, dtype=self.dtype, kernel_init=layers.fan_in_normal(1.))
    self.start = layers.Conv(widths[-1], 3, dtype=self.dtype, kernel_init=None)
    self.up = [layers.Upsample(width, self.upsample, 4, dtype=self.dtype, kernel_init=None)
               for width in widths[-2::-1]]
    self.last = layers.Upsample(self.channels, self.upsample, 4, dtype=self.dtype,
                                kernel_init=layers.normal(1e-3))

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


def build(*, image_shape, scale=1, upsample='deconv', depth=3, width=32, max_width=256, code=8, dtype=None,
          batch_norm_axis=None):
  """Returns Autoencoder for images of `image_shape` (height, width, channels), the size of the result.

  Raises:
    UserError: a size that cannot be halved `depth` times.
  """
  del batch_norm_axis  # no batch norm
  if depth < 1 or code < 1:
    raise UserError(f'model.depth={depth} and model.code={code} must both be at least 1; change them')
  if any(side % 2**depth for side in image_shape[:2]):
    raise UserError(f'model.depth={depth} halves the image so often; data.image_size={image_shape[0]} must be a '
                    f'multiple of {2**depth}')
  return Autoencoder(image_shape[-1], depth, width, max_width, code, upsample, scale, dtype)
