"""The small transposed-convolution GAN for 28x28 images (MNIST and its relatives), without batch norm.

The generator (dense to 7x7, two transposed convolutions 4x4 of stride 2, a 7x7 convolution) is the one that Keras
tutorials pass on, here with tanh for images in [-1, 1]. The discriminator is that of TensorFlow's DCGAN tutorial: two
5x5 convolutions of stride 2 with 64 and 128 channels, LeakyReLU, dropout 0.3, dense. Neither has a paper;
initialisation is Keras' default, Glorot uniform and no bias at the start.
"""

from typing import Any

from flax import linen as nn
import jax.numpy as jnp

from deconv import layers
from deconv.errors import UserError
from deconv.models.latent import Latent
from deconv.options.models.gan import Gan28Options

_init = nn.initializers.glorot_uniform()


class Generator(nn.Module):
  """z (batch, latent) -> image (batch, 28, 28, channels) float32 in [-1, 1].

  Attributes:
    options: deconv.options.models.gan.Gan28Options.
    channels: channels of the image.
    dtype: type that is computed in.
  """

  options: Gan28Options
  channels: int
  dtype: Any

  @nn.compact
  def __call__(self, z, train):
    del train  # neither batch norm nor dropout
    width, leak = self.options.width, self.options.leak
    wide = 2 * width
    x = layers.Dense(
      7 * 7 * wide, dtype=self.dtype, kernel_init=_init, spectral_norm=self.options.gen_spectral_norm, name='project'
    )(z)
    x = nn.leaky_relu(x.reshape(-1, 7, 7, wide), leak)  # b 7 7 (2 * width)
    up = dict(
      kind=self.options.upsample,
      kernel_size=4,
      factor=2,
      dtype=self.dtype,
      kernel_init=_init,
      spectral_norm=self.options.gen_spectral_norm,
    )
    x = nn.leaky_relu(layers.Upsample(wide, **up, name='up_1')(x), leak)  # b 14 14 (2 * width)
    x = nn.leaky_relu(layers.Upsample(width, **up, name='up_2')(x), leak)  # b 28 28 width
    x = layers.Conv(
      self.channels,
      7,
      padding=3,
      dtype=self.dtype,
      kernel_init=_init,
      spectral_norm=self.options.gen_spectral_norm,
      name='image',
    )(x)
    # b 28 28 channels
    return jnp.tanh(x.astype(jnp.float32))


class Discriminator(nn.Module):
  """Image (batch, 28, 28, channels) in [-1, 1] -> logit (batch,) float32, positive for 'real'.

  Training draws dropout from the random stream 'dropout'. There are `options.width` channels at 14x14, and twice as
  many at 7x7.

  Attributes: as in Generator.
  """

  options: Gan28Options
  dtype: Any

  @nn.compact
  def __call__(self, x, train):
    width = self.options.width
    for i in (1, 2):
      x = layers.Conv(
        width * i,
        5,
        strides=2,
        padding=2,
        dtype=self.dtype,
        kernel_init=_init,
        spectral_norm=self.options.disc_spectral_norm,
        name=f'down_{i}',
      )(x)
      x = nn.leaky_relu(x, self.options.leak)  # b 14 14 width, b 7 7 (2 * width)
      x = nn.Dropout(self.options.dropout, deterministic=not train)(x)
    x = x.reshape(x.shape[0], -1).astype(jnp.float32)  # b (7 * 7 * 2 * width)
    return layers.Dense(1, kernel_init=_init, spectral_norm=self.options.disc_spectral_norm, name='logit')(x)[:, 0]


def build(options, *, image_shape, dtype, batch_norm_axis):
  """Returns (generator, discriminator, latent) for images of `image_shape` (28, 28, channels).

  Raises:
    UserError: images of another size.
  """
  del batch_norm_axis  # no batch norm
  if tuple(image_shape[:2]) != (28, 28):
    raise UserError(
      f'gan28 makes images of 28x28, not {image_shape[0]}x{image_shape[1]}; '
      'set data.image_size to 28 or model.name to dcgan'
    )
  generator = Generator(options=options, channels=image_shape[2], dtype=dtype)
  return generator, Discriminator(options=options, dtype=dtype), Latent.of(options, 'normal')
