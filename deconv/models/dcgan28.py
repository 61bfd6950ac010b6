"""The conditional DCGAN for 28x28 images of the authors of DCGAN.

It is github.com/Newmu/dcgan_code, mnist/train_cond_dcgan.py.

Generator: [z, y] -> dense 1024 -> dense 7 * 7 * 128 -> 5x5/2 transposed convolution to 64 channels -> 5x5/2 to the
image. Discriminator: its mirror image, with strided convolutions and LeakyReLU. The label y, one of ten as a vector, is
joined to the input of every layer of both. Batch norm has neither gain nor bias and stands after every layer but the
generator's last, the discriminator's first and its last; in the generator's dense layers it is that of a unit. No layer
has a bias, but in a network that is built without norm. Weights are drawn from N(0, 0.02).

The authors work with pixels in [0, 1] and a sigmoid; here images are in [-1, 1]. The discriminator maps them to [0, 1]
first, and 2 sigmoid(x) - 1 = tanh(x / 2). Beyond their code, the label may be left out.
"""

import functools
from typing import Any

from flax import linen as nn
import jax.numpy as jnp

from deconv import layers
from deconv.errors import UserError
from deconv.models import heads, norms
from deconv.models.latent import Latent
from deconv.options.models.gan import Dcgan28Options

_init = layers.normal(0.02)


class Generator(nn.Module):
  """[z, y] (batch, latent + classes) -> image (batch, 28, 28, channels) float32 in [-1, 1].

  Attributes:
    options: deconv.options.models.gan.Dcgan28Options.
    channels: channels of the image.
    axis_name: mapped axis over which batch norm takes its statistics, or None.
    dtype: type that is computed in.
  """

  options: Dcgan28Options
  channels: int
  axis_name: str | None
  dtype: Any

  @nn.compact
  def __call__(self, z, train):
    options = self.options
    joined = options.gen_label == 'concat'
    label = z[:, -options.num_classes :] if joined else None
    z, by_norm = norms.for_generator(options, z)
    norm = norms.of(self, options.gen_norm, train, affine=options.norm_affine, label=by_norm)
    common = dict(
      use_bias=options.gen_norm == 'none', dtype=self.dtype, kernel_init=_init, spectral_norm=options.gen_spectral_norm
    )
    dense = functools.partial(layers.Dense, **common)
    up = functools.partial(layers.Upsample, kind=options.upsample, kernel_size=options.kernel_size, **common)
    x = nn.relu(norm('norm_1')(dense(options.hidden, name='dense_1')(z)))  # b hidden
    x = dense(7 * 7 * 2 * options.width, name='dense_2')(norms.join(x, label))
    x = nn.relu(norm('norm_2')(x)).reshape(-1, 7, 7, 2 * options.width)  # b 7 7 (2 * width)
    x = nn.relu(norm('norm_3')(up(options.width, name='up_1')(norms.join(x, label))))  # b 14 14 width
    x = up(self.channels, name='up_2')(norms.join(x, label))  # b 28 28 channels
    return jnp.tanh(x.astype(jnp.float32) / 2)


class Discriminator(nn.Module):
  """Image (batch, 28, 28, channels) in [-1, 1] -> logit (batch,) float32, positive for 'real'.

  Attributes: as in Generator.
  """

  options: Dcgan28Options
  axis_name: str | None
  dtype: Any

  @nn.compact
  def __call__(self, x, train, labels=None):
    options = self.options
    norm = norms.of(self, options.disc_norm, train, affine=options.norm_affine)
    plain = options.disc_norm == 'none'
    common = dict(use_bias=plain, dtype=self.dtype, kernel_init=_init, spectral_norm=options.disc_spectral_norm)
    down = functools.partial(
      layers.Conv, kernel_size=options.kernel_size, strides=2, padding=(options.kernel_size - 1) // 2, **common
    )
    label = norms.one_hot(labels, options.num_classes, jnp.float32) if options.disc_label == 'concat' else None
    x = (x + 1) / 2
    x = nn.leaky_relu(down(options.width, name='down_1')(norms.join(x, label)), options.leak)  # b 14 14 width
    x = norm('norm_2')(down(2 * options.width, name='down_2')(norms.join(x, label)))
    x = nn.leaky_relu(x, options.leak)  # b 7 7 (2 * width)
    x = norms.join(x.reshape(len(x), -1), label)
    x = norm('norm_3')(layers.Dense(options.hidden, name='dense', **common)(x))
    x = norms.join(nn.leaky_relu(x, options.leak), label)  # b (hidden + classes)
    return heads.say(self, x, labels, kernel_init=_init, use_bias=plain)


def build(options, *, image_shape, dtype, batch_norm_axis):
  """Returns (generator, discriminator, latent) for images of `image_shape` (28, 28, channels).

  Raises:
    UserError: images of another size.
  """
  if tuple(image_shape[:2]) != (28, 28):
    raise UserError(
      f'dcgan28 makes images of 28x28, not {image_shape[0]}x{image_shape[1]}; '
      'set data.image_size to 28 or model.name to dcgan'
    )
  common = dict(options=options, axis_name=batch_norm_axis, dtype=dtype)
  latent = Latent.of(options, 'uniform')
  return Generator(channels=image_shape[2], **common), Discriminator(**common), latent
