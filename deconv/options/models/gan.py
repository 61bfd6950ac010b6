"""The section `model` of the task gan."""

import dataclasses
from typing import Any, ClassVar

from deconv.errors import UserError
from deconv.options.models.model import ModelOptions, by_name

PRESETS = ('paper', 'code')
# Keys of deconv.models.norms.NORMS.
NORMS = ('batch', 'layer', 'instance', 'none')
GEN_LABELS = ('none', 'concat', 'norm')
DISC_LABELS = ('none', 'concat', 'projection', 'auxiliary')


@dataclasses.dataclass(frozen=True)
class GanModelOptions(ModelOptions):
  """A generator and a discriminator. The fields of ModelOptions, and:

  Attributes:
    latent_size: length of z.
    gen_norm: what normalises the features of the generator: batch | layer | instance | none.
    disc_norm: the same of the discriminator.
    gen_spectral_norm: divide the kernels of the generator by their largest singular values (Miyato et al. 2018).
    disc_spectral_norm: the same of the discriminator.
    num_classes: number of classes of the labels that the networks see, a key of the labels of the source; 0 = none.
    gen_label: how the label reaches the generator: none | concat (joined to z, and to the layers where the network's
      paper does so) | norm (gain and bias of each norm depend on it).
    disc_label: how it reaches the discriminator: none | concat (joined to the image, and to the layers where the paper
      does so) | projection (Miyato & Koyama 2018) | auxiliary (not at all: it has to tell the class; AC-GAN, Odena et
      al. 2017).
    categorical_codes: numbers of values of the categorical codes beside z, which the discriminator has to tell too
      (InfoGAN, Chen et al. 2016); () = none.
    continuous_codes: number of continuous codes, uniform in [-1, 1].

  Raises:
    UserError: a field out of range, or labels of one network alone.
  """

  # What a network can do.
  UPSAMPLES: ClassVar[bool] = True
  NORMED: ClassVar[bool] = True
  LABELLED: ClassVar[bool] = True
  latent_size: int = 100
  gen_norm: str = 'batch'
  disc_norm: str = 'batch'
  gen_spectral_norm: bool = False
  disc_spectral_norm: bool = False
  num_classes: int = 0
  gen_label: str = 'none'
  disc_label: str = 'none'
  categorical_codes: tuple[int, ...] = ()
  continuous_codes: int = 0

  def __post_init__(self) -> None:
    super().__post_init__()
    self._one_of(gen_norm=NORMS, disc_norm=NORMS, gen_label=GEN_LABELS, disc_label=DISC_LABELS)
    self._at_least(latent_size=1, num_classes=0, continuous_codes=0)
    if self.UPSAMPLES and self.upsample == 'unpool':
      raise UserError(
        f"{self.name} cannot upsample by 'unpool': its generator has no max pooling before it, whose "
        'switches it would need; choose another model.upsample'
      )
    if not self.NORMED and (self.gen_norm, self.disc_norm) != ('none', 'none'):
      raise UserError(
        f"model.name='{self.name}' has no layer that normalises; leave model.gen_norm and disc_norm at none"
      )
    if any(values < 2 for values in self.categorical_codes):
      raise UserError(f'model.categorical_codes={self.categorical_codes}: each code needs 2 values or more; change it')
    self._check_labels()

  def _check_labels(self) -> None:
    labels = self.gen_label, self.disc_label
    if not self.LABELLED and (self.num_classes or labels != ('none', 'none') or self.num_codes):
      raise UserError(
        f"model.name='{self.name}' takes neither labels nor codes; leave model.num_classes, categorical_codes and "
        'continuous_codes at 0, and both labels at none'
      )
    if self.gen_label == 'norm' and self.gen_norm == 'none':
      raise UserError(
        "model.gen_label='norm' needs norms, and model.gen_norm is none; choose another of one of the two"
      )
    if self.num_classes == 1:
      raise UserError('model.num_classes=1 tells nothing apart; make it 2 or more, or 0 for no labels')
    if self.num_classes and 'none' in labels:
      raise UserError(
        f'model.num_classes={self.num_classes} needs a way for the label into both networks, not '
        f"model.gen_label='{labels[0]}' and model.disc_label='{labels[1]}'; set both, or num_classes to 0"
      )
    if not self.num_classes and labels != ('none', 'none'):
      raise UserError(
        f"model.gen_label='{labels[0]}' and model.disc_label='{labels[1]}' need model.num_classes, the number of "
        'classes of the source; set it, or both labels to none'
      )

  @property
  def num_codes(self) -> int:
    """Length of the codes in the latent, and of what the discriminator says of them."""
    return sum(self.categorical_codes) + self.continuous_codes

  @property
  def disc_batch_norm(self) -> bool:
    """Whether the discriminator has batch norm: an image's logit then depends on the batch."""
    return self.disc_norm == 'batch'


@dataclasses.dataclass(frozen=True)
class DcganOptions(GanModelOptions):
  """DCGAN (deconv/models/dcgan.py). The fields of GanModelOptions (z is uniform in [-1, 1]), and:

  Attributes:
    preset: 'paper' (Radford et al. 2015) or 'code' (its authors' repository).
    width: channels of the layer next to the image; they double with each halving of the size (paper: 128).
    kernel_size: side of the window of every convolution and transposed convolution; 4 is divisible by the stride.
    leak: slope of the discriminator's LeakyReLU below zero.
    batch_norm_momentum: decay of the running statistics per step.
  """

  name: str = 'dcgan'
  preset: str = 'paper'
  width: int = 128
  kernel_size: int = 5
  leak: float = 0.2
  batch_norm_momentum: float = 0.9

  def __post_init__(self) -> None:
    super().__post_init__()
    self._one_of(preset=PRESETS)
    self._at_least(width=1, kernel_size=1, leak=0)
    self._share('batch_norm_momentum')


