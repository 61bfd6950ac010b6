"""Networks for single-image super-resolution: the plain pair, SRCNN, FSRCNN and ESPCN.

Each maps small images (batch, h, w, c) in [-1, 1] to (batch, scale * h, scale * w, channels), float32 and about [-1, 1]
(not clipped), of any size. The last layer is called `last` in all of them.

| name        | network                                                      | enlarges          | published for     |
|-------------|--------------------------------------------------------------|-------------------|-------------------|
| conv_deconv | 3x3 of 32 and 64, stride-2 3x3 deconvolutions of 32 and 3    | by `upsample`     | scale 4           |
| srcnn       | 9x9 of 64, 1x1 of 32, 5x5 (Dong et al. 2014)                 | bicubic, at first | any               |
| fsrcnn      | 5x5 of 56, 1x1 of 12, four 3x3, 1x1 of 56, 9x9 deconvolution | by `upsample`     | any               |
| espcn       | 5x5 of 64, 3x3 of 32, 3x3 sub-pixel (Shi et al. 2016)        | by `upsample`     | any               |

All convolutions keep the size by zero padding, where the published networks lose their border; PSNR is measured
without it. `residual='bicubic'` adds the bicubic enlargement of the input, which the published networks do not: they
have to learn it, and a small one takes thousands of steps over that.
"""

from typing import Any

from flax import linen as nn
import jax.numpy as jnp

from deconv import layers
from deconv.models.restorer import Restorer
from deconv.ops.arguments import of_rank
from deconv.ops.resample import upsample_bicubic
from deconv.options.models.restorers import ConvDeconvOptions, EspcnOptions, FsrcnnOptions, SrcnnOptions


class PReLU(nn.Module):
  """max(x, 0) + a * min(x, 0) with a learned slope a for each channel, 0.25 at first (He et al. 2015)."""

  @nn.compact
  def __call__(self, x):
    slope = self.param('slope', nn.initializers.constant(0.25), (x.shape[-1],), jnp.float32).astype(x.dtype)
    return jnp.where(x > 0, x, of_rank(slope, x.ndim) * x)


def _finish(y, x, scale, residual):
  y = y.astype(jnp.float32)
  return y + upsample_bicubic(x.astype(jnp.float32), scale) if residual == 'bicubic' else y


class ConvDeconv(Restorer):
  """The plain pair: convolutions of `widths[:-1]`, then doublings of widths[-1] and `channels`; ReLU in between.

  Attributes:
    options: ConvDeconvOptions.
    channels: of the output.
    scale: a power of two; each doubling is a layer.
    dtype: type that is computed in.
  """

  options: ConvDeconvOptions
  channels: int
  scale: int
  dtype: Any

  @nn.compact
  def __call__(self, x, train=False):
    o, y = self.options, x
    for i, width in enumerate(o.widths[:-1]):
      y = layers.Conv(width, o.kernel_size, dtype=self.dtype, kernel_init=None, name=f'conv_{i + 1}')(y)
      y = nn.relu(y)
    doublings = self.scale.bit_length() - 1
    for i in range(1, doublings):
      y = layers.Upsample(o.widths[-1], o.upsample, o.kernel_size, dtype=self.dtype, kernel_init=None, name=f'up_{i}')(
        y
      )
      y = nn.relu(y)
    y = layers.Upsample(
      self.channels, o.upsample, o.kernel_size, dtype=self.dtype, kernel_init=layers.normal(1e-3), name='last'
    )(y)
    return _finish(y, x, self.scale, o.residual)


class Srcnn(Restorer):
  """SRCNN (Dong et al. 2014): bicubic enlargement, then three convolutions with ReLU in between.

  Attributes: as in ConvDeconv.
  """

  options: SrcnnOptions
  channels: int
  scale: int
  dtype: Any

  @nn.compact
  def __call__(self, x, train=False):
    o, y = self.options, upsample_bicubic(x, self.scale)
    for i, (width, side) in enumerate(zip(o.widths, o.kernel_sizes)):
      y = nn.relu(layers.Conv(width, side, dtype=self.dtype, kernel_init=None, name=f'conv_{i + 1}')(y))
    y = layers.Conv(self.channels, o.kernel_sizes[-1], dtype=self.dtype, kernel_init=layers.normal(1e-3), name='last')(
      y
    )
    return _finish(y, x, self.scale, o.residual)


