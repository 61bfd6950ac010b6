"""The section `objective` of the tasks that train a variational autoencoder: vae, factor_vae, inverse_graphics."""

import dataclasses
from typing import Any, ClassVar

from deconv.errors import UserError
from deconv.options.options import Options

# Keys of deconv.objectives.likelihoods.LIKELIHOODS.
LIKELIHOODS = ('bernoulli', 'gaussian_fixed', 'gaussian_learned', 'gaussian_pixel', 'logistic_mixture')
# Keys of deconv.objectives.regularizers.REGULARIZERS, and the importance-weighted bound.
BOUNDS = ('elbo', 'capacity', 'beta_tc', 'dip_i', 'dip_ii', 'iwae')
BINARIZATIONS = ('dynamic', 'static', 'grey')
CLAMPS = ('mean', 'first')


@dataclasses.dataclass(frozen=True)
class AutoencoderObjective(Options):
  """What all variational autoencoders have: a likelihood of the pixels and the codes drawn per image.

  Attributes:
    name: what is added to the reconstruction error: elbo adds the KL divergence; some tasks have more.
    likelihood: bernoulli | gaussian_fixed | gaussian_learned | gaussian_pixel | logistic_mixture.
    binarization: bernoulli: how grey levels become targets: dynamic (each pixel is drawn anew each time, with p = grey
      level) | static (drawn once) | grey (the level in [0, 1] itself; this is a cross-entropy but not a likelihood).
      Other likelihoods score the grey levels and need 'grey'.
    binarization_seed: static binarization: seed of the draw.
    noise_scale: gaussian_fixed: standard deviation of a pixel; the distance from black to white is 1.
    mixtures: logistic_mixture: number of components.
    samples: codes that are drawn per training image; iwae: the k of its bound.

  Raises:
    UserError: a field out of range, or one without effect.
  """

  SECTION: ClassVar[str] = 'objective'
  EFFECT: ClassVar = {
    'binarization_seed': {'likelihood': ('bernoulli',)},
    'noise_scale': {'likelihood': ('gaussian_fixed',)},
    'mixtures': {'likelihood': ('logistic_mixture',)},
  }
  NAMES: ClassVar[tuple[str, ...]] = ('elbo',)
  name: str = 'elbo'
  likelihood: str = 'bernoulli'
  binarization: str = 'dynamic'
  binarization_seed: int = 0
  noise_scale: float = 0.1
  mixtures: int = 5
  samples: int = 1

  def __post_init__(self) -> None:
    self._check_name()
    self._one_of(likelihood=LIKELIHOODS)
    super().__post_init__()
    self._one_of(binarization=BINARIZATIONS)
    self._at_least(samples=1, mixtures=1)
    self._between(binarization_seed=(0, 2**32 - 1))
    self._above_zero('noise_scale')
    if self.likelihood != 'bernoulli' and self.binarization != 'grey':
      raise UserError(
        f"objective.likelihood='{self.likelihood}' scores grey levels; set objective.binarization to grey"
      )

  def _check_name(self) -> None:
    self._one_of(name=self.NAMES)


