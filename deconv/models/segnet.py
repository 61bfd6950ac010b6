"""SegNet (Badrinarayanan, Kendall, Cipolla 2017, arXiv 1511.00561): an encoder and its mirror image.

The decoder unpools by the encoder's switches and convolves, stage by stage, and its last convolution gives the classes:
`PAPER` is the published network, VGG-16's 13 convolutions with batch norm and their 13 counterparts (29.5 million
parameters). There are no dense layers between the two, which is what sets it apart from DeconvNet.
"""
from flax import linen as nn

from deconv.models import vgg

PAPER = dict(**vgg.VGG16, batch_norm=True, upsample='paper')


class SegNet(nn.Module):
  """Images (b, h, w, c) in [-1, 1] -> logits (b, h, w, num_classes) float32; h and w multiples of 2**depth.

  Attributes:
    num_classes: channels of the logits.
    convs, width, block, pixels: as in vgg.Encoder.
    upsample: kind of deconv.layers.Upsample.
    side_scores: also score the maps before each doubling, see vgg.side_score.
  """
  num_classes: int
  convs: tuple[int, ...]
  width: int
  upsample: str = 'unpool'
  block: vgg.Block = vgg.Block()
  pixels: str = 'signed'
  side_scores: bool = False

  @nn.compact
  def __call__(self, x, train):
    vgg.check_sides('segnet', *x.shape[1:3], 2**len(self.convs))
    x, stages = vgg.Encoder(self.convs, self.width, self.block, self.pixels, name='encoder')(x, train)
    decoder = vgg.MirroredDecoder(self.convs, self.width, self.upsample, self.block, self.num_classes,
                                  self.num_classes if self.side_scores else 0, name='decoder')
    return decoder(x, [stage.switches for stage in stages], train)


def build(*, image_shape, num_classes, upsample='paper', depth=4, width=16, convs=(), batch_norm=True,
          batch_norm_momentum=0.9, pixels='signed', weights='', side_scores=False, dtype=None, batch_norm_axis=None):
  """Returns the network for images of `image_shape` (height, width, channels); the fields are in configs/base.py.

  `upsample='paper'` is 'unpool'. `weights` is a path that vgg_weights.initialize reads later.

  Raises:
    UserError: a field that does not fit, or sides that are not multiples of 2**depth.
  """
  convs = vgg.check_fields('segnet', image_shape=image_shape, depth=depth, width=width, convs=convs, pixels=pixels,
                           weights=weights)
  vgg.check_sides('segnet', *image_shape[:2], 2**depth)
  return SegNet(num_classes, convs, width, vgg.resolve(upsample, 'unpool'),
                vgg.Block(batch_norm, batch_norm_momentum, batch_norm_axis, dtype), pixels, side_scores)
