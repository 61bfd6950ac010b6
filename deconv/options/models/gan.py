"""The section `model` of the task gan."""

import dataclasses
from typing import Any

from deconv.errors import UserError
from deconv.options.models.model import ModelOptions, by_name

PRESETS = ('paper', 'code')


def _refuse_unpooling(options: ModelOptions) -> None:
  if options.upsample == 'unpool':
    raise UserError(
      f"{options.name} cannot upsample by 'unpool': its generator has no max pooling before it, whose "
      'switches it would need; choose another model.upsample'
    )


@dataclasses.dataclass(frozen=True)
class DcganOptions(ModelOptions):
  """DCGAN (deconv/models/dcgan.py). The fields of ModelOptions, and:

  Attributes:
    preset: 'paper' (Radford et al. 2015) or 'code' (its authors' repository).
    latent_size: length of z, uniform in [-1, 1].
    width: channels of the layer next to the image; they double with each halving of the size (paper: 128).
    kernel_size: side of the window of every convolution and transposed convolution; 4 is divisible by the stride.
    leak: slope of the discriminator's LeakyReLU below zero.
    batch_norm_momentum: decay of the running statistics per step.
  """

  name: str = 'dcgan'
  preset: str = 'paper'
  latent_size: int = 100
  width: int = 128
  kernel_size: int = 5
  leak: float = 0.2
  batch_norm_momentum: float = 0.9

  def __post_init__(self) -> None:
    super().__post_init__()
    _refuse_unpooling(self)
    self._one_of(preset=PRESETS)
    self._at_least(latent_size=1, width=1, kernel_size=1, leak=0)
    self._share('batch_norm_momentum')


@dataclasses.dataclass(frozen=True)
class Gan28Options(ModelOptions):
  """The networks for 28x28 images (deconv/models/gan28.py). The fields of ModelOptions, and:

  Attributes:
    latent_size: length of z, standard normal.
    width: channels at 28x28; 14x14 and 7x7 have twice as many.
    leak: slope of LeakyReLU below zero.
    dropout: share of the discriminator's features that are dropped.
  """

  name: str = 'gan28'
  latent_size: int = 100
  width: int = 64
  leak: float = 0.2
  dropout: float = 0.3

  def __post_init__(self) -> None:
    super().__post_init__()
    _refuse_unpooling(self)
    self._at_least(latent_size=1, width=1, leak=0)
    self._share('dropout')


@dataclasses.dataclass(frozen=True)
class MlpGanOptions(ModelOptions):
  """Perceptrons (deconv/models/mlp_gan.py). The fields of ModelOptions, and:

  Attributes:
    latent_size: length of z, standard normal.
    hidden: units of each hidden layer.
    depth: number of hidden layers.
    leak: slope of LeakyReLU below zero.
    output: tanh (images) | linear (points of the plane, whose range is not [-1, 1]).
  """

  name: str = 'mlp_gan'
  latent_size: int = 100
  hidden: int = 128
  depth: int = 2
  leak: float = 0.2
  output: str = 'tanh'

  def __post_init__(self) -> None:
    super().__post_init__()
    self._no_upsampling('has no upsampling layer')
    self._at_least(latent_size=1, hidden=1, depth=0, leak=0)
    self._one_of(output=('tanh', 'linear'))

  def check_experiment(self, experiment: Any) -> None:
    super().check_experiment(experiment)
    if experiment.data.points != (self.output == 'linear'):
      kind, output = ('points of the plane', 'linear') if experiment.data.points else ('images in [-1, 1]', 'tanh')
      raise UserError(f'data.channels={experiment.data.channels} are {kind}: set model.output to {output}')


MODELS = by_name(DcganOptions, Gan28Options, MlpGanOptions)
