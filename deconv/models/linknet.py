"""LinkNet (Chaurasia & Culurciello 2017, arXiv 1707.03718): a residual encoder, each stage of it added to the decoder.

A decoder block is a 1x1 convolution to a quarter of the channels, an upsampling by two, and a 1x1 convolution to the
channels of the stage above, whose features are then added.

`stem='paper'` is the published network, with ResNet-18's encoder (`PAPER`; 11.5 million parameters): 7x7 convolution of
stride 2, 3x3 max pooling of stride 2, then stages of which the first keeps the resolution; at the end a 3x3 transposed
convolution of stride 2, a 3x3 convolution, and a 2x2 transposed convolution of stride 2 to the classes. `stem='plain'`
is for small images: one 3x3 convolution at full resolution, and every stage halves.

Resolution is halved by strides here: there are no switches, so that 'unpool' cannot be chosen.
"""

from flax import linen as nn

from deconv import layers, ops
from deconv.models import vgg
from deconv.options.models.segmenters import LinkNetOptions

PAPER = dict(depth=5, width=64, blocks=2, stem='paper', upsample='paper')


class Residual(nn.Module):
  """Basic block of ResNet (He et al. 2016): (b, h, w, c) -> (b, h/strides, w/strides, features)."""

  features: int
  strides: int
  block: vgg.Block

  @nn.compact
  def __call__(self, x, train):
    y = self.block.conv(x, self.features, '_1', train=train, strides=self.strides)
    y = layers.Conv(
      self.features, 3, padding=1, use_bias=False, dtype=self.block.dtype, kernel_init=None, name='conv_2'
    )(y)
    y = self.block.norm_relu(y, 'norm_2', train=train, relu=False)
    if x.shape != y.shape:
      x = layers.Conv(
        self.features,
        1,
        strides=self.strides,
        padding=0,
        use_bias=False,
        dtype=self.block.dtype,
        kernel_init=None,
        name='shortcut',
      )(x)
      x = self.block.norm_relu(x, 'norm_shortcut', train=train, relu=False)
    return nn.relu(x + y)


class LinkNet(nn.Module):
  """Images (b, h, w, c) in [-1, 1] -> logits (b, h, w, num_classes) float32; h and w multiples of 2**depth.

  Attributes:
    options: LinkNetOptions; with the paper's stem two of the halvings are the stem's.
    num_classes: channels of the logits.
    block: what the layers have in common.
    side_scores: also score the map that each block of the decoder gets, see vgg.side_score.
  """

  options: LinkNetOptions
  num_classes: int
  block: vgg.Block
  side_scores: bool

  @nn.compact
  def __call__(self, x, train):
    o = self.options
    vgg.check_sides('linknet', *x.shape[1:3], 2**o.depth)
    block, paper = self.block, o.stem == 'paper'
    if paper:
      x = block.conv(x, o.width, '_stem', train=train, kernel_size=7, padding=3, strides=2)
      x, _ = ops.max_pool(x, 3, strides=2, padding=1)  # b h/4 w/4 width
    else:
      x = block.conv(x, o.width, '_stem', train=train)  # b h w width
    skips = [x]
    for i, features in enumerate(vgg.channels(o.width, o.depth - paper)):
      for j in range(o.blocks):
        strides = 2 if j == 0 and (i > 0 or not paper) else 1
        x = Residual(features, strides, block, name=f'stage{i + 1}_{j + 1}')(x, train)
      skips.append(x)
    x = skips.pop()
    for i in reversed(range(len(skips))):
      if self.side_scores:
        vgg.side_score(self, x, self.num_classes, f'side_score{i + 1}')
      skip = skips.pop()
      x = skip + self._decode(x, skip.shape[-1], f'{i + 1}', double=i > 0 or not paper, train=train)
    assert not skips, 'a stage of the encoder was not used'
    if not paper:  # b h w width
      x = block.conv(x, o.width, '_head', train=train)
      return vgg.score(x, self.num_classes, 'score')
    half = max(o.width // 2, 1)
    x = block.upsample(x, half, 'up_head', train=train, kind=self.options.upsample_kind('deconv3'))
    x = block.conv(x, half, '_head', train=train)  # b h/2 w/2 width/2
    return layers.Upsample(self.num_classes, self.options.upsample_kind('deconv2'), kernel_init=None, name='score')(
      x.astype('float32')
    )

  def _decode(self, x, features, name, *, double, train):
    """(b, h, w, c) -> (b, 2h, 2w, features), or at the same resolution."""
    block, narrow = self.block, max(x.shape[-1] // 4, 1)
    x = block.conv(x, narrow, f'_in{name}', train=train, kernel_size=1, padding=0)
    if double:
      x = block.upsample(x, narrow, f'up{name}', train=train, kind=self.options.upsample_kind('deconv3'))
    else:
      x = block.conv(x, narrow, f'_up{name}', train=train)
    return block.conv(x, features, f'_out{name}', train=train, kernel_size=1, padding=0)


def build(options, *, image_shape, num_classes, side_scores, dtype, batch_norm_axis):
  """Returns the network for images of `image_shape` (height, width, channels); see deconv.models.

  `upsample='paper'` is 'deconv3', and 'deconv2' for the last step of the paper's stem.

  Raises:
    UserError: sides that are not multiples of 2**depth.
  """
  vgg.check_sides('linknet', *image_shape[:2], 2**options.depth)
  block = vgg.Block(True, options.batch_norm_momentum, batch_norm_axis, dtype)
  return LinkNet(options, num_classes, block, side_scores)
