"""The section `objective` of the task sparse_coding."""

import dataclasses
from typing import Any, ClassVar

from deconv.errors import UserError
from deconv.options.optimizer import OptimizerOptions
from deconv.options.options import Options

CONTRASTS = ('local', 'global', 'none')
INFERENCES = ('continuation', 'fista', 'admm')
_CONTINUATION: dict[str, tuple[str, ...]] = {'inference': ('continuation',)}


@dataclasses.dataclass(frozen=True)
class SparseCodingObjective(Options):
  """What the maps of an image minimise, how they are found, and how the filters follow (Zeiler et al. 2010).

  Attributes:
    num_images: number of the training images. Their maps are kept from one epoch to the next, in the state of the run.
    contrast: what is done to an image first. local: local contrast normalisation; global: mean 0 and deviation 1 of
      each image; none: levels from -1 to 1 as they are.
    hidden: share of the pixels of every image that the network is not shown, in training and in the evaluation: it
      learns from incomplete images, and what it makes of them is compared with the whole ones. Which pixels is drawn
      for each image, after its contrast was normalised, as the published scripts of inpainting do it.
    data_weight: lambda, the weight of the error of the reconstruction beside the penalty; a value for each layer, or
      one for all.
    power: p of the penalty |z|^p, above 0 and at most 1; a value for each layer, or one for all.
    inference: how maps are found. continuation: the auxiliary variable with growing beta of the paper; fista: Beck &
      Teboulle (2009) with restarts; admm: in the Fourier domain (Heide et al. 2015). With power < 1 the latter two have
      no guarantee.
    beta_start: continuation: the first weight of the auxiliary variable.
    beta_factor: continuation: factor from one beta to the next.
    beta_steps: continuation: number of values of beta.
    alternations: continuation: steps for the auxiliary variable and for the maps at each beta.
    cg_steps: continuation: iterations of conjugate gradients in each step for the maps.
    iterations: fista, admm: number of iterations.
    rho: admm: weight of the auxiliary variable.
    smooth: whether the first layer has a smooth map for each channel besides, whose gradient has a quadratic penalty
      (deconv/models/smooth_map.py).
    smooth_weight: smooth: psi, the weight of that penalty.
    smooth_steps: smooth: iterations of conjugate gradients for that map, before each inference of the others.
    filter_steps: iterations of conjugate gradients in each step for the filters.
    layer_steps: training steps of each layer but the last, which has all that follow. A layer explains the maps of the
      layer below, whose training has ended.
    repeats: a trained network infers the maps of other images by so many inferences in a row, each from where the last
      one ended, as the epochs of a training do.
    refinements: a trained network infers the maps of other images from the pixels up, and then so many times from the
      top down: each layer again, beside what the layer above says of it.

  Raises:
    UserError: a field out of range, or sections that do not fit together.
  """

  SECTION: ClassVar[str] = 'objective'
  EFFECT: ClassVar = {
    'beta_start': _CONTINUATION,
    'beta_factor': _CONTINUATION,
    'beta_steps': _CONTINUATION,
    'alternations': _CONTINUATION,
    'cg_steps': _CONTINUATION,
    'iterations': {'inference': ('fista', 'admm')},
    'rho': {'inference': ('admm',)},
    'smooth_weight': {'smooth': (True,)},
    'smooth_steps': {'smooth': (True,)},
  }
  num_images: int = 14
  contrast: str = 'local'
  hidden: float = 0.0
  data_weight: tuple[float, ...] = (1.0,)
  power: tuple[float, ...] = (1.0,)
  inference: str = 'continuation'
  beta_start: float = 1.0
  beta_factor: float = 10.0
  beta_steps: int = 6
  alternations: int = 1
  cg_steps: int = 2
  iterations: int = 100
  rho: float = 1.0
  smooth: bool = False
  smooth_weight: float = 1.0
  smooth_steps: int = 10
  filter_steps: int = 2
  layer_steps: tuple[int, ...] = ()
  repeats: int = 1
  refinements: int = 1

  def __post_init__(self) -> None:
    super().__post_init__()
    self._one_of(contrast=CONTRASTS, inference=INFERENCES)
    self._at_least(
      num_images=1, beta_steps=1, alternations=1, cg_steps=1, iterations=1, smooth_steps=1, filter_steps=1, repeats=1
    )
    self._at_least(refinements=0)
    self._share('hidden')
    self._above_zero('beta_start', 'beta_factor', 'rho', 'smooth_weight')
    if not self.data_weight or not min(self.data_weight) > 0:
      raise UserError(f'objective.data_weight={self.data_weight} must be numbers above 0; change it')
    if not self.power or not 0 < min(self.power) <= max(self.power) <= 1:
      raise UserError(f'objective.power={self.power} must be numbers above 0 and at most 1; change it')
    if self.layer_steps and min(self.layer_steps) < 1:
      raise UserError(f'objective.layer_steps={self.layer_steps} must be at least 1; change it')

  @property
  def names_images(self) -> bool:
    return True

  def of_layer(self, layer: int) -> tuple[float, float]:
    """Returns (data_weight, power) of a layer, counted from 0."""
    weight, power = (values[layer if len(values) > 1 else 0] for values in (self.data_weight, self.power))
    return weight, power

  def check_experiment(self, experiment: Any) -> None:
    layers, train = len(experiment.model.maps), experiment.train
    for name, values in (('data_weight', self.data_weight), ('power', self.power)):
      if len(values) not in (1, layers):
        raise UserError(
          f'objective.{name}={values} has {len(values)} values for {layers} layers; give one for each, or one for all'
        )
    if len(self.layer_steps) != layers - 1:
      raise UserError(
        f'objective.layer_steps={self.layer_steps} has the steps of every layer but the last: give {layers - 1} of '
        f'them for the {layers} of model.maps'
      )
    if 0 < train.steps <= sum(self.layer_steps):
      raise UserError(
        f'train.steps={train.steps} end before objective.layer_steps={self.layer_steps}, so that the last layer would '
        'never be trained; make it larger'
      )
    if train.dtype != 'float32':
      raise UserError(
        f"train.dtype='{train.dtype}' has too few digits for conjugate gradients and for maps that are exactly 0; "
        'leave it at float32'
      )
    if train.ema_decay:
      raise UserError(
        f'train.ema_decay={train.ema_decay}: averages of normalised filters are not normalised; leave it at 0'
      )
    if experiment.optimizer != OptimizerOptions():
      raise UserError(
        "the section optimizer has no effect on task='sparse_coding', whose filters follow by conjugate gradients; "
        'leave it at its defaults'
      )
    if experiment.data.flip:
      raise UserError('data.flip mirrors images at random, and the maps of an image are kept; leave it at False')
