"""The section `degrade`: what a restoration network has to undo."""

import dataclasses
from typing import Any, ClassVar

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
    down: how: 'bicubic' (antialiased, as MATLAB's imresize), 'area' or 'nearest'; see `deconv.ops.resample`.
    grey: colour images become grey, by their BT.601 luma (0 to 255).
    blur_sigma: standard deviation in pixels of a Gaussian blur, before the down-sampling; 0 is off.
    noise_sigma: standard deviation of Gaussian noise, in levels of 255; 0 is off.
    noise_sigma_max: if above noise_sigma: each image draws its own standard deviation uniformly from noise_sigma to
      this.
    poisson_peak: photons at white: a pixel v in [0, 1] becomes Poisson(v peak) / peak; 0 is off.
    salt_pepper: share of the pixels that become black or white, half of them each.
    levels: what happens to values that a file could not hold: 'raw' keeps them, as in the literature on noise;
      'clipped' limits them to black and white; 'rounded' also rounds them to 256 levels.
    jpeg_quality: quality of a JPEG compression, 1 to 100 as in libjpeg; 0 = off. It implies 'rounded'.
    jpeg_quality_max: if above jpeg_quality: each image draws its own quality uniformly from jpeg_quality to this.
    hole: what is missing: 'none'; 'centre', a rectangle in the middle; 'box', a rectangle anywhere; 'strokes', lines of
      a brush; 'pixels', single pixels.
    hole_share: share of the area that is missing; for 'pixels' the probability of each pixel.
    hole_value: value of the missing pixels, in [-1, 1].

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

  def __post_init__(self) -> None:
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
        'degrade.jpeg_quality_max needs degrade.jpeg_quality, the lower end of its range: set the latter to at least 1.'
      )

  def check_experiment(self, experiment: Any) -> None:
    side = experiment.data.image_size
    self.input_shape((side, side, experiment.data.channels))
    if self.has_hole and (self.scale > 1 or self.grey):
      raise UserError(
        'degrade.hole cannot be combined with degrade.scale or degrade.grey: the result around a hole is '
        'taken from the input; leave one of them out'
      )
    if self.scale > 1 and side <= 2 * self.scale:
      raise UserError(
        f'data.image_size={side} leaves no pixel to measure, because a border of '
        f'degrade.scale={self.scale} pixels is left out; make it more than {2 * self.scale}'
      )

  @property
  def has_hole(self) -> bool:
    """Whether something is missing."""
    return self.hole != 'none'

  def input_shape(self, image_shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """(height, width, channels) of what `degrade` makes of images of this shape; UserError when they cannot be."""
    height, width, channels = image_shape
    if height % self.scale or width % self.scale:
      raise UserError(
        f'degrade.scale={self.scale} does not divide images of {height}x{width} pixels: set '
        f'--config.data.image_size to a multiple of {self.scale}.'
      )
    return height // self.scale, width // self.scale, 1 if self.grey else channels
