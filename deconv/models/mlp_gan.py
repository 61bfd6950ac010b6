"""The multilayer-perceptron GAN, the baseline without any convolution: 128-128-784 tanh against 128-128-1.

In the spirit of Goodfellow et al. 2014, section 5, but with LeakyReLU on both sides instead of rectifiers and maxout
with dropout.
"""
import math
from typing import Any

from flax import linen as nn
import jax.numpy as jnp

from deconv.errors import UserError
from deconv.models.latent import Latent


class Generator(nn.Module):
  """z (batch, latent) -> image (batch, *image_shape) float32 in [-1, 1].

  Attributes:
    image_shape: (height, width, channels).
    hidden: units of each hidden layer.
    depth: number of hidden layers.
    leak: slope of LeakyReLU below zero.
    dtype: type that is computed in.
  """
  image_shape: tuple[int, int, int]
  hidden: int = 128
  depth: int = 2
  leak: float = 0.2
  dtype: Any = None

  @nn.compact
  def __call__(self, z, train):
    del train
    for i in range(self.depth):
      z = nn.leaky_relu(nn.Dense(self.hidden, dtype=self.dtype, name=f'hidden_{i + 1}')(z), self.leak)
    x = nn.Dense(math.prod(self.image_shape), dtype=self.dtype, name='image')(z)      # b (height * width * channels)
    return jnp.tanh(x.astype(jnp.float32)).reshape(-1, *self.image_shape)


class Discriminator(nn.Module):
  """Image (batch, height, width, channels) in [-1, 1] -> logit (batch,) float32, positive for 'real'; attributes as
  above."""
  hidden: int = 128
  depth: int = 2
  leak: float = 0.2
  dtype: Any = None

  @nn.compact
  def __call__(self, x, train):
    del train
    x = x.reshape(x.shape[0], -1)
    for i in range(self.depth):
      x = nn.leaky_relu(nn.Dense(self.hidden, dtype=self.dtype, name=f'hidden_{i + 1}')(x), self.leak)
    return nn.Dense(1, name='logit')(x.astype(jnp.float32))[:, 0]


def build(*, image_shape, upsample='deconv', latent_size=100, hidden=128, depth=2, leak=0.2, dtype=None,
          batch_norm_axis=None):
  """Returns (generator, discriminator, latent) for images of `image_shape` (height, width, channels).

  Raises:
    UserError: another `upsample` than the default, which would change nothing.
  """
  del batch_norm_axis  # no batch norm
  if upsample != 'deconv':
    raise UserError(f"mlp_gan has no upsampling layer, so model.upsample='{upsample}' would change nothing; "
                    'leave it out')
  common = dict(hidden=hidden, depth=depth, leak=leak, dtype=dtype)
  return Generator(tuple(image_shape), **common), Discriminator(**common), Latent(latent_size, 'normal')
