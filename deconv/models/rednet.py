"""RED-Net: residual encoder-decoder network (Mao, Shen, Yang 2016, arXiv 1603.09056).

depth / 2 convolutions 3x3 and as many 3x3 deconvolutions, no pooling, ReLU after each. Every second convolution's
output is added to its mirror image before the ReLU of that deconvolution: convolution i to deconvolution depth / 2 - i,
and the input to the output. RED10, RED20 and RED30 are depths 10, 20 and 30. RED30 on grey images has 1,033,344 weights
with 64 channels and 4,131,072 with the 128 of the network that later papers compare with.

The last deconvolution starts near zero (N(0, 0.001)), so that the untrained network returns its input; the others
from variance 2 / fan-in. The result is not clipped: the paper's ReLU after the last sum belongs to images that begin
at 0, and these begin at -1.
"""
from typing import Any

from flax import linen as nn
import jax.numpy as jnp

from deconv import layers
from deconv.errors import UserError
from deconv.ops.resample import upsample_bicubic


class RedNet(nn.Module):
  """Images (batch, h, w, c) in [-1, 1] -> (batch, scale * h, scale * w, channels), float32 and about [-1, 1].

  Attributes:
    channels: of the output; an input of one channel is added to each of them.
    depth: number of layers, even.
    width: channels of the feature maps.
    skip_step: every so many convolutions there is a skip.
    stride: 2: the first convolution halves the size and the last layer doubles it (section 4.4: faster, a little
      worse); the image's sides must be even then.
    upsample: kind of deconv.layers.Upsample of the last layer, where stride is 2.
    scale: the input is enlarged by bicubic interpolation at first.
    dtype: type that is computed in.
  """
  channels: int
  depth: int = 30
  width: int = 64
  skip_step: int = 2
  stride: int = 1
  upsample: str = 'deconv'
  scale: int = 1
  dtype: Any = None

  @property
  def multiple(self):
    """The input's sides must be multiples of this."""
    return self.stride // (2 if self.stride == 2 and self.scale % 2 == 0 else 1)

  @nn.compact
  def __call__(self, x, train=False):
    half = self.depth // 2
    x = upsample_bicubic(x, self.scale)
    y, skips = x, {}
    for i in range(1, half + 1):
      # With stride 2 the window has one pixel of padding on both sides: the adjoint of what enlarges again.
      first = dict(strides=self.stride, padding=1) if i == 1 else {}
      y = layers.Conv(self.width, 3, dtype=self.dtype, kernel_init=None, name=f'conv_{i}', **first)(y)
      y = nn.relu(y)
      if i % self.skip_step == 0 and i < half:
        skips[half - i] = y
    for i in range(1, half):
      y = layers.ConvTranspose(self.width, 3, dtype=self.dtype, kernel_init=None, name=f'deconv_{i}')(y)
      y = nn.relu(y + skips.pop(i) if i in skips else y)
    assert not skips
    if self.stride == 1:
      y = layers.ConvTranspose(self.channels, 3, dtype=self.dtype, kernel_init=layers.normal(1e-3), name='last')(y)
    else:
      y = layers.Upsample(self.channels, self.upsample, 3, self.stride, dtype=self.dtype,
                          kernel_init=layers.normal(1e-3), name='last')(y)
    return y.astype(jnp.float32) + x.astype(jnp.float32)


def build(*, image_shape, scale=1, upsample='deconv', depth=30, width=64, skip_step=2, stride=1, dtype=None,
          batch_norm_axis=None):
  """Returns RedNet for images of `image_shape` (height, width, channels), the size of the result.

  Raises:
    UserError: an odd depth, a stride other than 1 and 2, odd sides with stride 2, or a kind of upsampling where nothing
      is.
  """
  del batch_norm_axis  # no batch norm
  if depth < 4 or depth % 2:
    raise UserError(f'model.depth={depth} must be even and at least 4: half convolutions, half deconvolutions')
  if skip_step < 1:
    raise UserError(f'model.skip_step={skip_step} must be at least 1; change it')
  if stride not in (1, 2):
    raise UserError(f'model.stride={stride} must be 1 or 2; change it')
  if stride == 2 and (image_shape[0] % 2 or image_shape[1] % 2):
    raise UserError(f'model.stride=2 halves the image, whose sides {image_shape[0]}x{image_shape[1]} must be even; '
                    'change data.image_size')
  if stride == 1 and upsample != 'deconv':
    raise UserError(f"model.upsample='{upsample}' has no effect on model.name='rednet' with model.stride=1, which "
                    'keeps the size; leave it at deconv, or set model.stride=2')
  return RedNet(image_shape[-1], depth, width, skip_step, stride, upsample, scale, dtype)
