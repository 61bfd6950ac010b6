"""Context encoder (Pathak, Krahenbuhl, Donahue, Darrell, Efros 2016, arXiv 1604.07379): what belongs into a hole?

As in the authors' code (github.com/pathak22/context-encoder, train.lua): 4x4 convolutions of stride 2 down to 4x4, a
bottleneck, 4x4 deconvolutions of stride 2 back; batch norm everywhere but next to the image, LeakyReLU 0.2 in the
encoder, ReLU in the decoder, tanh at the end. The encoder of a 128x128 image has 64, 64, 128, 256, 512 channels and a
bottleneck of 4000, the decoder of its 64x64 centre 512, 256, 128, 64, 3.

`bottleneck=0` is the paper's instead (section 3.1): a fully connected layer within each channel, then a 1x1
convolution. The paper's encoder is AlexNet up to pool5, on 227x227 images; this one is the code's.

The discriminator is that of deconv.models.dcgan, on the hole alone.
"""

import functools
from typing import Any

from flax import linen as nn
import jax.numpy as jnp

from deconv import layers
from deconv.errors import UserError
from deconv.models.restorer import Restorer
from deconv.options.models.restorers import ContextEncoderOptions


class ContextEncoder(Restorer):
  """Images with a hole (batch, side, side, c) in [-1, 1] -> (batch, side, side, channels) float32 in [-1, 1].

  With model.output 'image' all pixels are the decoder's; with 'centre' the decoder makes the middle side / 2 x side / 2
  pixels, and the others are the input's.

  Attributes:
    options: ContextEncoderOptions.
    channels: of the output.
    side: of the image, 4 * 2**n, n >= 2.
    axis_name: mapped axis over which batch norm takes its statistics, or None.
    dtype: type that is computed in.
  """

  options: ContextEncoderOptions
  channels: int
  side: int
  axis_name: str | None
  dtype: Any

  @property
  def fixed_side(self):
    """The only size of an image that the network takes."""
    return self.side

  @property
  def centre_only(self):
    """Whether the network makes the middle of an image alone."""
    return self.options.output == 'centre'

  @nn.compact
  def __call__(self, x, train=False):
    o = self.options
    norm = functools.partial(
      layers.BatchNorm,
      use_running_average=not train,
      decay=o.batch_norm_momentum,
      axis_name=self.axis_name,
      dtype=self.dtype,
    )
    conv = functools.partial(layers.Conv, kernel_size=4, strides=2, padding=1, dtype=self.dtype)
    image, halvings = x, self.side.bit_length() - 3  # down to 4x4
    for i in range(halvings):
      x = conv(min(8, 2 ** max(i - 1, 0)) * o.width, use_bias=i == 0, name=f'down_{i + 1}')(x)
      x = nn.leaky_relu(x if i == 0 else norm(name=f'norm_down_{i + 1}')(x), 0.2)

    doublings = halvings - 1 if self.centre_only else halvings
    widths = [min(8, 2**i) * o.width for i in reversed(range(doublings))]  # of the maps of side 4, 8, ...
    if o.bottleneck:
      x = layers.Conv(o.bottleneck, 4, padding=0, use_bias=False, dtype=self.dtype, name='code')(x)
      x = nn.leaky_relu(norm(name='norm_code')(x), 0.2)
      x = layers.ConvTranspose(widths[0], 4, padding=0, use_bias=False, dtype=self.dtype, name='uncode')(x)
    else:
      x = ChannelwiseDense(dtype=self.dtype, name='code')(x)
      x = layers.Conv(widths[0], 1, use_bias=False, dtype=self.dtype, name='uncode')(nn.relu(x))
    x = nn.relu(norm(name='norm_uncode')(x))
    for i, width in enumerate(widths[1:], 1):
      x = layers.Upsample(width, o.upsample, 4, use_bias=False, dtype=self.dtype, name=f'up_{i}')(x)
      x = nn.relu(norm(name=f'norm_up_{i}')(x))
    x = layers.Upsample(self.channels, o.upsample, 4, dtype=self.dtype, name='last')(x)
    x = jnp.tanh(x.astype(jnp.float32))
    if not self.centre_only:
      return x
    edge = self.side // 4
    image = jnp.broadcast_to(image.astype(jnp.float32), (*image.shape[:-1], self.channels))
    return image.at[:, edge:-edge, edge:-edge].set(x)


class ChannelwiseDense(nn.Module):
  """Every pixel of a channel from all pixels of that channel: m n^4 weights for m maps of side n (section 3.1)."""

  dtype: Any

  @nn.compact
  def __call__(self, x):
    batch, height, width, channels = x.shape
    size = height * width
    kernel = self.param('kernel', layers.normal(size**-0.5), (size, size, channels), jnp.float32)
    bias = self.param('bias', nn.initializers.zeros, (size, channels), jnp.float32)
    x, kernel, bias = nn.dtypes.promote_dtype(x, kernel, bias, dtype=self.dtype)
    y = jnp.einsum('bpc,pqc->bqc', x.reshape(batch, size, channels), kernel)
    return (y + bias).reshape(x.shape)


def build(options, *, image_shape, scale, dtype, batch_norm_axis):
  """Returns ContextEncoder for images of `image_shape` (height, width, channels); `scale` is 1.

  Raises:
    UserError: a size that is not 4 * 2**n.
  """
  del scale
  side = image_shape[0]
  if image_shape[1] != side or side < 16 or side & (side - 1):
    raise UserError(
      f"model.name='context_encoder' takes square images of side 16, 32, 64, ..., not "
      f'{side}x{image_shape[1]}; change data.image_size'
    )
  return ContextEncoder(options, image_shape[-1], side, batch_norm_axis, dtype)
