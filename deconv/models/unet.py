"""U-Net (Ronneberger, Fischer, Brox 2015, arXiv 1505.04597): every resolution of the encoder is handed to the decoder.

At each resolution the decoder upsamples to the encoder's channels, puts the encoder's features (before their pooling)
beside them, and convolves. `PAPER` is the published network (figure 1): 3x3 convolutions without padding, so that
572x572 pixels give 388x388 labels, the skips cropped to their middle; 64 to 1024 channels, 2x2 up-convolutions, no
batch norm, He's initialisation, dropout at the end of the contracting path (the authors' prototxt: after its last two
resolutions). As there, a ReLU follows the up-convolution. `padding='same'` with batch norm is the variant that people
use.
"""

from flax import linen as nn
import jax.numpy as jnp

from deconv.errors import UserError
from deconv.models import vgg
from deconv.options.models.segmenters import UNetOptions

PAPER = dict(depth=4, width=64, convs=(2, 2, 2, 2), padding='valid', batch_norm=False, dropout=0.5, upsample='paper')


class UNet(nn.Module):
  """Images (b, h, w, c) in [-1, 1] -> logits float32 (b, h, w, num_classes), or smaller maps with padding 'valid'.

  The bottom has twice the channels of the encoder's last stage and as many convolutions.

  Attributes:
    options: UNetOptions.
    num_classes: channels of the logits.
    block: what the layers have in common.
    side_scores: also score the maps before each doubling, see vgg.side_score.
  """

  options: UNetOptions
  num_classes: int
  block: vgg.Block
  side_scores: bool

  @nn.compact
  def __call__(self, x, train):
    o, convs = self.options, self.options.stages
    valid, depth, upsample = o.padding == 'valid', len(convs), o.upsample_kind('deconv2')
    output = output_sides(x.shape[1:3], convs, o.padding)
    pad = 0 if valid else 1
    x, stages = vgg.Encoder(o, self.block, valid=valid, dropout=o.dropout, name='encoder')(x, train)
    for j in range(convs[-1]):
      features = 2 * stages[-1].features.shape[-1]
      x = self.block.conv(x, features, f'{depth + 1}_{j + 1}', train=train, padding=pad)
    x = nn.Dropout(o.dropout, deterministic=not train)(x)
    for i in reversed(range(depth)):
      if self.side_scores:
        vgg.side_score(self, x, self.num_classes, f'side_score{i + 1}')  # b h/2**(i+1) w/2**(i+1) num_classes
      skip = stages.pop()
      features = skip.features.shape[-1]
      x = self.block.upsample(x, features, f'up{i + 1}', train=train, kind=upsample, switches=skip.switches)
      x = jnp.concatenate([crop(skip.features, x.shape[1:3]), x], axis=-1)
      for j in range(convs[i]):
        x = self.block.conv(x, features, f'_up{i + 1}_{j + 1}', train=train, padding=pad)  # b h/2**i w/2**i features
    assert not stages, 'a resolution of the encoder was not used'
    assert x.shape[1:3] == output
    return vgg.score(x, self.num_classes, 'score')


def crop(x, sides):
  """Returns the middle of maps (b, h, w, c), (b, *sides, c)."""
  top, left = ((n - m) // 2 for n, m in zip(x.shape[1:3], sides))
  return x[:, top : top + sides[0], left : left + sides[1]]


def output_sides(sides, convs, padding):
  """Returns the (height, width) of the logits of an image.

  Raises:
    UserError: sides that cannot be halved evenly as often as it takes.
  """
  if padding == 'same':
    vgg.check_sides('unet', *sides, 2 ** len(convs))
    return tuple(sides)
  output = [_output_side(side, convs) for side in sides]
  if None in output:
    side = sides[output.index(None)]
    near = [n for n in range(max(side - 2 ** len(convs), 1), side + 2 ** (len(convs) + 4)) if _output_side(n, convs)]
    near = near[:1] + [n for n in near if n > side][:1] if near and near[0] < side else near[:1]
    raise UserError(
      f"unet with padding='valid' loses a border at each convolution, and every map that it halves must have "
      f'even sides: an image of {sides[0]}x{sides[1]} does not fit; set data.image_size (or augment.crop) to '
      f'{" or ".join(map(str, near)) or "more"}'
    )
  return tuple(output)


def _output_side(side, convs):
  """Side of the logits without padding, None if a map has an odd side where it is pooled, or none left."""
  for n in convs:
    side -= 2 * n
    if side < 2 or side % 2:
      return None
    side //= 2
  side -= 2 * convs[-1]
  for n in reversed(convs):
    side = 2 * side - 2 * n
  return side if side > 0 else None


def build(options, *, image_shape, num_classes, side_scores, dtype, batch_norm_axis):
  """Returns the network for images of `image_shape` (height, width, channels); see deconv.models.

  `upsample='paper'` is 'deconv2'. The file `weights` is read later, by vgg_weights.initialize.

  Raises:
    UserError: sides that cannot be halved `depth` times.
  """
  output_sides(image_shape[:2], options.stages, options.padding)
  return UNet(options, num_classes, vgg.block_of(options, dtype, batch_norm_axis), side_scores)
