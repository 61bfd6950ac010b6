"""The multilayer-perceptron GAN, the baseline without any convolution: 128-128-784 tanh against 128-128-1.

In the spirit of Goodfellow et al. 2014, section 5, but with LeakyReLU on both sides instead of rectifiers and maxout
with dropout.
"""

import math
from typing import Any

from flax import linen as nn
import jax.numpy as jnp

from deconv import layers
from deconv.models import heads, norms
from deconv.models.latent import Latent
from deconv.options.models.gan import MlpGanOptions


class Generator(nn.Module):
  """z (batch, latent) -> image (batch, *image_shape) float32 in [-1, 1]; with output='linear' in any range.

  Attributes:
    options: deconv.options.models.gan.MlpGanOptions.
    image_shape: (height, width, channels).
    dtype: type that is computed in.
  """

  options: MlpGanOptions
  image_shape: tuple[int, int, int]
  dtype: Any

  @nn.compact
  def __call__(self, z, train):
    del train
    spectral = self.options.gen_spectral_norm
    z = _hidden(self, z, spectral)
    x = layers.Dense(math.prod(self.image_shape), dtype=self.dtype, spectral_norm=spectral, name='image')(z)
    x = x.astype(jnp.float32).reshape(-1, *self.image_shape)
    return jnp.tanh(x) if self.options.output == 'tanh' else x


class Discriminator(nn.Module):
  """Image (batch, height, width, channels) in [-1, 1] -> see deconv.models.heads.say; attributes as above."""

  options: MlpGanOptions
  dtype: Any

  @nn.compact
  def __call__(self, x, train, labels=None):
    del train
    spectral = self.options.disc_spectral_norm
    x = _hidden(self, norms.for_discriminator(self.options, x.reshape(x.shape[0], -1), labels), spectral)
    return heads.say(self, x, labels, kernel_init=nn.initializers.lecun_normal())


def _hidden(network, x, spectral):
  """The hidden layers of a Generator or a Discriminator: (batch, features) -> (batch, hidden)."""
  options = network.options
  for i in range(options.depth):
    x = layers.Dense(options.hidden, dtype=network.dtype, spectral_norm=spectral, name=f'hidden_{i + 1}')(x)
    x = nn.leaky_relu(x, options.leak)
  return x


def build(options, *, image_shape, dtype, batch_norm_axis):
  """Returns (generator, discriminator, latent) for images of `image_shape` (height, width, channels)."""
  del batch_norm_axis  # no batch norm
  generator = Generator(options=options, image_shape=tuple(image_shape), dtype=dtype)
  return generator, Discriminator(options=options, dtype=dtype), Latent.of(options, 'normal')
