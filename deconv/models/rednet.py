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
from deconv.models.restorer import Restorer
from deconv.ops.resample import upsample_bicubic
from deconv.options.models.restorers import RedNetOptions


class RedNet(Restorer):
  """Images (batch, h, w, c) in [-1, 1] -> (batch, scale * h, scale * w, channels), float32 and about [-1, 1].

  With a stride of 2 the first convolution halves the size and the last layer doubles it (section 4.4: faster, a little
  worse); the image's sides must be even then.

  Attributes:
    options: RedNetOptions.
    channels: of the output; an input of one channel is added to each of them.
    scale: the input is enlarged by bicubic interpolation at first.
    dtype: type that is computed in.
  """

  options: RedNetOptions
  channels: int
  scale: int
  dtype: Any

  @property
  def multiple(self):
    """The input's sides must be multiples of this."""
    stride = self.options.stride
    return stride // (2 if stride == 2 and self.scale % 2 == 0 else 1)

  @nn.compact
  def __call__(self, x, train=False):
    o, half = self.options, self.options.depth // 2
    x = upsample_bicubic(x, self.scale)
    y, skips = x, {}
    for i in range(1, half + 1):
      # With stride 2 the window has one pixel of padding on both sides: the adjoint of what enlarges again.
      first = dict(strides=o.stride, padding=1) if i == 1 else {}
      y = layers.Conv(o.width, 3, dtype=self.dtype, kernel_init=None, name=f'conv_{i}', **first)(y)
      y = nn.relu(y)
      if i % o.skip_step == 0 and i < half:
        skips[half - i] = y
    for i in range(1, half):
      y = layers.ConvTranspose(o.width, 3, dtype=self.dtype, kernel_init=None, name=f'deconv_{i}')(y)
      y = nn.relu(y + skips.pop(i) if i in skips else y)
    assert not skips
    if o.stride == 1:
      y = layers.ConvTranspose(self.channels, 3, dtype=self.dtype, kernel_init=layers.normal(1e-3), name='last')(y)
    else:
      y = layers.Upsample(
        self.channels, o.upsample, 3, o.stride, dtype=self.dtype, kernel_init=layers.normal(1e-3), name='last'
      )(y)
    return y.astype(jnp.float32) + x.astype(jnp.float32)


def build(options, *, image_shape, scale, dtype, batch_norm_axis):
  """Returns RedNet for images of `image_shape` (height, width, channels), the size of the result.

  Raises:
    UserError: odd sides with stride 2.
  """
  del batch_norm_axis  # no batch norm
  if options.stride == 2 and (image_shape[0] % 2 or image_shape[1] % 2):
    raise UserError(
      f'model.stride=2 halves the image, whose sides {image_shape[0]}x{image_shape[1]} must be even; '
      'change data.image_size'
    )
  return RedNet(options, image_shape[-1], scale, dtype)
