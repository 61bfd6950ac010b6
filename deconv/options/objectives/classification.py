"""The section `objective` of the task classification."""

import dataclasses
from typing import ClassVar

from deconv.options.options import Options


@dataclasses.dataclass(frozen=True)
class ClassificationObjective(Options):
  """The loss of a classifier: the cross-entropy.

  Attributes:
    label_smoothing: share of the target that is spread evenly over all classes (Szegedy et al. 2016, section 7: 0.1).
  """

  SECTION: ClassVar[str] = 'objective'
  label_smoothing: float = 0.0

  def __post_init__(self) -> None:
    super().__post_init__()
    self._share('label_smoothing')
