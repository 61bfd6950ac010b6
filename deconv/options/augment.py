"""The section `augment`: how training images are varied, by task; other tasks have no such section."""

import dataclasses
import math
from typing import Any, ClassVar

from deconv.errors import UserError
from deconv.options.options import Options


@dataclasses.dataclass(frozen=True)
class AugmentOptions(Options):
  """Segmentation, classification: what of an image and its mask is varied and how far. The defaults vary nothing.

  Attributes:
    flip: mirror left and right with probability 1/2.
    scale_min: smallest factor of enlargement.
    scale_max: largest factor of enlargement. The factor is uniform in its logarithm. A window of the size of the image,
      or of `crop`, is cut from the enlarged image at a random place; if the enlarged image is smaller, it is centred in
      the window.
    rotate_degrees: largest angle of rotation, in degrees; the angle is uniform, to either side.
    shift: largest shift in each direction, in pixels; whole numbers, each equally likely, for rows and for columns.
    crop: side of the square window that is trained on, in pixels; 0 = height and width of the image.
    elastic_sigma: standard deviation of an elastic deformation, in pixels. The points of a 3x3 grid over the window are
      shifted in both directions; cubics interpolate between them (Ronneberger et al. 2015, section 3.1: 10 pixels).
    brightness: largest shift of all levels, as a share of the range from black to white; uniform, as the next three.
    contrast: levels are scaled about the image's mean luma, by a factor from 1 - contrast to 1 + contrast.
    saturation: colours are scaled about their luma, by a factor from 1 - saturation to 1 + saturation.
    hue: largest rotation of the colours about the grey axis, in turns; 0.5 gives the complement.

  Raises:
    UserError: a field has a value that means nothing.
  """

  SECTION: ClassVar[str] = 'augment'
  flip: bool = False
  scale_min: float = 1.0
  scale_max: float = 1.0
  rotate_degrees: float = 0.0
  shift: int = 0
  crop: int = 0
  elastic_sigma: float = 0.0
  brightness: float = 0.0
  contrast: float = 0.0
  saturation: float = 0.0
  hue: float = 0.0

  def __post_init__(self) -> None:
    super().__post_init__()
    if not 0 < self.scale_min <= self.scale_max:
      raise UserError(
        f'augment.scale_min is {self.scale_min} and augment.scale_max {self.scale_max}: they must be '
        'above 0, and the latter not below the former.'
      )
    self._between(
      rotate_degrees=(0, 180),
      shift=(0, 2**30),
      crop=(0, 2**30),
      elastic_sigma=(0, math.inf),
      brightness=(0, 1),
      contrast=(0, 1),
      saturation=(0, 1),
      hue=(0, 0.5),
    )

  def check_experiment(self, experiment: Any) -> None:
    height, width, _ = experiment.data.image_shape
    if self.crop > min(height, width):
      name = 'image_size' if height <= width else 'image_width'
      raise UserError(f'augment.crop={self.crop} is larger than data.{name}={min(height, width)}; lower it')

  @property
  def warps(self) -> bool:
    """Whether pixels move other than by mirroring."""
    zooms = self.scale_min != 1 or self.scale_max != 1
    return bool(zooms or self.rotate_degrees or self.shift or self.crop or self.elastic_sigma)

  @property
  def recolours(self) -> bool:
    """Whether levels change."""
    return bool(self.brightness or self.contrast or self.saturation or self.hue)


@dataclasses.dataclass(frozen=True)
class ClassificationAugmentOptions(AugmentOptions):
  """Classification: see AugmentOptions; `crop` stays 0, because a classifier is evaluated on whole images."""

  EFFECT: ClassVar = {'crop': {}}


@dataclasses.dataclass(frozen=True)
class TurnOptions(Options):
  """Restoration: exact turns of the training images.

  Attributes:
    turns: mirror and turn each image, one of the eight ways at random.
  """

  SECTION: ClassVar[str] = 'augment'
  turns: bool = False
