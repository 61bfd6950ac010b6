"""The section `model` of the task restoration."""

import dataclasses
from typing import Any, ClassVar

from deconv.errors import UserError
from deconv.options.models.model import ModelOptions, by_name

RESIDUALS = ('none', 'bicubic')


@dataclasses.dataclass(frozen=True)
class RestorerOptions(ModelOptions):
  """A network from degraded to restored images. The fields of ModelOptions.

  Class attributes:
    ENLARGES: whether the network is for a degrade.scale of 2 and more alone.
  """

  ENLARGES: ClassVar[bool] = False

  def check_experiment(self, experiment: Any) -> None:
    scale = experiment.degrade.scale
    if self.ENLARGES and scale < 2:
      raise UserError(
        f"model.name='{self.name}' enlarges by 2 or more, not by {scale}; set degrade.scale, or choose a "
        'model such as rednet'
      )


@dataclasses.dataclass(frozen=True)
class ConvDeconvOptions(RestorerOptions):
  """The plain pair of convolutions and deconvolutions (deconv/models/superres.py). The fields of ModelOptions, and:

  Attributes:
    widths: channels of the convolutions; the last entry is that of all doublings except the last.
    kernel_size: side of all windows.
    residual: 'bicubic': the network's output is added to the bicubic enlargement | 'none': the output is the image.
  """

  name: str = 'conv_deconv'
  widths: tuple[int, ...] = (32, 64, 32)
  kernel_size: int = 3
  residual: str = 'none'

  def __post_init__(self) -> None:
    super().__post_init__()
    self._one_of(residual=RESIDUALS)
    self._at_least(kernel_size=1)
    if not self.widths or min(self.widths) < 1:
      raise UserError(f'model.widths={self.widths} must be one or more numbers of at least 1; change it')

  def check_experiment(self, experiment: Any) -> None:
    scale = experiment.degrade.scale
    if scale < 2 or scale & (scale - 1):
      raise UserError(
        f"model.name='conv_deconv' enlarges by 2, 4, 8, ..., not by {scale}; change the scale or the model"
      )


@dataclasses.dataclass(frozen=True)
class SrcnnOptions(RestorerOptions):
  """SRCNN (Dong et al. 2014; deconv/models/superres.py). The fields of ModelOptions, and:

  Attributes:
    widths: channels of the first two convolutions.
    kernel_sizes: sides of the three windows; the paper's long version has (9, 5, 5).
    residual: as for ConvDeconvOptions.
  """

  name: str = 'srcnn'
  widths: tuple[int, ...] = (64, 32)
  kernel_sizes: tuple[int, ...] = (9, 1, 5)
  residual: str = 'none'

  def __post_init__(self) -> None:
    super().__post_init__()
    self._no_upsampling('enlarges by bicubic interpolation at first')
    if len(self.kernel_sizes) != len(self.widths) + 1:
      raise UserError(f'model.kernel_sizes={self.kernel_sizes} must be one more than model.widths={self.widths}')
    if min((*self.widths, *self.kernel_sizes)) < 1:
      raise UserError(
        f'model.kernel_sizes={self.kernel_sizes} and model.widths={self.widths} must be at least 1; change them'
      )
    self._one_of(residual=RESIDUALS)


@dataclasses.dataclass(frozen=True)
class FsrcnnOptions(RestorerOptions):
  """FSRCNN(d, s, m) (Dong et al. 2016; deconv/models/superres.py). The fields of ModelOptions, and:

  Attributes:
    width: channels of the features (d in the paper).
    shrunk: channels of the mapping (s in the paper).
    depth: layers of the mapping (m in the paper).
    kernel_size: side of the last layer's window.
    residual: as for ConvDeconvOptions.
  """

  ENLARGES = True
  name: str = 'fsrcnn'
  width: int = 56
  shrunk: int = 12
  depth: int = 4
  kernel_size: int = 9
  residual: str = 'none'

  def __post_init__(self) -> None:
    super().__post_init__()
    self._one_of(residual=RESIDUALS)
    self._at_least(width=1, shrunk=1, depth=0, kernel_size=1)


