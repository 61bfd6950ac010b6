"""The section `objective` of the task gan."""

import dataclasses
from typing import ClassVar

from deconv.options.options import Options

# Keys of deconv.objectives.gan.OBJECTIVES.
LOSSES = ('non_saturating', 'minimax')
UPDATE_ORDERS = ('disc_then_gen', 'simultaneous', 'alternate')


@dataclasses.dataclass(frozen=True)
class GanObjective(Options):
  """The game of two networks.

  Attributes:
    name: the pair of losses: non_saturating | minimax, see deconv/objectives/gan.py.
    update_order: disc_then_gen | simultaneous | alternate, see deconv/tasks/gan.py.
    disc_learning_rate_scale: learning rate of the discriminator as a multiple of the generator's.

  Raises:
    UserError: an unknown name, or a factor that is not above 0.
  """

  SECTION: ClassVar[str] = 'objective'
  name: str = 'non_saturating'
  update_order: str = 'disc_then_gen'
  disc_learning_rate_scale: float = 1.0

  def __post_init__(self) -> None:
    super().__post_init__()
    self._one_of(name=LOSSES, update_order=UPDATE_ORDERS)
    self._above_zero('disc_learning_rate_scale')
