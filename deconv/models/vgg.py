"""The encoder that the segmentation networks share, and the decoder that mirrors it.

VGG (Simonyan & Zisserman 2015, arXiv 1409.1556): stages of 3x3 convolutions, each stage followed by 2x2 max pooling,
which here also keeps its switches. With depth 5, width 64, convs (2, 2, 3, 3, 3) and without batch norm it is the
convolutional part of VGG-16 (configuration D); any other depth, width and number of convolutions by field. FCN,
DeconvNet, SegNet and U-Net differ in what they put on it: "other decoder, same encoder" is another `model.name`.

Kernels start by He et al. 2015 (variance 2 / fan_in), which is U-Net's rule too; the others started from VGG's trained
weights (see vgg_weights.py).
"""

import dataclasses
from typing import Any, NamedTuple

from flax import linen as nn
import jax
import jax.numpy as jnp

from deconv import layers, ops
from deconv.errors import UserError
from deconv.options.models.segmenters import VggOptions

# How images in [-1, 1] are brought to the scale that an encoder's weights were trained on: (channels from which,
# factor, offset), so that pixel = image[channels] * factor + offset.
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # torchvision's, RGB in [0, 1]
_CAFFE_MEAN = (104.008, 116.669, 122.675)  # of the VGG authors' Caffe models, BGR in [0, 255]
PIXELS = {
  'signed': None,
  'imagenet': ((0, 1, 2), [0.5 / s for s in _STD], [(0.5 - m) / s for m, s in zip(_MEAN, _STD)]),
  'caffe': ((2, 1, 0), [127.5] * 3, [127.5 - m for m in _CAFFE_MEAN]),
}


@dataclasses.dataclass(frozen=True)
class Block:
  """What all layers of a network have in common.

  Attributes:
    batch_norm: normalise between convolution and ReLU; the convolution then has no bias (it would be subtracted).
    momentum: decay of the running statistics a step.
    axis_name: mapped axis over which batch norm takes its statistics, or None.
    dtype: type that is computed in.
  """

  batch_norm: bool
  momentum: float
  axis_name: str | None
  dtype: Any

  def conv(self, x, features, name, *, train, kernel_size=3, padding=1, strides=1):
    """Convolution, batch norm, ReLU: layers `conv{name}` and `norm{name}` of the module that calls."""
    x = layers.Conv(
      features,
      kernel_size,
      strides=strides,
      padding=padding,
      use_bias=not self.batch_norm,
      dtype=self.dtype,
      kernel_init=None,
      name=f'conv{name}',
    )(x)
    return self.norm_relu(x, f'norm{name}', train=train)

  def upsample(self, x, features, name, *, train, kind, switches=None, kernel_size=4):
    """Upsample by 2, batch norm, ReLU: layers `{name}` and `norm_{name}`.

    Unpooling needs as many channels as its switches have; where x has others, a 1x1 convolution `match_{name}` goes
    before.
    """
    if kind == 'unpool' and switches is not None and switches.shape[-1] != x.shape[-1]:
      x = layers.Conv(switches.shape[-1], 1, dtype=self.dtype, kernel_init=None, name=f'match_{name}')(x)
    x = layers.Upsample(
      features, kind, kernel_size, use_bias=not self.batch_norm, dtype=self.dtype, kernel_init=None, name=name
    )(x, switches)
    return self.norm_relu(x, f'norm_{name}', train=train)

  def norm_relu(self, x, name, *, train, relu=True):
    """Batch norm (if there is any), then ReLU."""
    if self.batch_norm:
      x = layers.BatchNorm(
        use_running_average=not train, decay=self.momentum, axis_name=self.axis_name, dtype=self.dtype, name=name
      )(x)
    return nn.relu(x) if relu else x


def block_of(options, dtype, batch_norm_axis):
  """Returns the Block of VggOptions."""
  return Block(options.batch_norm, options.batch_norm_momentum, batch_norm_axis, dtype)


class Stage(NamedTuple):
  """What a decoder may take from a stage of the encoder: features (b, h, w, c) before its pooling, pooled (b, h/2, w/2,
  c) and the int32 switches of the pooling, of that shape."""

  features: jax.Array
  pooled: jax.Array
  switches: jax.Array


class Encoder(nn.Module):
  """Images (b, h, w, c) in [-1, 1] -> (pooled features (b, h/2**depth, w/2**depth, channels), list of a Stage each).

  Layers are named as VGG's: conv1_1, conv1_2, conv2_1, ...

  Attributes:
    options: VggOptions.
    block: what the layers have in common.
    border: padding of the very first convolution (FCN: 100, others 1).
    valid: convolutions without padding (U-Net).
    dropout: share of the last stage's features dropped, before its pooling (U-Net).
  """

  options: VggOptions
  block: Block
  border: int = 1
  valid: bool = False
  dropout: float = 0.0

  @nn.compact
  def __call__(self, x, train):
    all_convs = self.options.stages
    x = scale_pixels(x, self.options.pixels)
    stages = []
    for i, (features, convs) in enumerate(zip(channels(self.options.width, len(all_convs)), all_convs)):
      for j in range(convs):
        padding = 0 if self.valid else self.border if i == j == 0 else 1
        x = self.block.conv(x, features, f'{i + 1}_{j + 1}', train=train, padding=padding)
      if self.dropout and i == len(all_convs) - 1:
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
      # Caffe's sizes are rounded up: the last window of an odd side has one pixel. Even sides are not padded.
      pooled, switches = ops.max_pool(x, 2, padding=tuple((0, n % 2) for n in x.shape[1:3]))
      stages.append(Stage(x, pooled, switches))
      x = pooled  # b h/2**(i+1) w/2**(i+1) features
    return x, stages


