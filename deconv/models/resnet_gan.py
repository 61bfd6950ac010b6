"""The residual GANs of WGAN-GP (Gulrajani et al. 2017, arXiv 1704.00028, appendix) and SNGAN (Miyato et al. 2018, arXiv
1802.05957, tables 4 and 5), for images of 32x32 and 64x64.

| side | generator | discriminator |
|------|-----------|---------------|
| 32   | dense 4x4 w, three doubling blocks of w channels    | blocks of v channels: two that halve, two that do not |
| 64   | dense 4x4 16w, doubling blocks of 8w, 4w, 2w, w     | halving blocks of v, 2v, 4v, 8v, 16v channels |

At 32 SNGAN has w = 256 and WGAN-GP w = 128, both v = 128; at 64 w = v = 64. WGAN-GP takes the mean over all places at
the end, here it is the sum as in SNGAN.

A block of the generator: norm, ReLU, doubling, 3x3 convolution, norm, ReLU, 3x3 convolution, plus the input doubled and
mixed by a 1x1 convolution. After the last one norm, ReLU, 3x3 convolution, tanh. A block of the discriminator: ReLU,
3x3, ReLU, 3x3, mean of 2x2 where it halves, plus the input through a 1x1 convolution (and the same mean); the first
block has no ReLU in front. After the last one ReLU, the sum over all places, dense. `model.upsample` is the doubling
with its 3x3 convolution; the papers' is `resize_nearest`. Every convolution has a bias. Weights are Glorot's uniform
ones, times sqrt(2) in the blocks' 3x3 convolutions, as in the authors' code.
"""

import functools
from typing import Any

from flax import linen as nn
import jax.numpy as jnp

from deconv import layers, ops
from deconv.errors import UserError
from deconv.models import heads, norms
from deconv.models.latent import Latent
from deconv.options.models.gan import ResnetGanOptions

_inner = nn.initializers.variance_scaling(2.0, 'fan_avg', 'uniform')
_outer = nn.initializers.glorot_uniform()


def gen_widths(options, side):
  """Returns the channels at 4x4 and after each doubling."""
  return (options.gen_width,) * 4 if side == 32 else tuple(options.gen_width * 2**i for i in (4, 3, 2, 1, 0))


def disc_blocks(options, side):
  """Returns ((channels, whether it halves), ...) of the blocks of the discriminator."""
  width = options.disc_width
  if side == 32:
    return (width, True), (width, True), (width, False), (width, False)
  return tuple((width * 2**i, True) for i in range(5))


class Generator(nn.Module):
  """The latent (batch, size) -> image (batch, side, side, channels) float32 in [-1, 1].

  Attributes:
    options: deconv.options.models.gan.ResnetGanOptions.
    side: 32 or 64.
    channels: channels of the image.
    axis_name: mapped axis over which batch norm takes its statistics, or None.
    dtype: type that is computed in.
  """

  options: ResnetGanOptions
  side: int
  channels: int
  axis_name: str | None
  dtype: Any

  @nn.compact
  def __call__(self, z, train):
    options = self.options
    z, label = norms.for_generator(options, z)
    norm = norms.of(self, options.gen_norm, train, label=label)
    common = dict(dtype=self.dtype, spectral_norm=options.gen_spectral_norm)
    first, *widths = gen_widths(options, self.side)
    x = layers.Dense(4 * 4 * first, kernel_init=_outer, name='project', **common)(z)
    x = x.reshape(-1, 4, 4, first)
    for i, width in enumerate(widths, start=1):
      y = nn.relu(norm(f'norm_{i}_1')(x))
      y = layers.Upsample(width, options.upsample, 3, kernel_init=_inner, name=f'up_{i}', **common)(y)
      y = nn.relu(norm(f'norm_{i}_2')(y))
      y = layers.Conv(width, 3, kernel_init=_inner, name=f'conv_{i}', **common)(y)
      # A 1x1 convolution and copies commute: the fewer pixels first.
      short = layers.Conv(width, 1, kernel_init=_outer, name=f'shortcut_{i}', **common)(x)
      x = y + ops.resize_nearest(short, 2)  # b (4 * 2**i) (4 * 2**i) width
    norm = norms.of(self, options.gen_norm, train)  # the last one knows no class in the authors' code
    x = nn.relu(norm('norm_image')(x))
    x = layers.Conv(self.channels, 3, kernel_init=_outer, name='image', **common)(x)
    return jnp.tanh(x.astype(jnp.float32))


class Discriminator(nn.Module):
  """Image (batch, side, side, channels) in [-1, 1] -> see deconv.models.heads.say.

  Attributes: as in Generator.
  """

  options: ResnetGanOptions
  axis_name: str | None
  dtype: Any

  @nn.compact
  def __call__(self, x, train, labels=None):
    options = self.options
    norm = norms.of(self, options.disc_norm, train)
    conv = functools.partial(layers.Conv, dtype=self.dtype, spectral_norm=options.disc_spectral_norm)
    x = norms.for_discriminator(options, x, labels)
    for i, (width, halves) in enumerate(disc_blocks(options, x.shape[1])):
      hidden = x.shape[-1] if i else width
      y = nn.relu(norm(f'norm_{i}_1')(x)) if i else x
      y = conv(hidden, 3, kernel_init=_inner, name=f'conv_{i}_1')(y)
      y = nn.relu(norm(f'norm_{i}_2')(y) if i else y)
      y = conv(width, 3, kernel_init=_inner, name=f'conv_{i}_2')(y)
      y = _mean(y) if halves else y
      if halves or x.shape[-1] != width:
        x = _mean(x) if halves else x  # the mean and a 1x1 convolution commute: the fewer pixels first
        x = conv(width, 1, kernel_init=_outer, name=f'shortcut_{i}')(x)
      x = x + y
    return heads.say(self, jnp.sum(nn.relu(x), axis=(1, 2)), labels, kernel_init=_outer)


def _mean(x):
  """Means of 2x2 pixels."""
  batch, height, width, channels = x.shape
  return jnp.mean(x.reshape(batch, height // 2, 2, width // 2, 2, channels), axis=(2, 4))


def build(options, *, image_shape, dtype, batch_norm_axis):
  """Returns (generator, discriminator, latent) for images of `image_shape` (height, width, channels).

  Raises:
    UserError: images of another size than 32x32 and 64x64.
  """
  height, width, channels = image_shape
  if height != width or height not in (32, 64):
    raise UserError(
      f'resnet_gan makes images of 32x32 and 64x64, not {height}x{width}; set data.image_size to one of the two'
    )
  common = dict(options=options, axis_name=batch_norm_axis, dtype=dtype)
  generator = Generator(side=height, channels=channels, **common)
  return generator, Discriminator(**common), Latent.of(options, 'normal')
