"""The convolutional encoder and the unpooling decoder of DC-IGN (Kulkarni et al. 2015, figure 1).

Encoder: three times a 5x5 convolution, 2x2 max pooling, ReLU; dense to means and log-variances. Decoder: dense, then
four times unpooling (each value becomes a 2x2 block) and a 7x7 convolution, ReLU between them. The published network
takes 150x150 images without padding: 150 - 73 - 34 - 15 down, 15 - 24 - 42 - 78 - 150 up.

Presets, which differ in channels: 'paper' 96-64-32 and 32-64-96, 'code' (github.com/willwhitney/dc-ign) 96-48-24 and
48-96-96. Convolutions start from the variance of He et al. (2015) in place of Torch's default, dense layers from
N(0, 0.01) as the authors' do, or from a variance of 1 / fan_in, so that a code says something from the first step on.
"""

from typing import Any

from flax import linen as nn
import jax.numpy as jnp

from deconv import layers, ops
from deconv.errors import UserError
from deconv.options.models.autoencoders import DcignOptions

# Channels of the encoder's and of the decoder's convolutions, for a width of 96.
PRESETS = {'paper': ((96, 64, 32), (32, 64, 96)), 'code': ((96, 48, 24), (48, 96, 96))}

# (kernel, bias) of the dense layers.
DENSE_INITS = {
  'authors': (nn.initializers.normal(0.01), nn.initializers.normal(0.01)),
  'fan_in': (nn.initializers.lecun_normal(), nn.initializers.zeros),
}


class Encoder(nn.Module):
  """Images (batch, side, side, c) -> (batch, 2 * latent_size) float32, means and log-variances.

  Attributes:
    options: DcignOptions.
    features: channels of the convolutions.
    dtype: type that is computed in.
  """

  options: DcignOptions
  features: tuple[int, ...]
  dtype: Any

  @nn.compact
  def __call__(self, x):
    for i, features in enumerate(self.features):
      x = layers.Conv(
        features,
        5,
        padding=self.options.padding,
        dtype=self.dtype,
        kernel_init=layers.fan_in_normal(2.0),
        name=f'conv_{i + 1}',
      )(x)
      x = nn.relu(ops.max_pool(x, 2)[0])  # b side/2 side/2 features ('valid': (side - 4) / 2)
    x = x.reshape(x.shape[0], -1)
    # Computed in float32: log-variances in bfloat16 have no digits to spare.
    kernel_init, bias_init = DENSE_INITS[self.options.dense_init]
    return nn.Dense(2 * self.options.latent_size, kernel_init=kernel_init, bias_init=bias_init, name='posterior')(
      x.astype(jnp.float32)
    )


class Decoder(nn.Module):
  """Codes (batch, latent) -> (batch, side, side, outputs) float32.

  Attributes:
    options: DcignOptions.
    side: height and width of the image.
    outputs: numbers for each pixel.
    first: channels of the smallest map.
    features: channels of the convolutions but the last.
    dtype: type that is computed in.
  """

  options: DcignOptions
  side: int
  outputs: int
  first: int
  features: tuple[int, ...]
  dtype: Any

  @nn.compact
  def __call__(self, z):
    padding = self.options.padding
    start = smallest(self.side, padding)
    kernel_init, bias_init = DENSE_INITS[self.options.dense_init]
    x = nn.Dense(
      start * start * self.first, dtype=self.dtype, kernel_init=kernel_init, bias_init=bias_init, name='project'
    )(z)
    x = nn.relu(x).reshape(-1, start, start, self.first)  # b start start first
    widths = *self.features, self.outputs
    for i, features in enumerate(widths):
      last = i == len(widths) - 1
      x = layers.Upsample(
        features,
        self.options.upsample,
        7,
        2,
        dtype=self.dtype,
        kernel_init=layers.fan_in_normal(1.0) if last else None,
        name=f'up_{i + 1}',
      )(x)
      if padding == 'valid':
        x = x[:, 3:-3, 3:-3]  # what a 7x7 convolution without padding has
      x = x if last else nn.relu(x)  # b 2*start 2*start features ('valid': 2 * start - 6)
    return x.astype(jnp.float32)


def smallest(side, padding):
  """Returns the side of the decoder's first map for images of `side`.

  Raises:
    UserError: the decoder's doublings do not come out even, or without padding do not start where the encoder ends.
  """
  if padding == 'same':
    if side % 16:
      raise UserError(
        f'dcign makes images whose side is a multiple of 16, not {side}; change data.image_size, or set '
        'model.padding=valid and data.image_size=150'
      )
    return side // 16
  start, rest = divmod(side + 90, 16)  # side = 16 start - 6 (1 + 2 + 4 + 8)
  down = side
  for _ in range(3):
    down = (down - 4) // 2  # pooling leaves out an odd last row
  if rest or down != start:
    raise UserError(
      f'dcign without padding makes images of side 150, not {side}; set data.image_size=150 or model.padding=same'
    )
  return start


def build(options, *, image_shape, outputs, dtype):
  """Returns (encoder, decoder).

  Args:
    options: DcignOptions.
    image_shape: (side, side, channels).
    outputs: (numbers for each pixel, numbers that all pixels share), see deconv.objectives.likelihoods; of the latter
      there are none, the options see to that.
    dtype: type that is computed in.

  Raises:
    UserError: a size that the network cannot make.
  """
  if image_shape[0] != image_shape[1]:
    raise UserError(f'dcign makes square images, not {image_shape[0]}x{image_shape[1]}')
  smallest(image_shape[0], options.padding)
  per_pixel, shared = outputs
  assert not shared, 'the decoder has no numbers that all pixels share'
  down, up = (
    tuple(max(1, round(options.width * features / 96)) for features in widths) for widths in PRESETS[options.preset]
  )
  return (Encoder(options, down, dtype), Decoder(options, image_shape[0], per_pixel, down[-1], up, dtype))
