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
from deconv.errors import UserError
from deconv.ops.resample import upsample_bicubic

RESIDUALS = ('none', 'bicubic')


class PReLU(nn.Module):
  """max(x, 0) + a * min(x, 0) with a learned slope a for each channel, 0.25 at first (He et al. 2015)."""

  @nn.compact
  def __call__(self, x):
    slope = self.param('slope', nn.initializers.constant(0.25), (x.shape[-1],), jnp.float32).astype(x.dtype)
    return jnp.where(x > 0, x, slope * x)


def _finish(y, x, scale, residual):
  y = y.astype(jnp.float32)
  return y + upsample_bicubic(x.astype(jnp.float32), scale) if residual == 'bicubic' else y


class ConvDeconv(nn.Module):
  """The plain pair: convolutions of `widths[:-1]`, then doublings of widths[-1] and `channels`; ReLU in between.

  Attributes:
    channels: of the output.
    scale: a power of two; each doubling is a layer.
    upsample: kind of deconv.layers.Upsample.
    widths: channels of the convolutions, and last those of every doubling but the last.
    kernel_size: side of every window.
    residual: 'none' or 'bicubic'.
    dtype: type that is computed in.
  """
  channels: int
  scale: int = 4
  upsample: str = 'deconv'
  widths: tuple[int, ...] = (32, 64, 32)
  kernel_size: int = 3
  residual: str = 'none'
  dtype: Any = None

  @nn.compact
  def __call__(self, x, train=False):
    y = x
    for i, width in enumerate(self.widths[:-1]):
      y = layers.Conv(width, self.kernel_size, dtype=self.dtype, kernel_init=None, name=f'conv_{i + 1}')(y)
      y = nn.relu(y)
    doublings = self.scale.bit_length() - 1
    for i in range(1, doublings):
      y = layers.Upsample(self.widths[-1], self.upsample, self.kernel_size, dtype=self.dtype, kernel_init=None,
                          name=f'up_{i}')(y)
      y = nn.relu(y)
    y = layers.Upsample(self.channels, self.upsample, self.kernel_size, dtype=self.dtype,
                        kernel_init=layers.normal(1e-3), name='last')(y)
    return _finish(y, x, self.scale, self.residual)


class Srcnn(nn.Module):
  """SRCNN (Dong et al. 2014): bicubic enlargement, then three convolutions with ReLU in between.

  Attributes: as in ConvDeconv, and
    widths: channels of the first two convolutions (paper: 64, 32).
    kernel_sizes: sides of the three windows (paper: 9, 1, 5; 9, 5, 5 in its long version).
  """
  channels: int
  scale: int = 2
  widths: tuple[int, ...] = (64, 32)
  kernel_sizes: tuple[int, ...] = (9, 1, 5)
  residual: str = 'none'
  dtype: Any = None

  @nn.compact
  def __call__(self, x, train=False):
    y = upsample_bicubic(x, self.scale)
    for i, (width, side) in enumerate(zip(self.widths, self.kernel_sizes)):
      y = nn.relu(layers.Conv(width, side, dtype=self.dtype, kernel_init=None, name=f'conv_{i + 1}')(y))
    y = layers.Conv(self.channels, self.kernel_sizes[-1], dtype=self.dtype, kernel_init=layers.normal(1e-3),
                    name='last')(y)
    return _finish(y, x, self.scale, self.residual)


class Fsrcnn(nn.Module):
  """FSRCNN(d, s, m) (Dong et al. 2016): everything happens on the small image, a deconvolution enlarges it last.

  Feature extraction 5x5 of d, shrinking 1x1 to s, mapping m times 3x3, expanding 1x1 to d, deconvolution 9x9 with
  stride `scale`; PReLU a channel after each but the last. FSRCNN(56, 12, 4) has 12,464 weights at any scale, biases and
  slopes not counted. Initial weights as in section 3.2: variance 2 / fan-in, the last layer N(0, 0.001).

  Attributes: as in ConvDeconv, and
    width: d, channels of the features.
    shrunk: s, channels of the mapping.
    depth: m, its layers.
    kernel_size: side of the last layer's window.
  """
  channels: int
  scale: int = 2
  upsample: str = 'deconv'
  width: int = 56
  shrunk: int = 12
  depth: int = 4
  kernel_size: int = 9
  residual: str = 'none'
  dtype: Any = None

  @nn.compact
  def __call__(self, x, train=False):
    sides = (5, 1, *(3,) * self.depth, 1)
    widths = (self.width, self.shrunk, *(self.shrunk,) * self.depth, self.width)
    y = x
    for i, (width, side) in enumerate(zip(widths, sides), 1):
      y = layers.Conv(width, side, dtype=self.dtype, kernel_init=None, name=f'conv_{i}')(y)
      y = PReLU(name=f'prelu_{i}')(y)
    y = layers.Upsample(self.channels, self.upsample, self.kernel_size, self.scale, dtype=self.dtype,
                        kernel_init=layers.normal(1e-3), name='last')(y)
    return _finish(y, x, self.scale, self.residual)


