"""DeconvNet (Noh, Hong, Han 2015, arXiv 1505.04366): dense layers in the middle, unpooling by switches on the way up.

`PAPER` is the published network (figure 2 and table 1): VGG-16 with batch norm; fc6 is a 7x7 convolution without
padding that sees the whole 7x7 map of a 224x224 image, fc7 is 1x1, both with 4096 channels; a 7x7 transposed
convolution goes back to 7x7x512; then the mirror image of the encoder and 1x1 class scores. About 252 million
parameters. No dropout.

It is fully convolutional here: any image whose smallest map is at least fc6's window will do.
"""

from flax import linen as nn

from deconv import layers
from deconv.errors import UserError
from deconv.models import vgg
from deconv.options.models.segmenters import VGG16, DeconvNetOptions

PAPER = dict(**VGG16, batch_norm=True, fc_kernel=7, fc_width=4096, upsample='paper')


class DeconvNet(nn.Module):
  """Images (b, h, w, c) in [-1, 1] -> logits (b, h, w, num_classes) float32; h and w multiples of 2**depth.

  Attributes:
    options: DeconvNetOptions.
    num_classes: channels of the logits.
    block: what the layers have in common.
    side_scores: also score the maps before each doubling, see vgg.side_score.
  """

  options: DeconvNetOptions
  num_classes: int
  block: vgg.Block
  side_scores: bool

  @nn.compact
  def __call__(self, x, train):
    o, block = self.options, self.block
    _check_sides(x.shape[1:3], o.depth, o.fc_kernel)
    x, stages = vgg.Encoder(o, block, name='encoder')(x, train)
    bottom = x.shape[-1]
    for name, kernel_size in (('fc6', o.fc_kernel), ('fc7', 1)):  # b 1 1 fc_width at the paper's size
      x = layers.Conv(
        o.fc_width,
        kernel_size,
        padding=0,
        use_bias=not block.batch_norm,
        dtype=block.dtype,
        kernel_init=None,
        name=name,
      )(x)
      x = block.norm_relu(x, f'norm_{name}', train=train)
    # At the paper's size every output pixel sums fc_width products (one tap of the window): hence this fan-in.
    x = layers.ConvTranspose(
      bottom,
      o.fc_kernel,
      padding=0,
      use_bias=not block.batch_norm,
      dtype=block.dtype,
      kernel_init=layers.fan_in_normal(2.0, o.fc_kernel, transposed=True),
      name='fc6_deconv',
    )(x)
    x = block.norm_relu(x, 'norm_fc6_deconv', train=train)  # b h/2**depth w/2**depth bottom
    decoder = vgg.MirroredDecoder(
      o, o.upsample_kind('unpool'), block, 0, self.num_classes if self.side_scores else 0, name='decoder'
    )
    x = decoder(x, [stage.switches for stage in stages], train)  # b h w width
    return vgg.score(x, self.num_classes, 'score')


def _check_sides(sides, depth, fc_kernel):
  vgg.check_sides('deconvnet', *sides, 2**depth)
  if min(sides) < fc_kernel * 2**depth:
    raise UserError(
      f'deconvnet: the smallest map of a {sides[0]}x{sides[1]} image, halved {depth} times, is smaller '
      f'than the {fc_kernel}x{fc_kernel} window of fc6; set data.image_size to {fc_kernel * 2**depth} or '
      'more, or lower model.fc_kernel or model.depth'
    )


def build(options, *, image_shape, num_classes, side_scores, dtype, batch_norm_axis):
  """Returns the network for images of `image_shape` (height, width, channels); see deconv.models.

  `upsample='paper'` is 'unpool'. The file `weights` is read later, by vgg_weights.initialize.

  Raises:
    UserError: sides that are not multiples of 2**depth, or too small for fc6.
  """
  _check_sides(image_shape[:2], options.depth, options.fc_kernel)
  return DeconvNet(options, num_classes, vgg.block_of(options, dtype, batch_norm_axis), side_scores)
