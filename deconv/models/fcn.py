"""FCN-32s, FCN-16s and FCN-8s (Long, Shelhamer, Darrell 2015, arXiv 1411.4038).

A classifier made convolutional (fc6, fc7, class scores at 1 / 2**depth of the resolution), whose scores are upsampled.
With `skips` > 0 the scores are first doubled, and 1x1 scores of the encoder's next finer pooling added, that many
times: 0, 1 and 2 skips at depth 5 are FCN-32s, 16s and 8s, and at a smaller depth the same with fewer halvings (strides
2**depth, half and a quarter of it). All score layers start at zero.

Upsampling is by bilinear interpolation, a transposed convolution of side 2f and stride f, fixed or learned from there.
The bilinear kinds make the last step, f = 2**(depth - skips), at once as published; any other kind in steps of two.

`padding='same'` pads every layer by itself. `padding='wide'` is the published way (the authors' Caffe models): the
first convolution pads by 100 pixels, neither fc6 nor the transposed convolutions pad, sizes of poolings are rounded up,
and scores are cropped by offsets that put every score over the middle of what it sees (at depth 5: 5 and 9 pixels for
the skips; 19, 27 and 31 for the result of 32s, 16s and 8s). Then any size of image will do. The 100 is 3.125 * 2**depth
at other depths. `PAPER` is the published FCN-8s on VGG-16, with fixed upsampling as in the authors' code (134.4 million
parameters; 134.5 with `learned`).
"""

from flax import linen as nn
import jax.numpy as jnp

from deconv import layers
from deconv.models import vgg
from deconv.options.models.segmenters import VGG16, FcnOptions

BILINEAR = ('bilinear_deconv', 'bilinear_deconv_fixed')
PAPER = dict(
  **VGG16,
  batch_norm=False,
  padding='wide',
  skips=2,
  fc_kernel=7,
  fc_width=4096,
  dropout=0.5,
  learned=False,
  scaled_skips=False,
  upsample='paper',
)


class Fcn(nn.Module):
  """Images (b, h, w, c) in [-1, 1] -> logits (b, h, w, num_classes) float32.

  Attributes:
    options: FcnOptions.
    num_classes: channels of the logits.
    block: what the layers have in common.
  """

  options: FcnOptions
  num_classes: int
  block: vgg.Block

  @nn.compact
  def __call__(self, x, train):
    o, sides = self.options, x.shape[1:3]
    depth, wide = o.depth, o.padding == 'wide'
    if not wide:
      vgg.check_sides('fcn', *sides, 2**depth)
    border = wide_border(depth) if wide else 1
    x, stages = vgg.Encoder(o, self.block, border, name='encoder')(x, train)
    for name, kernel_size in (('fc6', o.fc_kernel), ('fc7', 1)):
      x = layers.Conv(
        o.fc_width,
        kernel_size,
        padding=0 if wide else kernel_size // 2,
        use_bias=not self.block.batch_norm,
        dtype=self.block.dtype,
        kernel_init=None,
        name=name,
      )(x)
      x = self.block.norm_relu(x, f'norm_{name}', train=train)
      x = nn.Dropout(o.dropout, deterministic=not train)(x)
    x = self._score(x, 'score')  # b h/2**depth w/2**depth num_classes
    stages.pop()  # the last pooling is what has just been scored
    for i in range(1, o.skips + 1):
      skip = stages.pop().pooled * (0.01**i if o.scaled_skips else 1)
      x = self._upsample(x, 2, f'up_{i}')
      skip = self._score(skip, f'score_pool{depth - i}')
      if wide:
        skip = _window(skip, skip_offset(depth, i, o.fc_kernel), x.shape[1:3])
      x = x + skip  # b h/2**(depth-i) w/2**(depth-i) num_classes
    x = self._upsample(x, 2 ** (depth - o.skips), 'up')
    return _window(x, result_offset(depth, o.skips, o.fc_kernel), sides) if wide else x

  def _score(self, x, name):
    return vgg.score(x, self.num_classes, name, nn.initializers.zeros)

  def _upsample(self, x, factor, name):
    """(b, h, w, c) -> (b, factor h, factor w, c); with padding 'wide' (factor (h + 1), factor (w + 1)), as a transposed
    convolution of side 2 factor without padding gives."""
    o = self.options
    kind = o.upsample_kind(BILINEAR[0] if o.learned else BILINEAR[1])
    if o.padding == 'wide':
      x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    if kind in BILINEAR:
      x = layers.Upsample(self.num_classes, kind, factor=factor, use_bias=False, name=name)(x)
    else:
      for step in range(factor.bit_length() - 1):
        x = layers.Upsample(
          self.num_classes, kind, use_bias=False, kernel_init=None, name=f'{name}_x{2 ** (step + 1)}'
        )(x)
    if o.padding == 'wide':
      x = x[:, factor // 2 : -(factor // 2), factor // 2 : -(factor // 2)]
    return x


# Where the pixels of padding 'wide' lie. Pixel i of a map lies over pixel stride * i + start of the image: after the
# first convolution start = 1 - border; n poolings of stride 2 add the middle of their window, (2**n - 1) / 2; fc6 adds
# the middle of its own; a transposed convolution of side 2f and stride f divides the stride by f and then takes
# away f - 1/2 of it.


def wide_border(depth):
  """Returns the padding of the first convolution: 100 at the published depth of 5."""
  return -(-100 * 2**depth // 32)


def _pool_start(depth, n):
  return 1 - wide_border(depth) + (2**n - 1) / 2


def _score_start(depth, skips, fc_kernel):
  """Start of the scores after `skips` doublings."""
  start = _pool_start(depth, depth) + (fc_kernel - 1) / 2 * 2**depth
  for n in range(1, skips + 1):
    start -= 1.5 * 2 ** (depth - n)
  return start


def skip_offset(depth, n, fc_kernel):
  """Returns how many pixels are cropped from the top and the left of the scores of the n-th skip."""
  return round((_score_start(depth, n, fc_kernel) - _pool_start(depth, depth - n)) / 2 ** (depth - n))


def result_offset(depth, skips, fc_kernel):
  """Returns how many pixels are cropped from the top and the left of the upsampled scores."""
  return round(2 ** (depth - skips) - 0.5 - _score_start(depth, skips, fc_kernel))


def _window(x, offset, sides):
  assert offset >= 0 and all(offset + n <= m for n, m in zip(sides, x.shape[1:3])), (offset, sides, x.shape)
  return x[:, offset : offset + sides[0], offset : offset + sides[1]]


def build(options, *, image_shape, num_classes, side_scores, dtype, batch_norm_axis):
  """Returns the network for images of `image_shape` (height, width, channels); see deconv.models.

  `upsample='paper'` is 'bilinear_deconv' where `learned`, else 'bilinear_deconv_fixed'. The file `weights` is read
  later, by vgg_weights.initialize. `side_scores` is not asked for: FCN's scores are of coarse maps anyway.

  Raises:
    UserError: (padding 'same') sides that are not multiples of 2**depth.
  """
  assert not side_scores, 'the options refuse deep supervision for this network'
  if options.padding == 'same':
    vgg.check_sides('fcn', *image_shape[:2], 2**options.depth)
  return Fcn(options, num_classes, vgg.block_of(options, dtype, batch_norm_axis))