@dataclasses.dataclass(frozen=True)
class EspcnOptions(RestorerOptions):
  """ESPCN (Shi et al. 2016; deconv/models/superres.py). The fields of ModelOptions, and:

  Attributes:
    upsample: operator that enlarges: a kind of deconv.layers.Upsample; the paper has subpixel.
    widths: channels of the two convolutions.
    kernel_size: side of the last layer's window; subpixel with 3 has as many weights as deconv with 3 * scale.
    residual: as for ConvDeconvOptions.
  """

  ENLARGES = True
  name: str = 'espcn'
  upsample: str = 'subpixel'
  widths: tuple[int, ...] = (64, 32)
  kernel_size: int = 3
  residual: str = 'none'

  def __post_init__(self) -> None:
    super().__post_init__()
    if len(self.widths) != 2:
      raise UserError(f"model.widths={self.widths}: model.name='espcn' has two; give two")
    if min(self.widths) < 1:
      raise UserError(f'model.widths={self.widths} must be at least 1; change them')
    self._one_of(residual=RESIDUALS)
    self._at_least(kernel_size=1)


@dataclasses.dataclass(frozen=True)
class RedNetOptions(RestorerOptions):
  """RED-Net (Mao et al. 2016; deconv/models/rednet.py). The fields of ModelOptions, and:

  Attributes:
    depth: number of layers, half of them convolutions, half deconvolutions (paper: 10, 20, 30).
    width: channels of every layer.
    skip_step: number of convolutions from one skip connection to the next.
    stride: 1 keeps the size; with 2 the first convolution halves it, and the last layer doubles it by model.upsample.
  """

  name: str = 'rednet'
  depth: int = 30
  width: int = 64
  skip_step: int = 2
  stride: int = 1

  def __post_init__(self) -> None:
    super().__post_init__()
    if self.depth < 4 or self.depth % 2:
      raise UserError(f'model.depth={self.depth} must be even and at least 4: half convolutions, half deconvolutions')
    self._at_least(width=1, skip_step=1)
    if self.stride not in (1, 2):
      raise UserError(f'model.stride={self.stride} must be 1 or 2; change it')
    if self.stride == 1 and self.upsample != 'deconv':
      raise UserError(
        f"model.upsample='{self.upsample}' has no effect on model.name='rednet' with model.stride=1, "
        'which keeps the size; leave it at deconv, or set model.stride=2'
      )


@dataclasses.dataclass(frozen=True)
class ContextEncoderOptions(RestorerOptions):
  """The context encoder (Pathak et al. 2016; deconv/models/context_encoder.py). The fields of ModelOptions, and:

  Attributes:
    output: what the decoder makes: the whole 'image' | the 'centre', with half the side.
    width: channels of the first layer.
    bottleneck: units between encoder and decoder; 0 = one fully connected layer per channel.
    batch_norm_momentum: decay of the running statistics per step.
  """

  name: str = 'context_encoder'
  output: str = 'image'
  width: int = 64
  bottleneck: int = 4000
  batch_norm_momentum: float = 0.9

  def __post_init__(self) -> None:
    super().__post_init__()
    self._one_of(output=('image', 'centre'))
    self._at_least(width=1, bottleneck=0)
    self._share('batch_norm_momentum')

  def check_experiment(self, experiment: Any) -> None:
    scale = experiment.degrade.scale
    if scale != 1:
      raise UserError(f"model.name='context_encoder' fills holes and does not enlarge by {scale}; choose another model")


@dataclasses.dataclass(frozen=True)
class AutoencoderOptions(RestorerOptions):
  """The convolutional autoencoder (deconv/models/autoencoder.py). The fields of ModelOptions, and:

  Attributes:
    depth: number of halvings of the size.
    width: channels at half the image's resolution; doubled at each halving, up to max_width.
    max_width: upper limit of the channels.
    code: channels of the code, at 1 / 2**depth of the resolution.
  """

  name: str = 'autoencoder'
  depth: int = 3
  width: int = 32
  max_width: int = 256
  code: int = 8

  def __post_init__(self) -> None:
    super().__post_init__()
    if self.depth < 1 or self.code < 1:
      raise UserError(f'model.depth={self.depth} and model.code={self.code} must both be at least 1; change them')
    self._at_least(width=1, max_width=1)


MODELS = by_name(
  ConvDeconvOptions, SrcnnOptions, FsrcnnOptions, EspcnOptions, RedNetOptions, ContextEncoderOptions, AutoencoderOptions
)
