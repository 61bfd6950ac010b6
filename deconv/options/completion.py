"""How the hole of an image is filled by a search of a generator's latents; the flags of `experiments.complete`."""

import dataclasses
from typing import ClassVar

from deconv.errors import UserError
from deconv.options.degrade import HOLES, DegradeOptions
from deconv.options.options import Options, default


@dataclasses.dataclass(frozen=True)
class CompletionOptions(Options):
  """Semantic completion (Yeh et al. 2017).

  Attributes:
    hole: what is missing where no mask is given: centre | box | strokes | pixels, as degrade.hole.
    hole_share: the share of the area that is missing, as degrade.hole_share.
    restarts: latents from which the search of an image starts; the one that ends with the lowest loss is kept.
    iterations: steps of Adam that each of them makes (paper: 1500).
    learning_rate: of Adam (the paper does not say).
    window: side in pixels of the square in which missing pixels are counted for the weight of a known one; odd (paper:
      7).
    prior_weight: lambda, the weight of the prior loss beside the sum of absolute errors (paper: 0.003).

  Raises:
    UserError: a field has a value that means nothing.
  """

  SECTION: ClassVar[str] = ''
  hole: str = 'centre'
  hole_share: float = default(DegradeOptions, 'hole_share')
  restarts: int = 4
  iterations: int = 1500
  learning_rate: float = 0.03
  window: int = 7
  prior_weight: float = 0.003

  def __post_init__(self) -> None:
    super().__post_init__()
    self._one_of(hole=HOLES[1:])
    DegradeOptions(hole=self.hole, hole_share=self.hole_share)  # what is said of them there holds here
    self._at_least(restarts=1, iterations=1, window=3, prior_weight=0)
    self._above_zero('learning_rate')
    if self.window % 2 == 0:
      raise UserError(f'window={self.window} must be odd, so that it has a middle; change it')