@dataclasses.dataclass(frozen=True)
class Dcgan28Options(GanModelOptions):
  """The DCGAN authors' networks for 28x28 images (deconv/models/dcgan28.py).

  The fields of GanModelOptions (z is uniform in [-1, 1]), and:

  Attributes:
    width: channels at 14x14; 7x7 has twice as many.
    hidden: units of the dense layer next to z, and of that next to the logit.
    kernel_size: side of the window of every convolution and transposed convolution.
    norm_affine: whether norms have a gain and a bias; the authors' code: no.
    leak: slope of the discriminator's LeakyReLU below zero.
    batch_norm_momentum: decay of the running statistics per step.
  """

  name: str = 'dcgan28'
  width: int = 64
  hidden: int = 1024
  kernel_size: int = 5
  norm_affine: bool = False
  leak: float = 0.2
  batch_norm_momentum: float = 0.9

  def __post_init__(self) -> None:
    super().__post_init__()
    self._at_least(width=1, hidden=1, kernel_size=2, leak=0)
    self._share('batch_norm_momentum')


@dataclasses.dataclass(frozen=True)
class Gan28Options(GanModelOptions):
  """The networks for 28x28 images (deconv/models/gan28.py). The fields of GanModelOptions (z is standard normal), and:

  Attributes:
    width: channels at 28x28; 14x14 and 7x7 have twice as many.
    leak: slope of LeakyReLU below zero.
    dropout: share of the discriminator's features that are dropped.
  """

  NORMED: ClassVar[bool] = False
  LABELLED: ClassVar[bool] = False
  name: str = 'gan28'
  gen_norm: str = 'none'
  disc_norm: str = 'none'
  width: int = 64
  leak: float = 0.2
  dropout: float = 0.3

  def __post_init__(self) -> None:
    super().__post_init__()
    self._at_least(width=1, leak=0)
    self._share('dropout')


@dataclasses.dataclass(frozen=True)
class MlpGanOptions(GanModelOptions):
  """Perceptrons (deconv/models/mlp_gan.py). The fields of GanModelOptions (z is standard normal), and:

  Attributes:
    hidden: units of each hidden layer.
    depth: number of hidden layers.
    leak: slope of LeakyReLU below zero.
    output: tanh (images) | linear (points of the plane, whose range is not [-1, 1]).
  """

  UPSAMPLES: ClassVar[bool] = False
  NORMED: ClassVar[bool] = False
  name: str = 'mlp_gan'
  gen_norm: str = 'none'
  disc_norm: str = 'none'
  hidden: int = 128
  depth: int = 2
  leak: float = 0.2
  output: str = 'tanh'

  def __post_init__(self) -> None:
    super().__post_init__()
    self._no_upsampling('has no upsampling layer')
    self._at_least(hidden=1, depth=0, leak=0)
    self._one_of(output=('tanh', 'linear'))

  def check_experiment(self, experiment: Any) -> None:
    super().check_experiment(experiment)
    if experiment.data.points != (self.output == 'linear'):
      kind, output = ('points of the plane', 'linear') if experiment.data.points else ('images in [-1, 1]', 'tanh')
      raise UserError(f'data.channels={experiment.data.channels} are {kind}: set model.output to {output}')


@dataclasses.dataclass(frozen=True)
class SndcganOptions(GanModelOptions):
  """SNDCGAN (deconv/models/sndcgan.py). The fields of GanModelOptions (z is standard normal), and:

  Attributes:
    width: channels of the generator's last feature map and of the discriminator's first.
    leak: slope of the discriminator's LeakyReLU below zero.
    batch_norm_momentum: decay of the running statistics per step.
  """

  name: str = 'sndcgan'
  latent_size: int = 128
  disc_norm: str = 'none'
  disc_spectral_norm: bool = True
  width: int = 64
  leak: float = 0.1
  batch_norm_momentum: float = 0.9

  def __post_init__(self) -> None:
    super().__post_init__()
    self._at_least(width=1, leak=0)
    self._share('batch_norm_momentum')


@dataclasses.dataclass(frozen=True)
class ResnetGanOptions(GanModelOptions):
  """The residual networks of SNGAN and WGAN-GP (deconv/models/resnet_gan.py), for 32x32 and 64x64.

  The fields of GanModelOptions (z is standard normal), and:

  Attributes:
    gen_width: channels of the generator's last block; SNGAN at 32x32: 256, WGAN-GP: 128; at 64x64: 64.
    disc_width: channels of the discriminator's first block; at 64x64: 64.
    batch_norm_momentum: decay of the running statistics per step.
  """

  name: str = 'resnet_gan'
  upsample: str = 'resize_nearest'
  latent_size: int = 128
  disc_norm: str = 'none'
  disc_spectral_norm: bool = True
  gen_width: int = 256
  disc_width: int = 128
  batch_norm_momentum: float = 0.9

  def __post_init__(self) -> None:
    super().__post_init__()
    self._at_least(gen_width=1, disc_width=1)
    self._share('batch_norm_momentum')


MODELS = by_name(DcganOptions, Dcgan28Options, Gan28Options, MlpGanOptions, ResnetGanOptions, SndcganOptions)
