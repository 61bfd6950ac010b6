"""The section `optimizer`; deconv.training.optimizers makes optax transformations of it."""

import dataclasses
from typing import ClassVar

from deconv.errors import UserError, did_you_mean
from deconv.options.options import Options

OPTIMIZERS = ('adam', 'adamw', 'rmsprop', 'sgd')
SCHEDULES = ('constant', 'linear', 'cosine', 'step', 'exponential')


@dataclasses.dataclass(frozen=True)
class OptimizerOptions(Options):
  """The optimizer and its learning rate; a field that the named optimizer or schedule does not use keeps its default.

  Attributes:
    name: adam | adamw | rmsprop | sgd.
    learning_rate: the peak learning rate, > 0.
    beta1: adam, adamw: decay of the first moment; DCGAN section 4: 0.5.
    beta2: adam, adamw, rmsprop: decay of the second moment.
    eps: adam, adamw, rmsprop: added to the root of the second moment, to avoid a division by zero.
    momentum: sgd, rmsprop: momentum.
    weight_decay: adamw: decoupled decay, multiplied by the learning rate (Loshchilov & Hutter 2019, algorithm 2).
    l2: weight of L2 regularisation: l2 times the parameter is added to its gradient, after clipping.
    clip_norm: largest global norm of the gradient; a longer one is scaled down to it; 0 = off.
    schedule: constant | linear | cosine | step | exponential.
    warmup_steps: steps in which the learning rate rises linearly from zero; the schedule starts after them.
    final_scale: linear, cosine: last learning rate, as a share of the peak.
    decay_steps: step: number of steps between two decays; exponential: steps in which the rate falls by `decay_rate`,
      a little in each; linear, cosine: length of the decay, 0 = to the end of the run.
    decay_rate: step, exponential: factor of each decay.

  Raises:
    UserError: an unknown name, a field out of range, or one that was set though it has no effect.
  """

  SECTION: ClassVar[str] = 'optimizer'
  EFFECT: ClassVar = {
    'beta1': {'name': ('adam', 'adamw')},
    'beta2': {'name': ('adam', 'adamw', 'rmsprop')},
    'eps': {'name': ('adam', 'adamw', 'rmsprop')},
    'momentum': {'name': ('rmsprop', 'sgd')},
    'weight_decay': {'name': ('adamw',)},
    'final_scale': {'schedule': ('linear', 'cosine')},
    'decay_steps': {'schedule': ('linear', 'cosine', 'step', 'exponential')},
    'decay_rate': {'schedule': ('step', 'exponential')},
  }
  name: str = 'adam'
  learning_rate: float = 2e-4
  beta1: float = 0.5
  beta2: float = 0.999
  eps: float = 1e-8
  momentum: float = 0.0
  weight_decay: float = 0.0
  l2: float = 0.0
  clip_norm: float = 0.0
  schedule: str = 'constant'
  warmup_steps: int = 0
  final_scale: float = 0.0
  decay_steps: int = 0
  decay_rate: float = 0.1

  def __post_init__(self) -> None:
    for field, names in (('name', OPTIMIZERS), ('schedule', SCHEDULES)):
      value = getattr(self, field)
      if value not in names:
        raise UserError(
          f"optimizer.{field}='{value}' does not exist{did_you_mean(str(value), names, 0.4)}; there are "
          f'{", ".join(names)}: choose one of them'
        )
    super().__post_init__()
    self._share('beta1', 'beta2', 'momentum')
    self._above_zero('learning_rate')
    self._at_least(eps=0, weight_decay=0, l2=0, clip_norm=0, warmup_steps=0, final_scale=0, decay_steps=0, decay_rate=0)
    if self.schedule in ('step', 'exponential') and not self.decay_steps:
      raise UserError(
        f"optimizer.schedule='{self.schedule}' needs optimizer.decay_steps, the steps between two decays; set it "
        'above 0'
      )

  def _without(self, choices: dict[str, tuple[str, ...]]) -> str:
    ((choice, values),) = choices.items()
    return f"with optimizer.{choice}='{getattr(self, choice)}' (only with {', '.join(values)})"

  @property
  def depends_on_total(self) -> bool:
    """Whether another length of the run would change the learning rate of its steps."""
    return self.schedule in ('linear', 'cosine') and self.decay_steps == 0
