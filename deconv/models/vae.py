"""Encoders and decoders of variational autoencoders: perceptrons, and convolutions with a deconvolution decoder.

An encoder maps images (batch, height, width, channels) in [-1, 1] to (batch, 2 * latent): means, then log-variances.
A decoder maps codes (batch, latent) to (batch, height, width, outputs), the parameters of a likelihood for each pixel.
There is no batch norm: the ELBO of an image must not depend on which images it is evaluated with.
"""

import functools
import math
from typing import Any

from flax import linen as nn
import jax.numpy as jnp

from deconv import layers
from deconv.errors import UserError
from deconv.options.models.autoencoders import VaeConvOptions, VaeMlpOptions

ACTIVATIONS = {
  'relu': nn.relu,
  'tanh': nn.tanh,
  'elu': nn.elu,
  'leaky_relu': nn.leaky_relu,
  'gelu': nn.gelu,
  'silu': nn.silu,
}


def _with_shared(module, outputs, shared):
  """Appends `shared` numbers that are parameters and the same for every pixel: (..., n) -> (..., n + shared)."""
  if not shared:
    return outputs
  values = module.param('shared', nn.initializers.zeros, (shared,), jnp.float32)
  return jnp.concatenate([outputs, jnp.broadcast_to(values, (*outputs.shape[:-1], shared))], axis=-1)


class MlpEncoder(nn.Module):
  """Images (batch, h, w, c) -> (batch, 2 * latent_size) float32 (Kingma & Welling 2014, appendix C.2).

  Attributes:
    options: VaeMlpOptions.
    dtype: type that is computed in.
  """

  options: VaeMlpOptions
  dtype: Any

  @nn.compact
  def __call__(self, x):
    o, act = self.options, ACTIVATIONS[self.options.activation]
    # Black is 0 to the first layer: with -1 there, all the empty pixels would push its units together at every step.
    x = (x.reshape(x.shape[0], -1) + 1) / 2  # b (h * w * c)
    for i in range(o.depth):
      x = act(nn.Dense(o.hidden, dtype=self.dtype, name=f'hidden_{i + 1}')(x))
    return nn.Dense(2 * o.latent_size, name='posterior')(x.astype(jnp.float32))


class MlpDecoder(nn.Module):
  """Codes (batch, latent) -> (batch, h, w, outputs + shared) float32 (Kingma & Welling 2014, appendix C.1).

  Attributes:
    options: VaeMlpOptions.
    size: (height, width).
    outputs: numbers for each pixel.
    shared: numbers that all pixels share.
    dtype: type that is computed in.
  """

  options: VaeMlpOptions
  size: tuple[int, int]
  outputs: int
  shared: int
  dtype: Any

  @nn.compact
  def __call__(self, z):
    act = ACTIVATIONS[self.options.activation]
    for i in range(self.options.depth):
      z = act(nn.Dense(self.options.hidden, dtype=self.dtype, name=f'hidden_{i + 1}')(z))
    x = nn.Dense(math.prod(self.size) * self.outputs, dtype=self.dtype, name='pixels')(z)
    return _with_shared(self, x.astype(jnp.float32).reshape(-1, *self.size, self.outputs), self.shared)


def halvings(height, width):
  """Returns (smallest side, n) with side = smallest * 2**n: halved while it is even and above 7.

  4 * 2**n goes down to 4x4 as DCGAN does, and 28x28 to 7x7 in two halvings. Images are not padded to the next
  4 * 2**n: every pixel that is added is one more to encode and to pay for in the likelihood, and the numbers would be
  those of another data set.

  Raises:
    UserError: not square, or no halving leads to a side from 4 to 7.
  """
  side, n = height, 0
  while side % 2 == 0 and side > 7:
    side, n = side // 2, n + 1
  if height != width or not n or not 4 <= side <= 7:
    raise UserError(
      f'vae_conv makes square images of side 8, 16, 32, 64, ... (4 * 2**n), or another number from 4 to '
      f'7 times 2**n such as 28, not {height}x{width}; set data.image_size to one of them'
    )
  return side, n


