"""The section `model` of the tasks that train a variational autoencoder."""

import dataclasses
from typing import Any

from deconv.errors import UserError
from deconv.options.models.gan import PRESETS
from deconv.options.models.model import ModelOptions, by_name

# Keys of deconv.models.vae.ACTIVATIONS.
ACTIVATIONS = ('relu', 'tanh', 'elu', 'leaky_relu', 'gelu', 'silu')


@dataclasses.dataclass(frozen=True)
class VaeMlpOptions(ModelOptions):
  """Perceptrons (deconv/models/vae.py). The fields of ModelOptions, and:

  Attributes:
    latent_size: length of z, standard normal.
    hidden: units of each hidden layer of encoder and decoder.
    depth: number of hidden layers.
    activation: relu | tanh | elu | leaky_relu | gelu | silu.
  """

  name: str = 'vae_mlp'
  latent_size: int = 20
  hidden: int = 500
  depth: int = 1
  activation: str = 'relu'

  def __post_init__(self) -> None:
    super().__post_init__()
    self._no_upsampling('has no upsampling layer')
    self._one_of(activation=ACTIVATIONS)
    self._at_least(latent_size=1, hidden=1, depth=0)


@dataclasses.dataclass(frozen=True)
class VaeConvOptions(ModelOptions):
  """Convolutions and a deconvolution decoder (deconv/models/vae.py). The fields of ModelOptions, and:

  Attributes:
    latent_size: length of z, standard normal.
    width: channels at half the image's resolution; doubled at each halving, up to max_width.
    max_width: upper limit of the channels.
    hidden: units of the dense layers next to z.
    blocks: residual blocks at each resolution below the image's.
    activation: relu | tanh | elu | leaky_relu | gelu | silu.
  """

  name: str = 'vae_conv'
  latent_size: int = 32
  width: int = 32
  max_width: int = 256
  hidden: int = 256
  blocks: int = 0
  activation: str = 'relu'

  def __post_init__(self) -> None:
    super().__post_init__()
    self._one_of(activation=ACTIVATIONS)
    self._at_least(latent_size=1, width=1, max_width=1, hidden=1, blocks=0)


@dataclasses.dataclass(frozen=True)
class DcignOptions(ModelOptions):
  """DC-IGN (deconv/models/dcign.py). The fields of ModelOptions, and:

  Attributes:
    upsample: as there; resize_nearest is the paper's unpooling (each value becomes a block).
    preset: 'paper' (Kulkarni et al. 2015) or 'code' (its authors' repository).
    latent_size: length of z: one latent to each factor of pose and light, the rest to the shape.
    width: channels of the first convolution; the others in proportion.
    padding: same (image side a multiple of 16) | valid (as published: 150x150).
    dense_init: how dense layers start: authors (N(0, 0.01)) | fan_in (variance 1 / fan_in).
  """

  name: str = 'dcign'
  upsample: str = 'resize_nearest'
  preset: str = 'paper'
  latent_size: int = 200
  width: int = 96
  padding: str = 'same'
  dense_init: str = 'authors'

  def __post_init__(self) -> None:
    super().__post_init__()
    self._one_of(preset=PRESETS, padding=('same', 'valid'), dense_init=('authors', 'fan_in'))
    self._at_least(latent_size=1, width=1)

  def check_experiment(self, experiment: Any) -> None:
    if experiment.objective.likelihood == 'gaussian_learned':
      raise UserError("model.name='dcign' cannot learn a standard deviation; choose another objective.likelihood")


MODELS = by_name(VaeMlpOptions, VaeConvOptions, DcignOptions)
