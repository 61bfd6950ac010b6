"""The section `objective` of the task segmentation."""

import dataclasses
from typing import Any, ClassVar

from deconv.errors import UserError
from deconv.options.data import IGNORE
from deconv.options.options import Options, default

CLASS_WEIGHTS = ('none', 'median_frequency')


@dataclasses.dataclass(frozen=True)
class SegmentationObjective(Options):
  """Weights of the losses, and their settings; see deconv/objectives/segmentation.py.

  Attributes:
    cross_entropy: weight of the cross-entropy per pixel; the mean is over the pixels that count.
    dice: weight of 1 - Dice; the mean is over the classes in the batch.
    focal: weight of the focal loss.
    lovasz: weight of the Lovasz-Softmax loss, a surrogate of 1 - IoU.
    focal_gamma: focal: exponent of 1 - p (Lin et al. 2017: 2).
    lovasz_per_image: lovasz: compute the loss for each image, not for all pixels of the batch together.
    class_weights: cross_entropy, focal: weights of the classes: none | median_frequency (over the training split).
    border_weight: cross_entropy: extra weight of the ground between two regions (U-Net: 10); 0 = off.
    border_sigma: border_weight: its reach in pixels (U-Net: 5).
    deep_supervision: weight of the cross-entropy of the class scores before each doubling; not for fcn.

  Class attributes:
    TERMS: the losses that the sum may have.
    SETTINGS: {field: the weight without which it has no effect}.

  Raises:
    UserError: a value out of its range, or one without effect.
  """

  SECTION: ClassVar[str] = 'objective'
  TERMS: ClassVar[tuple[str, ...]] = ('cross_entropy', 'dice', 'focal', 'lovasz')
  SETTINGS: ClassVar[dict[str, str]] = {
    'focal_gamma': 'focal',
    'lovasz_per_image': 'lovasz',
    'border_sigma': 'border_weight',
  }
  cross_entropy: float = 1.0
  dice: float = 0.0
  focal: float = 0.0
  lovasz: float = 0.0
  focal_gamma: float = 2.0
  lovasz_per_image: bool = False
  class_weights: str = 'none'
  border_weight: float = 0.0
  border_sigma: float = 5.0
  deep_supervision: float = 0.0

  def __post_init__(self) -> None:
    super().__post_init__()
    weights = [getattr(self, name) for name in self.TERMS]
    if min(weights) < 0 or not any(weights):
      raise UserError(
        f'objective.{", ".join(self.TERMS)} are {", ".join(map(str, weights))}; set at least one above 0 and none below'
      )
    self._one_of(class_weights=CLASS_WEIGHTS)
    if self.focal_gamma < 0 or self.border_weight < 0 or self.border_sigma <= 0:
      raise UserError(
        'objective.focal_gamma and border_weight must be at least 0 and border_sigma above 0, not '
        f'{self.focal_gamma}, {self.border_weight} and {self.border_sigma}'
      )
    if self.deep_supervision < 0:
      raise UserError(f'objective.deep_supervision={self.deep_supervision} must be at least 0; change it')
    for field, weight in self.SETTINGS.items():
      value, neutral = getattr(self, field), default(type(self), field)
      if value != neutral and not getattr(self, weight):
        raise UserError(f'objective.{field}={value} has no effect without objective.{weight}; leave it at {neutral}')
    if self.border_weight and not self.cross_entropy:
      raise UserError('objective.border_weight weighs the cross-entropy, which is off; set objective.cross_entropy')
    if self.class_weights != 'none' and not (self.cross_entropy or self.focal):
      raise UserError('objective.class_weights weighs cross-entropy and focal loss, which are off; set one of them')

  def check_experiment(self, experiment: Any) -> None:
    names = experiment.data.class_names
    if not 2 <= len(names) <= IGNORE:
      raise UserError(
        f"task='segmentation' needs the names of 2 to {IGNORE} classes in data.class_names, in the "
        f'order of the numbers in the masks; it has {len(names)}'
      )
    if self.deep_supervision and not experiment.model.has_side_scores:
      raise UserError(
        f"model.name='{experiment.model.name}' has no scores of coarser maps to supervise; set "
        'objective.deep_supervision=0, or choose unet, linknet, segnet or deconvnet'
      )
