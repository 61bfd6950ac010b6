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

OUTPUTS = ('image', 'centre')


class ContextEncoder(nn.Module):
  """Images with a hole (batch, side, side, c) in [-1, 1] -> (batch, side, side, channels) float32 in [-1, 1].

  Attributes:
    channels: of the output.
    side: of the image, 4 * 2**n, n >= 2.
    output: 'image': all pixels are the decoder's; 'centre': the decoder makes the middle side / 2 x side / 2 pixels,
      and the others are the input's.
    width: channels of the first layer.
    bottleneck: units between encoder and decoder; 0 = fully connected within each channel.
    upsample: kind of deconv.layers.Upsample.
    momentum: decay of the running statistics a step.
    axis_name: mapped axis over which batch norm takes its statistics, or None.
    dtype: type that is computed in.
  """
  channels: int
  side: int
  output: str = 'image'
  width: int = 64
  bottleneck: int = 4000
  upsample: str = 'deconv'
  momentum: float = 0.9
  axis_name: str | None = None
  dtype: Any = None

  @property
  def fixed_side(self):
    """The only size of an image that the network takes."""
    return self.side

  @nn.compact
  def __call__(self, x, train=False):
    norm = functools.partial(nn.BatchNorm, use_running_average=not train, momentum=self.momentum,
                             axis_name=self.axis_name, dtype=self.dtype)
    conv = functools.partial(layers.Conv, kernel_size=4, strides=2, padding=1, dtype=self.dtype)
    image, halvings = x, self.side.bit_length() - 3  # down to 4x4
    for i in range(halvings):
      x = conv(min(8, 2**max(i - 1, 0)) * self.width, use_bias=i == 0, name=f'down_{i + 1}')(x)
      x = nn.leaky_relu(x if i == 0 else norm(name=f'norm_down_{i + 1}')(x), 0.2)

    doublings = halvings if self.output == 'image' else halvings - 1
    widths = [min(8, 2**i) * self.width for i in reversed(range(doublings))]  # of the maps of side 4, 8, ...
    if self.bottleneck:
      x = layers.Conv(self.bottleneck, 4, padding=0, use_bias=False, dtype=self.dtype, name='code')(x)
      x = nn.leaky_relu(norm(name='norm_code')(x), 0.2)
      x = layers.ConvTranspose(widths[0], 4, padding=0, use_bias=False, dtype=self.dtype, name='uncode')(x)
    else:
      x = ChannelwiseDense(dtype=self.dtype, name='code')(x)
      x = layers.Conv(widths[0], 1, use_bias=False, dtype=self.dtype, name='uncode')(nn.relu(x))
    x = nn.relu(norm(name='norm_uncode')(x))
    for i, width in enumerate(widths[1:], 1):
      x = layers.Upsample(width, self.upsample, 4, use_bias=False, dtype=self.dtype, name=f'up_{i}')(x)
      x = nn.relu(norm(name=f'norm_up_{i}')(x))
    x = layers.Upsample(self.channels, self.upsample, 4, dtype=self.dtype, name='last')(x)
    x = jnp.tanh(x.astype(jnp.float32))
    if self.output == 'image':
      return x
    edge = self.side // 4
    image = jnp.broadcast_to(image.astype(jnp.float32), (*image.shape[:-1], self.channels))
    return image.at[:, edge:-edge, edge:-edge].set(x)


class ChannelwiseDense(nn.Module):
  """Every pixel of a channel from all pixels of that channel: m n^4 weights for m maps of side n (section 3.1)."""
  dtype: Any = None

  @nn.compact
  def __call__(self, x):
    batch, height, width, channels = x.shape
    size = height * width
    kernel = self.param('kernel', layers.normal(size**-0.5), (size, size, channels), jnp.float32)
    bias = self.param('bias', nn.initializers.zeros, (size, channels), jnp.float32)
    x, kernel, bias = nn.dtypes.promote_dtype(x, kernel, bias, dtype=self.dtype)
    y = jnp.einsum('bpc,pqc->bqc', x.reshape(batch, size, channels), kernel)
    return (y + bias).reshape(x.shape)


def build(*, image_shape, scale=1, upsample='deconv', output='image', width=64, bottleneck=4000,
          batch_norm_momentum=0.9, dtype=None, batch_norm_axis=None):
  """Returns ContextEncoder for images of `image_shape` (height, width, channels).

  Raises:
    UserError: a size that is not 4 * 2**n, an unknown output, or another scale than 1.
  """
  side = image_shape[0]
  if scale != 1:
    raise UserError(f"model.name='context_encoder' fills holes and does not enlarge by {scale}; choose another model")
  if image_shape[1] != side or side < 16 or side & (side - 1):
    raise UserError(f"model.name='context_encoder' takes square images of side 16, 32, 64, ..., not "
                    f'{side}x{image_shape[1]}; change data.image_size')
  if output not in OUTPUTS:
    raise UserError(f"model.output is '{output}'; choose one of: {', '.join(OUTPUTS)}")
  return ContextEncoder(image_shape[-1], side, output, width, bottleneck, upsample, batch_norm_momentum,
                        batch_norm_axis, dtype)
