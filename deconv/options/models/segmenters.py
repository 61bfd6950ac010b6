"""The section `model` of the task segmentation."""

import dataclasses
from typing import Any, ClassVar

from deconv.errors import UserError
from deconv.options.models.model import UPSAMPLE_KINDS, ModelOptions, by_name

# VGG-16's convolutional part (Simonyan & Zisserman 2015, configuration D).
VGG16 = dict(depth=5, width=64, convs=(2, 2, 3, 3, 3))
# Keys of deconv.models.vgg.PIXELS.
PIXELS = ('signed', 'imagenet', 'caffe')


@dataclasses.dataclass(frozen=True)
class SegmenterOptions(ModelOptions):
  """A segmentation network. The fields of ModelOptions, with:

  Attributes:
    upsample: operator that enlarges: a kind of deconv.layers.Upsample, or 'paper' for the network's own (fcn bilinear,
      deconvnet and segnet unpool, unet deconv2, linknet deconv3).

  Class attributes:
    has_side_scores: whether its decoder has coarser maps, whose scores deep supervision trains.
    weights: file of weights that its encoder starts from, where there is such a field; '' = none.
  """

  KINDS: ClassVar[tuple[str, ...]] = ('paper', *UPSAMPLE_KINDS)
  has_side_scores: ClassVar[bool] = True
  weights: ClassVar[str] = ''
  upsample: str = 'paper'

  def _refuse_unpooling(self, what: str, why: str) -> None:
    if self.upsample == 'unpool':
      raise UserError(
        f"{what} cannot upsample by 'unpool': {why}; choose another model.upsample, or one of the models "
        'deconvnet, segnet and unet'
      )

  def upsample_kind(self, own: str) -> str:
    """Returns the kind of Upsample that `upsample` names; 'paper' is the network's `own`."""
    return own if self.upsample == 'paper' else self.upsample


@dataclasses.dataclass(frozen=True)
class VggOptions(SegmenterOptions):
  """A segmentation network on a VGG encoder (deconv/models/vgg.py). The fields of SegmenterOptions, and:

  Attributes:
    depth: number of poolings; the image's sides must be multiples of 2**depth.
    width: channels of the first stage; they double with each stage, up to 8 * width (VGG, U-Net: 64).
    convs: number of convolutions per stage; () = 2 each (VGG-16: (2, 2, 3, 3, 3)).
    batch_norm: batch norm after every convolution.
    batch_norm_momentum: decay of the running statistics per step.
    pixels: scale of the pixels that the encoder sees: signed ([-1, 1]) | imagenet (torchvision) | caffe (BGR less the
      mean).
    weights: .npz or .safetensors file with the weights of VGG-16 to start from; '' = random weights.
  """

  PATHS: ClassVar[tuple[str, ...]] = ('weights',)
  depth: int = 4
  width: int = 16
  convs: tuple[int, ...] = ()
  batch_norm: bool = True
  batch_norm_momentum: float = 0.9
  pixels: str = 'signed'
  weights: str = ''  # type: ignore[misc]  # a field here, where other encoders have none

  def __post_init__(self) -> None:
    super().__post_init__()
    stages = self.stages
    if self.depth < 1 or self.width < 1 or len(stages) != self.depth or min(stages) < 1:
      raise UserError(
        f'{self.name}: model.depth={self.depth} and model.width={self.width} must be at least 1, and '
        f'model.convs={stages} must have one number of at least 1 for each of the {self.depth} stages, '
        'or be ()'
      )
    self._one_of(pixels=PIXELS)
    self._share('batch_norm_momentum')
    if self.weights and dict(depth=self.depth, width=self.width, convs=stages) != VGG16:
      raise UserError(
        f'model.weights is of VGG-16: set model.depth=5, model.width=64 and model.convs=(2, 2, 3, 3, 3); '
        f'they are {self.depth}, {self.width} and {stages}'
      )

  @property
  def stages(self) -> tuple[int, ...]:
    """Number of convolutions of each stage."""
    return self.convs or (2,) * self.depth

  def check_experiment(self, experiment: Any) -> None:
    if self.pixels != 'signed' and experiment.data.channels != 3:
      raise UserError(
        f"model.pixels='{self.pixels}' is a scale of RGB images, but data.channels is "
        f"{experiment.data.channels}; choose 'signed'"
      )