class MirroredDecoder(nn.Module):
  """Pooled features -> full resolution, stage by stage as the encoder went down (Noh et al. 2015; Badrinarayanan 2017).

  Stage i of it doubles the resolution and has as many convolutions as the encoder's, the first of which is part of the
  upsampling (unpooling, then 3x3 convolution); the last one goes to the channels of the stage above. (DeconvNet calls
  them deconvolutions: at stride 1 a transposed convolution is a convolution with its kernel turned round.)

  Attributes:
    options: VggOptions.
    upsample: kind of deconv.layers.Upsample.
    block: that of the encoder.
    num_classes: 0, or the channels of the very last convolution, which then has neither batch norm nor ReLU and is
      computed in float32 (SegNet).
    side_classes: 0, or the channels of a `side_score` before each doubling.
  """

  options: VggOptions
  upsample: str
  block: Block
  num_classes: int
  side_classes: int

  @nn.compact
  def __call__(self, x, switches, train):
    """Maps x (b, h, w, c), c channels of the encoder's last stage, by the list of its switches, to (b, H, W, c')."""
    switches, convs = list(switches), self.options.stages
    wide = channels(self.options.width, len(convs))
    for i in reversed(range(len(convs))):
      if self.side_classes:
        side_score(self, x, self.side_classes, f'side_score{i + 1}')  # b h w side_classes
      for j in reversed(range(convs[i])):  # numbered as in the encoder, so downwards
        last = j == 0
        features, name = wide[max(i - 1, 0)] if last else wide[i], f'{i + 1}_{j + 1}'
        if last and i == 0 and self.num_classes:
          return self._classify(x, switches, name)
        if j == convs[i] - 1:
          x = self.block.upsample(
            x, features, f'deconv{name}', train=train, kind=self.upsample, switches=switches.pop()
          )  # b 2h 2w features
        else:
          x = layers.Conv(
            features,
            3,
            padding=1,
            use_bias=not self.block.batch_norm,
            dtype=self.block.dtype,
            kernel_init=None,
            name=f'deconv{name}',
          )(x)
          x = self.block.norm_relu(x, f'norm_deconv{name}', train=train)
    assert not switches, 'a pooling of the encoder was not undone'
    return x

  def _classify(self, x, switches, name):
    x = x.astype(jnp.float32)
    if switches:  # one convolution in the stage: it is the upsampling's own
      x = layers.Upsample(self.num_classes, self.upsample, kernel_init=None, name=f'deconv{name}')(x, switches.pop())
    else:
      x = layers.Conv(self.num_classes, 3, padding=1, kernel_init=None, name=f'deconv{name}')(x)
    assert not switches, 'a pooling of the encoder was not undone'
    return x


def channels(width, depth):
  """Returns the channels of each stage: width, doubled at each stage up to 8 * width."""
  return tuple(width * min(2**i, 8) for i in range(depth))


def scale_pixels(x, pixels):
  """Maps images (b, h, w, c) in [-1, 1] to the scale named by `pixels`, a key of PIXELS.

  'signed': as they are. 'imagenet': torchvision's, RGB in [0, 1] less mean, over standard deviation. 'caffe': BGR in
  [0, 255] less mean.
  """
  if PIXELS[pixels] is None:
    return x
  order, factor, offset = PIXELS[pixels]
  return x[..., list(order)] * jnp.asarray(factor, x.dtype) + jnp.asarray(offset, x.dtype)


def score(x, num_classes, name, kernel_init=None):
  """Class scores by a 1x1 convolution in float32, a layer of the module that calls."""
  return layers.Conv(num_classes, 1, kernel_init=kernel_init, name=name)(x.astype(jnp.float32))


def side_score(module, x, num_classes, name):
  """Class scores of a map inside of a decoder, for deep supervision: `NAME_map` in 'side_scores'.

  The collection is filled where the caller of `apply` has it mutable; elsewhere the scores are not computed in the end.
  """
  scores = score(x, num_classes, name)
  if not module.is_initializing():
    module.sow('side_scores', f'{name}_map', scores, reduce_fn=lambda _, new: new)


def check_sides(model, height, width, multiple):
  """Raises UserError if a side is not a positive multiple of `multiple`."""
  for side in (height, width):
    if side < 1 or side % multiple:
      near = sorted({max(side // multiple, 1) * multiple, -(-side // multiple) * multiple})
      raise UserError(
        f'{model} halves the image {multiple.bit_length() - 1} times, so its sides must be multiples of '
        f'{multiple}, not {height}x{width}; set data.image_size (or augment.crop) to '
        f'{" or ".join(map(str, near))}, or lower model.depth'
      )
