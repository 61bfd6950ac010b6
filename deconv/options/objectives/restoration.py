"""The section `objective` of the task restoration."""

import dataclasses
from typing import Any, ClassVar

from deconv.errors import UserError
from deconv.options.options import Options, default

# Objectives of the task gan whose generator's loss needs the logits of the generated images alone, and no critic that
# something has to keep smooth.
ADVERSARIAL = ('non_saturating', 'minimax', 'lsgan', 'hinge')
COLOURS = ('y', 'rgb', 'grey')
_SSIM_SIDE = 11  # of the window of SSIM


@dataclasses.dataclass(frozen=True)
class RestorationObjective(Options):
  """What is restored, and the losses between the result and the truth.

  Attributes:
    colour: what is restored: y (luminance of RGB) | rgb | grey (an image of one channel).
    l2: weight of the mean squared error, on the scale of [-1, 1].
    l1: weight of the mean absolute error.
    charbonnier: weight of the mean of sqrt(error^2 + charbonnier_eps^2).
    charbonnier_eps: charbonnier: the eps in the root.
    ssim: weight of 1 - SSIM.
    total_variation: weight of the mean absolute difference of neighbouring pixels of the result.
    shave: border that the loss leaves out, in pixels.
    outside: holes: weight of the pixels outside the hole in l2, l1 and charbonnier.
    ring: holes: width of a ring around the hole whose pixels have the weight ring_weight, in pixels (context encoder: 4
      or 7).
    ring_weight: holes: weight of the pixels of the ring.
    composite: holes: take the result outside the hole from the input.
    adversarial: holes: weight of the loss from a discriminator that sees the hole (context encoder: 0.001).
    adversarial_name: holes: pair of adversarial losses, a value of objective.name of the task gan.
    disc_learning_rate_scale: learning rate of the discriminator, as a multiple of the network's (context encoder: 0.1).
    disc_width: channels of the discriminator's first layer.
    last_learning_rate_scale: learning rate of the last layer, as a multiple of the network's (FSRCNN: 0.1).

  Raises:
    UserError: a field out of range, no loss that compares with the truth, or a field for holes where there are none.
  """

  SECTION: ClassVar[str] = 'objective'
  TERMS: ClassVar[tuple[str, ...]] = ('l2', 'l1', 'charbonnier', 'ssim', 'total_variation')
  HOLE_FIELDS: ClassVar[tuple[str, ...]] = ('adversarial', 'outside', 'ring')
  colour: str = 'rgb'
  l2: float = 1.0
  l1: float = 0.0
  charbonnier: float = 0.0
  charbonnier_eps: float = 1e-3
  ssim: float = 0.0
  total_variation: float = 0.0
  shave: int = 0
  outside: float = 1.0
  ring: int = 0
  ring_weight: float = 10.0
  composite: bool = True
  adversarial: float = 0.0
  adversarial_name: str = 'non_saturating'
  disc_learning_rate_scale: float = 1.0
  disc_width: int = 64
  last_learning_rate_scale: float = 1.0

  def __post_init__(self) -> None:
    super().__post_init__()
    self._one_of(colour=COLOURS, adversarial_name=ADVERSARIAL)
    self._at_least(
      **dict.fromkeys(
        (*self.TERMS, 'shave', 'outside', 'ring', 'ring_weight', 'adversarial', 'last_learning_rate_scale'), 0
      ),
      disc_width=1,
    )
    if not any(getattr(self, name) for name in self.TERMS[:-1]):
      raise UserError('no loss compares the result with the truth; set objective.l2, l1, charbonnier or ssim above 0')
    self._above_zero('charbonnier_eps', 'disc_learning_rate_scale')

  @property
  def channels(self) -> int:
    """Channels of what is restored."""
    return 3 if self.colour == 'rgb' else 1

  def check_experiment(self, experiment: Any) -> None:
    channels = 1 if self.colour == 'grey' else 3
    if experiment.data.channels != channels:
      raise UserError(
        f"objective.colour='{self.colour}' needs data.channels={channels}, not "
        f'{experiment.data.channels}; change one of them'
      )
    inside, least = experiment.data.image_size - 2 * self.shave, _SSIM_SIDE if self.ssim else 1
    if inside < least:
      raise UserError(
        f'objective.shave={self.shave} leaves {inside} pixels of data.image_size='
        f'{experiment.data.image_size}, and the loss needs {least}; change one of them'
      )
    for field in self.HOLE_FIELDS:
      neutral = default(type(self), field)
      if getattr(self, field) != neutral and not experiment.degrade.has_hole:
        raise UserError(
          f'objective.{field}={getattr(self, field)} has no effect, because degrade.hole makes no hole; '
          f'leave it at {neutral:g}'
        )
