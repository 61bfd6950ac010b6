"""SegNet (Badrinarayanan, Kendall, Cipolla 2017, arXiv 1511.00561): an encoder and its mirror image.

The decoder unpools by the encoder's switches and convolves, stage by stage, and its last convolution gives the classes:
`PAPER` is the published network, VGG-16's 13 convolutions with batch norm and their 13 counterparts (29.5 million
parameters). There are no dense layers between the two, which is what sets it apart from DeconvNet.
"""

from flax import linen as nn

from deconv.models import vgg
from deconv.options.models.segmenters import VGG16, SegNetOptions

PAPER = dict(**VGG16, batch_norm=True, upsample='paper')


class SegNet(nn.Module):
  """Images (b, h, w, c) in [-1, 1] -> logits (b, h, w, num_classes) float32; h and w multiples of 2**depth.

  Attributes:
    options: SegNetOptions.
    num_classes: channels of the logits.
    block: what the layers have in common.
    side_scores: also score the maps before each doubling, see vgg.side_score.
  """

  options: SegNetOptions
  num_classes: int
  block: vgg.Block
  side_scores: bool

  @nn.compact
  def __call__(self, x, train):
    o = self.options
    vgg.check_sides('segnet', *x.shape[1:3], 2**o.depth)
    x, stages = vgg.Encoder(o, self.block, name='encoder')(x, train)
    decoder = vgg.MirroredDecoder(
      o,
      o.upsample_kind('unpool'),
      self.block,
      self.num_classes,
      self.num_classes if self.side_scores else 0,
      name='decoder',
    )
    return decoder(x, [stage.switches for stage in stages], train)


def build(options, *, image_shape, num_classes, side_scores, dtype, batch_norm_axis):
  """Returns the network for images of `image_shape` (height, width, channels); see deconv.models.

  `upsample='paper'` is 'unpool'. The file `weights` is read later, by vgg_weights.initialize.

  Raises:
    UserError: sides that are not multiples of 2**depth.
  """
  vgg.check_sides('segnet', *image_shape[:2], 2**options.depth)
  return SegNet(options, num_classes, vgg.block_of(options, dtype, batch_norm_axis), side_scores)
