"""SNDCGAN: the convolutional networks of Miyato et al. 2018 (arXiv 1802.05957), table 3, for sides 8, 16, 24, 32, ...

Generator: z ~ N(0, I) -> dense to M x M x 512 -> three 4x4/2 transposed convolutions to 256, 128, 64 channels -> 3x3
convolution to the image, tanh; batch norm and ReLU between. Discriminator: 3x3/1 64, 4x4/2 64, 3x3/1 128, 4x4/2 128,
3x3/1 256, 4x4/2 256, 3x3/1 512, dense; LeakyReLU 0.1, spectral norm in every layer, no other norm. The table has
nothing between the dense layer and the first transposed convolution; here batch norm and ReLU stand there, without
which the two would be one linear map. Weights are drawn from N(0, 0.02).
"""

import functools
from typing import Any

from flax import linen as nn
import jax.numpy as jnp

from deconv import layers
from deconv.errors import UserError
from deconv.models import heads, norms
from deconv.models.latent import Latent
from deconv.options.models.gan import SndcganOptions

_init = layers.normal(0.02)


class Generator(nn.Module):
  """The latent (batch, size) -> image (batch, side, side, channels) float32 in [-1, 1].

  Attributes:
    options: deconv.options.models.gan.SndcganOptions; `width` is that of the last feature map (paper: 64).
    side: height and width of the image, a multiple of 8.
    channels: channels of the image.
    axis_name: mapped axis over which batch norm takes its statistics, or None.
    dtype: type that is computed in.
  """

  options: SndcganOptions
  side: int
  channels: int
  axis_name: str | None
  dtype: Any

  @nn.compact
  def __call__(self, z, train):
    options, low = self.options, self.side // 8
    z, label = norms.for_generator(options, z)
    norm = norms.of(self, options.gen_norm, train, label=label)
    common = dict(dtype=self.dtype, kernel_init=_init, spectral_norm=options.gen_spectral_norm)
    plain = options.gen_norm == 'none'
    x = layers.Dense(low * low * 8 * options.width, use_bias=plain, name='project', **common)(z)
    x = nn.relu(norm('norm_0')(x.reshape(-1, low, low, 8 * options.width)))  # b low low (8 * width)
    for i in (1, 2, 3):
      x = layers.Upsample(
        options.width * 2 ** (3 - i), kind=options.upsample, kernel_size=4, use_bias=plain, name=f'up_{i}', **common
      )(x)
      x = nn.relu(norm(f'norm_{i}')(x))  # b (low * 2**i) (low * 2**i) (width * 2**(3-i))
    x = layers.Conv(self.channels, 3, name='image', **common)(x)  # b side side channels
    return jnp.tanh(x.astype(jnp.float32))


class Discriminator(nn.Module):
  """Image (batch, side, side, channels) in [-1, 1] -> see deconv.models.heads.say.

  Attributes: as in Generator; `options.width` is that of the first feature map.
  """

  options: SndcganOptions
  axis_name: str | None
  dtype: Any

  @nn.compact
  def __call__(self, x, train, labels=None):
    options = self.options
    norm = norms.of(self, options.disc_norm, train)
    conv = functools.partial(layers.Conv, dtype=self.dtype, kernel_init=_init, spectral_norm=options.disc_spectral_norm)
    x = norms.for_discriminator(options, x, labels)
    for i in range(7):  # sides s, s/2, s/2, s/4, s/4, s/8, s/8; channels 1, 1, 2, 2, 4, 4, 8 times width
      window = dict(kernel_size=4, strides=2, padding=1) if i % 2 else dict(kernel_size=3)
      bias = i == 0 or options.disc_norm == 'none'
      x = conv(
        options.width * 2 ** ((i + 1) // 2 if i % 2 == 0 else i // 2), use_bias=bias, name=f'conv_{i}', **window
      )(x)
      x = nn.leaky_relu(norm(f'norm_{i}')(x) if i else x, options.leak)
    return heads.say(self, x.reshape(len(x), -1), labels, kernel_init=_init)


def build(options, *, image_shape, dtype, batch_norm_axis):
  """Returns (generator, discriminator, latent) for images of `image_shape` (height, width, channels).

  Raises:
    UserError: images that are not square, or whose side is no multiple of 8.
  """
  height, width, channels = image_shape
  if height != width or height % 8:
    raise UserError(
      f'sndcgan makes square images whose side is a multiple of 8, not {height}x{width}; '
      f'set data.image_size to {max(8, round(height / 8) * 8)}'
    )
  common = dict(options=options, axis_name=batch_norm_axis, dtype=dtype)
  generator = Generator(side=height, channels=channels, **common)
  return generator, Discriminator(**common), Latent.of(options, 'normal')