@dataclasses.dataclass(frozen=True)
class VaeObjective(AutoencoderObjective):
  """The task vae. The fields of AutoencoderObjective, and:

  Attributes:
    beta: elbo: weight of the KL divergence; beta_tc: weight of the total correlation. 1 gives the ELBO.
    warmup_steps: elbo: number of steps in which beta rises linearly from 0.
    free_bits: elbo: nats per latent (mean over the batch) that are not penalised.
    gamma: capacity: weight of |KL - C| (Burgess et al. 2018: 1000).
    capacity_nats: capacity: final value of C, in nats (paper: 25).
    capacity_steps: capacity: number of steps in which C rises linearly from 0 (paper: 100,000).
    tc_sampling: beta_tc: how q(z) is estimated from a minibatch: weighted | stratified, which needs dataset_size.
    dataset_size: beta_tc: number of training images; 0 = the size of the batch.
    dip_off_diagonal: dip_i, dip_ii: weight of the squared covariances between two latents.
    dip_diagonal: dip_i, dip_ii: weight of the squared distance of the variances from 1.
  """

  EFFECT: ClassVar = {
    **AutoencoderObjective.EFFECT,
    'beta': {'name': ('elbo', 'beta_tc')},
    'warmup_steps': {'name': ('elbo',)},
    'free_bits': {'name': ('elbo',)},
    'gamma': {'name': ('capacity',)},
    'capacity_nats': {'name': ('capacity',)},
    'capacity_steps': {'name': ('capacity',)},
    'tc_sampling': {'name': ('beta_tc',)},
    'dataset_size': {'name': ('beta_tc',)},
    'dip_off_diagonal': {'name': ('dip_i', 'dip_ii')},
    'dip_diagonal': {'name': ('dip_i', 'dip_ii')},
  }
  NAMES: ClassVar[tuple[str, ...]] = BOUNDS
  beta: float = 1.0
  warmup_steps: int = 0
  free_bits: float = 0.0
  gamma: float = 1000.0
  capacity_nats: float = 25.0
  capacity_steps: int = 100_000
  tc_sampling: str = 'weighted'
  dataset_size: int = 0
  dip_off_diagonal: float = 10.0
  dip_diagonal: float = 10.0

  def __post_init__(self) -> None:
    super().__post_init__()
    self._at_least(
      beta=0,
      warmup_steps=0,
      free_bits=0,
      gamma=0,
      capacity_nats=0,
      capacity_steps=1,
      dataset_size=0,
      dip_off_diagonal=0,
      dip_diagonal=0,
    )
    self._one_of(tc_sampling=('weighted', 'stratified'))
    if self.tc_sampling == 'stratified' and not self.dataset_size:
      raise UserError(
        "objective.tc_sampling='stratified' needs the number of training images; set objective.dataset_size"
      )


@dataclasses.dataclass(frozen=True)
class OneBoundObjective(AutoencoderObjective):
  """A task whose name already says the bound. The fields of AutoencoderObjective."""

  TASK: ClassVar[str] = ''

  def _check_name(self) -> None:
    if self.name != 'elbo':
      raise UserError(f"objective.name='{self.name}' is not for task='{self.TASK}'; set it to elbo")


@dataclasses.dataclass(frozen=True)
class FactorVaeObjective(OneBoundObjective):
  """The task factor_vae (Kim & Mnih 2018). The fields of AutoencoderObjective, and:

  Attributes:
    tc_weight: weight of the total correlation (gamma in the paper; on dSprites: 35).
    disc_learning_rate_scale: learning rate of the discriminator as a multiple of the autoencoder's.
    disc_hidden: units of each hidden layer of the discriminator.
    disc_depth: number of hidden layers of the discriminator.
  """

  TASK: ClassVar[str] = 'factor_vae'
  tc_weight: float = 35.0
  disc_learning_rate_scale: float = 1.0
  disc_hidden: int = 1000
  disc_depth: int = 6

  def __post_init__(self) -> None:
    super().__post_init__()
    self._at_least(tc_weight=0, disc_hidden=1, disc_depth=1)
    self._above_zero('disc_learning_rate_scale')


@dataclasses.dataclass(frozen=True)
class InverseGraphicsObjective(OneBoundObjective):
  """The task inverse_graphics (DC-IGN, Kulkarni et al. 2015). The fields of AutoencoderObjective, and:

  Attributes:
    binarization: as for the task vae; the default is grey, because the targets of the paper are grey levels.
    clamp: what inactive latents become: their mean over the batch (mean, the paper) | those of the first image (first,
      the authors' code).
    invariance: weight of the gradient that pulls inactive latents to their mean (paper: 1/100).
  """

  TASK: ClassVar[str] = 'inverse_graphics'
  binarization: str = 'grey'
  clamp: str = 'mean'
  invariance: float = 0.01

  def __post_init__(self) -> None:
    super().__post_init__()
    self._one_of(clamp=CLAMPS)
    self._at_least(invariance=0)

  def check_experiment(self, experiment: Any) -> None:
    factors = len(experiment.data.vary)
    if not factors:
      raise UserError(
        "task='inverse_graphics' trains on batches in which one factor varies; set data.vary to their "
        'weights, such as (1, 1, 1, 10)'
      )
    if factors > experiment.model.latent_size:
      raise UserError(
        f'model.latent_size={experiment.model.latent_size} must be at least the number of factors, {factors}'
      )
