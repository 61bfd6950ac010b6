"""The section `degrade`: what a restoration network has to undo."""

import dataclasses
from typing import ClassVar

from deconv.errors import UserError
from deconv.options.options import Options

# How fewer pixels are made of many (deconv.ops.resample), what is missing, and what becomes of the levels.
DOWN = ('bicubic', 'area', 'nearest')
HOLES = ('none', 'centre', 'box', 'strokes', 'pixels')
LEVELS = ('raw', 'clipped', 'rounded')


@dataclasses.dataclass(frozen=True)
class DegradeOptions(Options):
  """The degradation: a sum of parts, each off by default.

  Attributes:
    scale: down-sampling factor, a whole number; 1 is off.
    down: how: 'bicubic' (antialiased, MATLAB's imresize), 'area' or 'nearest'; see `deconv.ops.resample`.
    grey: colour images become their BT.601 luma (0 to 255).
    blur_sigma: standard deviation in pixels of a Gaussian blur, before the down-sampling; 0 is off.
    noise_sigma: standard deviation of Gaussian noise, in levels of 255; 0 is off.
    noise_sigma_max: if above noise_sigma, each image's own is drawn uniformly from noise_sigma to this.
    poisson_peak: photons at white: a pixel v in [0, 1] becomes Poisson(v peak) / peak; 0 is off.
    salt_pepper: share of the pixels that become black or white, half of them each.
    levels: what becomes of values outside of black and white, and between levels: 'raw' (left: the noise of the
      literature), 'clipped', or 'rounded' (clipped and rounded to 256 levels, as in a file).
    jpeg_quality: 1 to 100 as libjpeg's; 0 is off. Implies 'rounded'.
    jpeg_quality_max: if above jpeg_quality, each image's own is drawn uniformly from jpeg_quality to this.
    hole: 'none'; 'centre', a rectangle in the middle; 'box', the same anywhere; 'strokes', lines of a brush; 'pixels',
      each on its own.
    hole_share: share of the area that is missing; of 'pixels' the probability.
    hole_value: what is put there, in [-1, 1].

  Raises:
    UserError: a field has a value that means nothing, or one that has no effect.
  """

  SECTION: ClassVar[str] = 'degrade'
  EFFECT: ClassVar = {'hole_share': {'hole': HOLES[1:]}, 'hole_value': {'hole': HOLES[1:]}}
  scale: int = 1
  down: str = 'bicubic'
  grey: bool = False
  blur_sigma: float = 0.0
  noise_sigma: float = 0.0
  noise_sigma_max: float = 0.0
  poisson_peak: float = 0.0
  salt_pepper: float = 0.0
  levels: str = 'raw'
  jpeg_quality: int = 0
  jpeg_quality_max: int = 0
  hole: str = 'none'
  hole_share: float = 0.25
  hole_value: float = 0.0

  def __post_init__(self):
    self._one_of(down=DOWN, hole=HOLES, levels=LEVELS)
    super().__post_init__()
    self._between(
      scale=(1, 64),
      blur_sigma=(0, 100),
      noise_sigma=(0, 1e6),
      noise_sigma_max=(0, 1e6),
      poisson_peak=(0, 1e6),
      salt_pepper=(0, 1),
      jpeg_quality=(0, 100),
      jpeg_quality_max=(0, 100),
      hole_value=(-1, 1),
    )
    if not 0 < self.hole_share < 1:
      raise UserError(f'degrade.hole_share is {self.hole_share}: it must be above 0 and below 1.')
    if self.jpeg_quality_max and not self.jpeg_quality:
      raise UserError(
        'degrade.jpeg_quality_max is the upper end of a range that begins at degrade.jpeg_quality: set '
        'that to at least 1.'
      )

  def check_experiment(self, experiment):
    side = experiment.data.image_size
    self.input_shape((side, side, experiment.data.channels))
    if self.has_hole and (self.scale > 1 or self.grey):
      raise UserError(
        'degrade.hole cannot be had with degrade.scale or degrade.grey: the result around a hole is '
        'taken from the input; leave one of them out'
      )
    if self.scale > 1 and side <= 2 * self.scale:
      raise UserError(
        f'data.image_size={side} leaves nothing to measure inside of a border of '
        f'degrade.scale={self.scale} pixels; make it more than {2 * self.scale}'
      )

  @property
  def has_hole(self):
    """Whether something is missing."""
    return self.hole != 'none'

  def input_shape(self, image_shape):
    """(height, width, channels) of what `degrade` makes of images of this shape; UserError when they cannot be."""
    height, width, channels = image_shape
    if height % self.scale or width % self.scale:
      raise UserError(
        f'images of {height}x{width} pixels cannot be made smaller by {self.scale}: set '
        f'--config.data.image_size to a multiple of {self.scale}.'
      )
    return height // self.scale, width // self.scale, 1 if self.grey else channels