@dataclasses.dataclass(frozen=True)
class FcnOptions(VggOptions):
  """FCN (Long et al. 2015; deconv/models/fcn.py). The fields of VggOptions, and:

  Attributes:
    skips: number of finer poolings that are scored too: 0, 1, 2 = FCN-32s, FCN-16s, FCN-8s (at depth 5).
    padding: same | wide (as published: 100 pixels around the image, and crops; takes any size of image).
    fc_kernel: side of the window of fc6 (paper: 7).
    fc_width: channels of fc6 and fc7 (paper: 4096).
    dropout: share of the features of fc6 and fc7 that are dropped (paper: 0.5).
    learned: with upsample='paper': train the bilinear kernels (paper), or keep them fixed (the authors' code).
    scaled_skips: multiply the features of the n-th skip by 0.01**n before their score (FCN-8s at-once).
  """

  EFFECT: ClassVar[dict[str, dict[str, tuple[str, ...]]]] = {'learned': {'upsample': ('paper',)}}
  has_side_scores: ClassVar[bool] = False
  name: str = 'fcn'
  skips: int = 2
  padding: str = 'same'
  fc_kernel: int = 3
  fc_width: int = 256
  dropout: float = 0.0
  learned: bool = False
  scaled_skips: bool = False

  def __post_init__(self) -> None:
    super().__post_init__()
    if self.padding not in ('same', 'wide'):
      raise UserError(f"model.padding of fcn is '{self.padding}'; choose one of: same, wide")
    if not 0 <= self.skips < self.depth:
      raise UserError(
        f'fcn: model.skips={self.skips} must be from 0 to model.depth - 1 = {self.depth - 1}: each is '
        'the score of a finer pooling (0, 1, 2 are FCN-32s, 16s, 8s)'
      )
    if (
      self.fc_width < 1
      or self.fc_kernel < 1
      or self.fc_kernel % 2 == 0
      or (self.padding == 'wide' and self.fc_kernel > 7)
    ):
      raise UserError(
        f"fcn: model.fc_kernel={self.fc_kernel} must be odd (and at most 7 with padding='wide'), and "
        f'model.fc_width={self.fc_width} at least 1'
      )
    self._share('dropout')
    self._refuse_unpooling('fcn', 'it upsamples class scores, which were never pooled')


@dataclasses.dataclass(frozen=True)
class DeconvNetOptions(VggOptions):
  """DeconvNet (Noh et al. 2015; deconv/models/deconvnet.py). The fields of VggOptions, and:

  Attributes:
    fc_kernel: side of the windows of fc6 and its counterpart (paper: 7).
    fc_width: channels of fc6 and fc7 (paper: 4096).
  """

  name: str = 'deconvnet'
  fc_kernel: int = 3
  fc_width: int = 256

  def __post_init__(self) -> None:
    super().__post_init__()
    if self.fc_kernel < 1 or self.fc_width < 1:
      raise UserError(
        f'deconvnet: model.fc_kernel={self.fc_kernel} and model.fc_width={self.fc_width} must be at least 1'
      )


@dataclasses.dataclass(frozen=True)
class SegNetOptions(VggOptions):
  """SegNet (Badrinarayanan et al. 2017; deconv/models/segnet.py). The fields of VggOptions."""

  name: str = 'segnet'


@dataclasses.dataclass(frozen=True)
class UNetOptions(VggOptions):
  """U-Net (Ronneberger et al. 2015; deconv/models/unet.py). The fields of VggOptions, and:

  Attributes:
    padding: same | valid (as published: the map is smaller than the image, 572 -> 388).
    dropout: share of features dropped at the end of the contracting path (paper: 0.5).
  """

  name: str = 'unet'
  padding: str = 'same'
  dropout: float = 0.0

  def __post_init__(self) -> None:
    super().__post_init__()
    if self.padding not in ('same', 'valid'):
      raise UserError(f"model.padding of unet is '{self.padding}'; choose one of: same, valid")
    self._share('dropout')
    if self.padding == 'valid':
      self._refuse_unpooling("unet with padding='valid'", 'its decoder has smaller maps than the poolings')

  def check_experiment(self, experiment: Any) -> None:
    super().check_experiment(experiment)
    if experiment.objective.deep_supervision and self.padding == 'valid':
      raise UserError(
        "unet with padding='valid' has no scores of coarser maps: set objective.deep_supervision=0, or "
        "model.padding='same'"
      )


@dataclasses.dataclass(frozen=True)
class LinkNetOptions(SegmenterOptions):
  """LinkNet (Chaurasia & Culurciello 2017; deconv/models/linknet.py). The fields of SegmenterOptions, and:

  Attributes:
    depth: halvings of the resolution; the image's sides are multiples of 2**depth (paper: 5).
    width: channels of the first stage; doubled at each stage up to 8 * width (paper: 64).
    blocks: residual blocks of each stage.
    stem: plain (a 3x3 convolution) | paper (7x7 of stride 2, pooling): two of the halvings.
    batch_norm_momentum: decay of the running statistics per step.
  """

  name: str = 'linknet'
  depth: int = 4
  width: int = 16
  blocks: int = 2
  stem: str = 'plain'
  batch_norm_momentum: float = 0.9

  def __post_init__(self) -> None:
    super().__post_init__()
    self._one_of(stem=('plain', 'paper'))
    least = 3 if self.stem == 'paper' else 1
    if self.depth < least or self.width < 1 or self.blocks < 1:
      raise UserError(
        f"linknet with stem='{self.stem}': model.depth={self.depth} must be at least {least}, "
        f'model.width={self.width} and model.blocks={self.blocks} at least 1'
      )
    self._share('batch_norm_momentum')
    self._refuse_unpooling('linknet', 'its encoder halves by strides and leaves no switches')


MODELS = by_name(FcnOptions, DeconvNetOptions, SegNetOptions, UNetOptions, LinkNetOptions)