class Residual(nn.Module):
  """x + conv(act(conv(act(x)))), 3x3, the number of channels unchanged: (b, h, w, c) -> (b, h, w, c)."""

  activation: str
  dtype: Any

  @nn.compact
  def __call__(self, x):
    act = ACTIVATIONS[self.activation]
    conv = functools.partial(layers.Conv, x.shape[-1], 3, padding=1, dtype=self.dtype)
    y = conv(kernel_init=layers.fan_in_normal(2.0), name='conv_1')(act(x))
    # A small second kernel: at first the block passes its input on, however many of them there are.
    return x + conv(kernel_init=layers.fan_in_normal(0.02), name='conv_2')(act(y))


class ConvEncoder(nn.Module):
  """Images (batch, side, side, c) -> (batch, 2 * latent_size) float32, by n convolutions 4x4 of stride 2.

  Attributes:
    options: VaeConvOptions.
    dtype: type that is computed in.
  """

  options: VaeConvOptions
  dtype: Any

  @nn.compact
  def __call__(self, x):
    o, act = self.options, ACTIVATIONS[self.options.activation]
    _, n = halvings(*x.shape[1:3])
    for i in range(1, n + 1):
      features = min(o.width * 2 ** (i - 1), o.max_width)
      x = layers.Conv(
        features, 4, strides=2, padding=1, dtype=self.dtype, kernel_init=layers.fan_in_normal(2.0), name=f'down_{i}'
      )(x)  # b side/2**i side/2**i (width * 2**(i-1))
      for j in range(o.blocks):
        x = Residual(o.activation, self.dtype, name=f'block_{i}_{j + 1}')(x)
      x = act(x)
    x = x.reshape(x.shape[0], -1)  # b (smallest * smallest * width * 2**(n-1))
    x = act(nn.Dense(o.hidden, dtype=self.dtype, name='hidden')(x))
    return nn.Dense(2 * o.latent_size, name='posterior')(x.astype(jnp.float32))


class ConvDecoder(nn.Module):
  """Codes (batch, latent) -> (batch, side, side, outputs + shared) float32, the encoder's mirror image.

  A dense layer makes the smallest map, n upsampling layers double it, and a 3x3 convolution at the image's resolution
  gives the outputs.

  Attributes:
    options: VaeConvOptions.
    size: (side, side).
    outputs: numbers for each pixel.
    shared: numbers that all pixels share.
    dtype: type that is computed in.
  """

  options: VaeConvOptions
  size: tuple[int, int]
  outputs: int
  shared: int
  dtype: Any

  @nn.compact
  def __call__(self, z):
    o, act = self.options, ACTIVATIONS[self.options.activation]
    smallest, n = halvings(*self.size)
    features = [max(o.width // 2, 1)] + [min(o.width * 2**i, o.max_width) for i in range(n)]
    x = act(nn.Dense(o.hidden, dtype=self.dtype, name='hidden')(z))
    x = act(nn.Dense(smallest * smallest * features[n], dtype=self.dtype, name='project')(x))
    x = x.reshape(-1, smallest, smallest, features[n])  # b smallest smallest (width * 2**(n-1))
    for i in range(n - 1, -1, -1):
      for j in range(o.blocks):
        x = Residual(o.activation, self.dtype, name=f'block_{i + 1}_{j + 1}')(x)
      x = act(x) if o.blocks else x
      x = layers.Upsample(features[i], o.upsample, 4, 2, dtype=self.dtype, kernel_init=None, name=f'up_{n - i}')(x)
      x = act(x)  # b side/2**i side/2**i features[i]
    x = layers.Conv(self.outputs, 3, padding=1, dtype=self.dtype, kernel_init=layers.fan_in_normal(1.0), name='pixels')(
      x
    )
    return _with_shared(self, x.astype(jnp.float32), self.shared)  # b side side (outputs + shared)


def build_mlp(options, *, image_shape, outputs, dtype):
  """Returns (encoder, decoder) of perceptrons; see `build_conv`."""
  return MlpEncoder(options, dtype), MlpDecoder(options, tuple(image_shape[:2]), *outputs, dtype)


def build_conv(options, *, image_shape, outputs, dtype):
  """Returns (encoder, decoder) of convolutions.

  Args:
    options: VaeConvOptions.
    image_shape: (side, side, channels).
    outputs: (numbers for each pixel, numbers that all pixels share), see deconv.objectives.likelihoods.
    dtype: type that is computed in.

  Raises:
    UserError: a size that `halvings` does not accept.
  """
  halvings(*image_shape[:2])
  return ConvEncoder(options, dtype), ConvDecoder(options, tuple(image_shape[:2]), *outputs, dtype)