class Fsrcnn(Restorer):
  """FSRCNN(d, s, m) (Dong et al. 2016): everything happens on the small image, a deconvolution enlarges it last.

  Feature extraction 5x5 of d, shrinking 1x1 to s, mapping m times 3x3, expanding 1x1 to d, deconvolution 9x9 with
  stride `scale`; PReLU a channel after each but the last. FSRCNN(56, 12, 4) has 12,464 weights at any scale, biases and
  slopes not counted. Initial weights as in section 3.2: variance 2 / fan-in, the last layer N(0, 0.001).

  Attributes: as in ConvDeconv.
  """

  options: FsrcnnOptions
  channels: int
  scale: int
  dtype: Any

  @nn.compact
  def __call__(self, x, train=False):
    o, y = self.options, x
    sides = (5, 1, *(3,) * o.depth, 1)
    widths = (o.width, o.shrunk, *(o.shrunk,) * o.depth, o.width)
    for i, (width, side) in enumerate(zip(widths, sides), 1):
      y = layers.Conv(width, side, dtype=self.dtype, kernel_init=None, name=f'conv_{i}')(y)
      y = PReLU(name=f'prelu_{i}')(y)
    y = layers.Upsample(
      self.channels,
      o.upsample,
      o.kernel_size,
      self.scale,
      dtype=self.dtype,
      kernel_init=layers.normal(1e-3),
      name='last',
    )(y)
    return _finish(y, x, self.scale, o.residual)


class Espcn(Restorer):
  """ESPCN (Shi et al. 2016): 5x5 of 64 and 3x3 of 32 with tanh, then a 3x3 sub-pixel convolution.

  With `upsample='subpixel'` it is the paper's; a deconvolution of side `kernel_size * scale` has the same number of
  weights and can compute the same function.

  Attributes: as in ConvDeconv.
  """

  options: EspcnOptions
  channels: int
  scale: int
  dtype: Any

  @nn.compact
  def __call__(self, x, train=False):
    o, y = self.options, x
    for i, (width, side) in enumerate(zip(o.widths, (5, 3))):
      # A gain of 1: tanh is the identity near zero.
      y = layers.Conv(width, side, dtype=self.dtype, kernel_init=layers.fan_in_normal(1.0), name=f'conv_{i + 1}')(y)
      y = jnp.tanh(y)
    y = layers.Upsample(
      self.channels,
      o.upsample,
      o.kernel_size,
      self.scale,
      dtype=self.dtype,
      kernel_init=layers.normal(1e-3),
      name='last',
    )(y)
    return _finish(y, x, self.scale, o.residual)


def build_conv_deconv(options, *, image_shape, scale, dtype, batch_norm_axis):
  """Returns ConvDeconv for images of `image_shape` (height, width, channels), the size of the result."""
  del batch_norm_axis  # no batch norm
  return ConvDeconv(options, image_shape[-1], scale, dtype)


def build_srcnn(options, *, image_shape, scale, dtype, batch_norm_axis):
  """Returns Srcnn; see `build_conv_deconv`."""
  del batch_norm_axis
  return Srcnn(options, image_shape[-1], scale, dtype)


def build_fsrcnn(options, *, image_shape, scale, dtype, batch_norm_axis):
  """Returns Fsrcnn; see `build_conv_deconv`."""
  del batch_norm_axis
  return Fsrcnn(options, image_shape[-1], scale, dtype)


def build_espcn(options, *, image_shape, scale, dtype, batch_norm_axis):
  """Returns Espcn; see `build_conv_deconv`."""
  del batch_norm_axis
  return Espcn(options, image_shape[-1], scale, dtype)