class Espcn(nn.Module):
  """ESPCN (Shi et al. 2016): 5x5 of 64 and 3x3 of 32 with tanh, then a 3x3 sub-pixel convolution.

  With `upsample='subpixel'` it is the paper's; a deconvolution of side `kernel_size * scale` has the same number of
  weights and can compute the same function.

  Attributes: as in ConvDeconv, and
    widths: channels of the two convolutions.
    kernel_size: side of the last layer's window.
  """
  channels: int
  scale: int = 3
  upsample: str = 'subpixel'
  widths: tuple[int, ...] = (64, 32)
  kernel_size: int = 3
  residual: str = 'none'
  dtype: Any = None

  @nn.compact
  def __call__(self, x, train=False):
    y = x
    for i, (width, side) in enumerate(zip(self.widths, (5, 3))):
      # A gain of 1: tanh is the identity near zero.
      y = layers.Conv(width, side, dtype=self.dtype, kernel_init=layers.fan_in_normal(1.), name=f'conv_{i + 1}')(y)
      y = jnp.tanh(y)
    y = layers.Upsample(self.channels, self.upsample, self.kernel_size, self.scale, dtype=self.dtype,
                        kernel_init=layers.normal(1e-3), name='last')(y)
    return _finish(y, x, self.scale, self.residual)


def build_conv_deconv(*, image_shape, scale=4, upsample='deconv', widths=(32, 64, 32), kernel_size=3, residual='none',
                      dtype=None, batch_norm_axis=None):
  """Returns ConvDeconv for images of `image_shape` (height, width, channels), the size of the result.

  Raises:
    UserError: a scale that is no power of two, or an unknown residual.
  """
  del batch_norm_axis  # no batch norm
  if scale < 2 or scale & (scale - 1):
    raise UserError(f"model.name='conv_deconv' enlarges by 2, 4, 8, ..., not by {scale}; change the scale or the model")
  _check_residual(residual)
  return ConvDeconv(image_shape[-1], scale, upsample, tuple(widths), kernel_size, residual, dtype)


def build_srcnn(*, image_shape, scale=2, upsample='deconv', widths=(64, 32), kernel_sizes=(9, 1, 5), residual='none',
                dtype=None, batch_norm_axis=None):
  """Returns Srcnn; see `build_conv_deconv`.

  Raises:
    UserError: numbers of widths and windows that do not fit, a kind of upsampling, or an unknown residual.
  """
  del batch_norm_axis
  if upsample != 'deconv':
    raise UserError(f"model.upsample='{upsample}' has no effect on model.name='srcnn', which enlarges by bicubic "
                    'interpolation at first; leave it at deconv')
  if len(kernel_sizes) != len(widths) + 1:
    raise UserError(f'model.kernel_sizes={tuple(kernel_sizes)} must be one more than model.widths={tuple(widths)}')
  _check_residual(residual)
  return Srcnn(image_shape[-1], scale, tuple(widths), tuple(kernel_sizes), residual, dtype)


def build_fsrcnn(*, image_shape, scale=2, upsample='deconv', width=56, shrunk=12, depth=4, kernel_size=9,
                 residual='none', dtype=None, batch_norm_axis=None):
  """Returns Fsrcnn; see `build_conv_deconv`.

  Raises:
    UserError: a scale below 2, or an unknown residual.
  """
  del batch_norm_axis
  _check_scale('fsrcnn', scale)
  _check_residual(residual)
  return Fsrcnn(image_shape[-1], scale, upsample, width, shrunk, depth, kernel_size, residual, dtype)


def build_espcn(*, image_shape, scale=3, upsample='subpixel', widths=(64, 32), kernel_size=3, residual='none',
                dtype=None, batch_norm_axis=None):
  """Returns Espcn; see `build_conv_deconv`.

  Raises:
    UserError: a scale below 2, other than two widths, or an unknown residual.
  """
  del batch_norm_axis
  _check_scale('espcn', scale)
  if len(widths) != 2:
    raise UserError(f"model.widths={tuple(widths)}: model.name='espcn' has two; give two")
  _check_residual(residual)
  return Espcn(image_shape[-1], scale, upsample, tuple(widths), kernel_size, residual, dtype)


def _check_scale(name, scale):
  if scale < 2:
    raise UserError(f"model.name='{name}' enlarges by 2 or more, not by {scale}; set degrade.scale, or choose a model "
                    'such as rednet')


def _check_residual(residual):
  if residual not in RESIDUALS:
    raise UserError(f"model.residual is '{residual}'; choose one of: {', '.join(RESIDUALS)}")
