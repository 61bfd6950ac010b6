"""DCGAN: deep convolutional generative adversarial networks (Radford, Metz, Chintala 2015, arXiv 1511.06434).

The network of figure 1 and section 3 for any resolution 4 * 2**n: z -> 4x4 -> n transposed convolutions of stride 2
-> image; the discriminator is its mirror image with strided convolutions. No pooling, batch norm everywhere but on
the generator's output and the discriminator's input, ReLU and tanh in the generator, LeakyReLU 0.2 in the
discriminator, weights from N(0, 0.02).

Two presets, where the paper and its authors' code (github.com/Newmu/dcgan_code, faces/train_uncond_dcgan.py) differ
or the paper says nothing:

| what                              | 'paper'                           | 'code'                              |
|-----------------------------------|-----------------------------------|-------------------------------------|
| batch norm of the projection of z | per channel (1024), like the rest | per unit (4 * 4 * 1024)             |
| initial gain of batch norm        | 1                                 | N(1, 0.02)                          |
| bias where no batch norm follows  | yes                               | no (last layer of the generator,    |
|                                   |                                   | first and last of the discriminator)|

Three more differences are not of the networks and have their own fields: an L2 penalty of 1e-5 on all parameters
(`optimizer.l2`; in the code only), one network a minibatch (`objective.update_order = 'alternate'`; the paper does
not say), and samples always normalised by their own batch (`eval.batch_stats = 'batch'`; the code keeps no running
statistics). Convolutions before batch norm have no bias in both: batch norm would subtract it. Other norms are a choice
of ours (`model.gen_norm`, `model.disc_norm`); without any the convolutions have a bias.
"""

import functools
from typing import Any

from flax import linen as nn
import jax.numpy as jnp

from deconv import layers
from deconv.errors import UserError
from deconv.models import heads, norms
from deconv.models.latent import Latent
from deconv.options.models.gan import DcganOptions


def _doublings(height, width):
  """Number n of stride-2 layers between 4x4 and the image, which must be square with side 4 * 2**n, n >= 1."""
  n = max(height // 4, 2).bit_length() - 1
  if height != width or height != 4 * 2**n:
    below, above = 4 * 2**n, 4 * 2 ** (n + 1)
    near = f'{below}' if height <= below else f'{below} or {above}'
    raise UserError(
      f'DCGAN makes square images of side 8, 16, 32, 64, ... (4 * 2**n), not {height}x{width}; '
      f'set data.image_size to {near}'
    )
  return n


def _gain(options):
  """The initialiser of the gain of a norm."""
  return nn.initializers.ones if options.preset == 'paper' else _around_one


def _around_one(key, shape, dtype=jnp.float32):
  return 1 + layers.normal(0.02)(key, shape, dtype)


class Generator(nn.Module):
  """z (batch, latent) -> image (batch, resolution, resolution, channels) float32 in [-1, 1].

  Attributes:
    options: deconv.options.models.gan.DcganOptions; `width` is that of the last feature map (paper: 128 at 32x32).
    resolution: side of the image, 4 * 2**n.
    channels: channels of the image.
    axis_name: mapped axis over which batch norm takes its statistics, or None.
    dtype: type that is computed in.
  """

  options: DcganOptions
  resolution: int
  channels: int
  axis_name: str | None
  dtype: Any

  @nn.compact
  def __call__(self, z, train):
    n = _doublings(self.resolution, self.resolution)
    width, paper = self.options.width, self.options.preset == 'paper'
    z, label = norms.for_generator(self.options, z)
    norm = norms.of(self, self.options.gen_norm, train, gain=_gain(self.options), label=label)
    plain = self.options.gen_norm == 'none'
    up = functools.partial(
      layers.Upsample,
      kind=self.options.upsample,
      kernel_size=self.options.kernel_size,
      factor=2,
      dtype=self.dtype,
      kernel_init=layers.normal(0.02),
      spectral_norm=self.options.gen_spectral_norm,
    )
    features = width * 2 ** (n - 1)
    x = layers.Dense(
      4 * 4 * features,
      use_bias=plain,
      dtype=self.dtype,
      kernel_init=layers.normal(0.02),
      spectral_norm=self.options.gen_spectral_norm,
      name='project',
    )(z)
    if paper:
      x = norm('norm_0')(x.reshape(-1, 4, 4, features))
    else:
      x = norm('norm_0')(x).reshape(-1, 4, 4, features)
    x = nn.relu(x)  # b 4 4 (width * 2**(n-1))
    for i in range(1, n):
      x = up(width * 2 ** (n - 1 - i), use_bias=plain, name=f'up_{i}')(x)
      x = nn.relu(norm(f'norm_{i}')(x))  # b 4*2**i 4*2**i (width * 2**(n-1-i))
    x = up(self.channels, use_bias=paper, name=f'up_{n}')(x)  # b 4*2**n 4*2**n channels
    return jnp.tanh(x.astype(jnp.float32))


class Discriminator(nn.Module):
  """Image (batch, resolution, resolution, channels) in [-1, 1] -> logit (batch,) float32, positive for 'real', and what
  else deconv.models.heads.say has.

  Attributes: as in Generator; `options.width` is that of the first feature map, and `options.upsample` has no effect.
  """

  options: DcganOptions
  axis_name: str | None
  dtype: Any

  @nn.compact
  def __call__(self, x, train, labels=None):
    n = _doublings(*x.shape[1:3])
    width, leak, bias = self.options.width, self.options.leak, self.options.preset == 'paper'
    norm = norms.of(self, self.options.disc_norm, train, gain=_gain(self.options))
    plain = self.options.disc_norm == 'none'
    x = norms.for_discriminator(self.options, x, labels)
    pad = (self.options.kernel_size - 1) // 2
    # An even window needs (k - 2) / 2 on both sides to halve the side exactly; an odd one drops the last column.
    down = functools.partial(
      layers.Conv,
      kernel_size=self.options.kernel_size,
      strides=2,
      padding=pad,
      dtype=self.dtype,
      kernel_init=layers.normal(0.02),
      spectral_norm=self.options.disc_spectral_norm,
    )
    x = down(width, use_bias=bias, name='down_1')(x)  # b 2*2**n 2*2**n width
    x = nn.leaky_relu(x, leak)
    for i in range(2, n + 1):
      x = down(width * 2 ** (i - 1), use_bias=plain, name=f'down_{i}')(x)
      x = nn.leaky_relu(norm(f'norm_{i}')(x), leak)  # b 4*2**(n-i) 4*2**(n-i) (width * 2**(i-1))
    x = x.reshape(x.shape[0], -1)  # b (4 * 4 * width * 2**(n-1))
    return heads.say(self, x, labels, kernel_init=layers.normal(0.02), use_bias=bias)


def build(options, *, image_shape, dtype, batch_norm_axis):
  """Returns (generator, discriminator, latent) for images of `image_shape` (height, width, channels).

  Raises:
    UserError: a size that is not 4 * 2**n.
  """
  _doublings(*image_shape[:2])
  common = dict(options=options, axis_name=batch_norm_axis, dtype=dtype)
  generator = Generator(resolution=image_shape[0], channels=image_shape[2], **common)
  return generator, Discriminator(**common), Latent.of(options, 'uniform')
