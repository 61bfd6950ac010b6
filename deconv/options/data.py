"""The section `data`: what is read and how."""

import dataclasses
from typing import Any, ClassVar

from deconv.errors import UserError
from deconv.options.options import Options

# The class of a pixel of a mask that has none: it neither trains nor counts.
IGNORE = 255


@dataclasses.dataclass(frozen=True)
class DataOptions(Options):
  """What is read and how.

  Attributes:
    source: a key of `deconv.data.SOURCES`: digits | mnist | folder | ... (docs/data.md).
    path: folder or archive of the data set; for `tfds` its data_dir ('' is tfds' own default).
    name: for `tfds`, the data set's name, such as 'cifar10'.
    split: split that is trained on.
    eval_split: split that is evaluated on; '' = none. If the source does not have the default split, a warning says so
      and nothing is evaluated.
    eval_path: folder or archive of the split that is evaluated on; '' = `path`. A folder without subfolders for splits
      has the split 'all'.
    image_size: height and width of the images that the network sees, in pixels.
    image_width: segmentation: their width, where it is not their height; 0 = image_size.
    fit: how an image gets that shape. 'crop' cuts out its centre and scales it. 'pad' scales all of it to fit into the
      shape and fills the rest with `background` (masks: with 255). 'patches' makes many squares of image_size on a
      grid, at the image's own resolution.
    patch_stride: for 'patches': largest distance from one patch to the next, in pixels; 0 = image_size, so that patches
      hardly overlap.
    patch_scales: for 'patches': the images that are trained on are cut once more at each of these sizes, as shares of
      their own size (bicubic, antialiased; SRCNN and FSRCNN: 0.9, 0.8, 0.7, 0.6).
    channels: 1 (grey) or 3 (RGB); 2 for the points of gaussian_ring and gaussian_grid, which are float32 images of one
      pixel, (x, y), and are not scaled.
    crop: side of the centre crop before the resize, in pixels; 0 = the largest square.
    background: colour under transparent pixels: red, green, blue, each 0 to 255.
    max_pixels: a picture with more pixels is treated as a broken file. The default is that of Pillow, which is 256 MiB
      of decoded RGB. Pillow itself refuses more than twice as many.
    max_file_mb: a file, or a member of an archive, of more MiB is treated as a broken file. The default is the size of
      `max_pixels` without compression.
    on_broken: what a broken file does: 'skip' replaces it, counts it and names it once; 'error' ends the run.
    memory_limit_mb: a data set of at most this many MiB after decoding is held in memory.
    workers: threads or processes that decode a data set that is not held in memory.
    worker_kind: 'thread' or 'process'.
    prefetch: batches that are made before the step needs them.
    flip: mirror each image with probability 1/2.
    per_class: the split that is trained on has only the first so many images of each class; 0 = all.
    generated: folder of a finished run of a GAN with labels, whose images are added to those that are trained on.
    generated_per_class: generated: number of its images of each class.
    class_names: segmentation: names of the classes 0, 1, ... of a mask; () = no masks.
    palette: `masks`: text file with a line 'red green blue name' per class, for masks that are coloured by class; '' =
      the pixels of a mask are class numbers.
    vary: for sources with factors: one weight per factor. Each batch then varies a single factor, drawn by these
      weights, and 'varies' says which one. () = ordinary batches.

  Raises:
    UserError: a field has a value that means nothing.
  """

  SECTION: ClassVar[str] = 'data'
  PATHS: ClassVar[tuple[str, ...]] = ('path', 'eval_path', 'palette', 'generated')
  EFFECT: ClassVar = {'patch_scales': {'fit': ('patches',)}}
  source: str = 'digits'
  path: str = ''
  name: str = ''
  split: str = 'train'
  eval_split: str = 'test'
  eval_path: str = ''
  image_size: int = 32
  image_width: int = 0
  fit: str = 'crop'
  patch_stride: int = 0
  patch_scales: tuple[float, ...] = ()
  channels: int = 1
  crop: int = 0
  background: tuple[int, ...] = (255, 255, 255)
  max_pixels: int = 89_478_485
  max_file_mb: int = 256
  on_broken: str = 'skip'
  memory_limit_mb: int = 1024
  workers: int = 4
  worker_kind: str = 'thread'
  prefetch: int = 2
  flip: bool = False
  per_class: int = 0
  generated: str = ''
  generated_per_class: int = 0
  class_names: tuple[str, ...] = ()
  palette: str = ''
  vary: tuple[float, ...] = ()

  def __post_init__(self) -> None:
    super().__post_init__()
    self._one_of(
      channels=(1, 2, 3), on_broken=('skip', 'error'), worker_kind=('thread', 'process'), fit=('crop', 'pad', 'patches')
    )
    self._at_least(image_size=1, image_width=0, patch_stride=0, crop=0)
    self._at_least(per_class=0, generated_per_class=0, memory_limit_mb=0, workers=1, prefetch=1)
    self._between(max_pixels=(1, 2 * 89_478_485), max_file_mb=(1, 2**20))
    if len(self.background) != 3 or not all(0 <= value <= 255 for value in self.background):
      raise UserError(f'data.background is {self.background}: it must be red, green, blue, each 0 to 255.')
    if len(set(self.class_names)) < len(self.class_names) or len(self.class_names) > IGNORE:
      raise UserError(f'data.class_names has {len(self.class_names)} names: they must differ, and be {IGNORE} at most.')
    if self.per_class and self.fit == 'patches':
      raise UserError(f'data.per_class={self.per_class} needs labels, which patches have not: leave it at 0.')
    if self.image_width and (self.crop or self.fit == 'patches'):
      raise UserError(
        f'data.image_width={self.image_width}: data.crop and data.fit=patches cut squares; set it to 0, or crop=0 and '
        'another fit.'
      )
    if self.crop and self.fit != 'crop':
      raise UserError(
        f'data.crop={self.crop} cuts the image and data.fit={self.fit} keeps all of it: leave one of the two out.'
      )
    if not all(0 < scale < 1 for scale in self.patch_scales) or len(set(self.patch_scales)) < len(self.patch_scales):
      raise UserError(
        f'data.patch_scales={self.patch_scales}: shares of the size must differ and be above 0 and below 1; change them'
      )
    if self.eval_path and not self.eval_split:
      raise UserError(f"data.eval_path='{self.eval_path}' has no effect without data.eval_split; set it to all")
    if self.points and (self.image_size != 1 or self.flip):
      raise UserError('data.channels=2 is for points of the plane: set data.image_size to 1 and data.flip to False.')
    if bool(self.generated) != (self.generated_per_class > 0):
      raise UserError(
        f"data.generated='{self.generated}' and data.generated_per_class={self.generated_per_class} go together: set "
        'both or neither.'
      )
    if self.vary and not (min(self.vary) >= 0 and sum(self.vary) > 0):
      raise UserError(f'data.vary is {self.vary}: its weights must not be negative, and one must be above 0.')

  def check_experiment(self, experiment: Any) -> None:
    if self.image_width and experiment.task != 'segmentation':
      raise UserError(
        f"data.image_width={self.image_width}: only task='segmentation' takes images that are not square, not "
        f"'{experiment.task}'; set it to 0."
      )
    if self.points and experiment.task != 'gan':
      raise UserError(
        f"data.channels=2 is for points of the plane, which only task='gan' learns, not '{experiment.task}': set it to "
        '1 or 3.'
      )

  @property
  def held_out(self) -> 'DataOptions':
    """The options by which `eval_split` is opened."""
    return dataclasses.replace(self, path=self.eval_path) if self.eval_path else self

  @property
  def points(self) -> bool:
    """Whether an item is a point of the plane in place of an image."""
    return self.channels == 2

  @property
  def image_dtype(self) -> str:
    """Type of an item: images are stored as bytes, points as they are."""
    return 'float32' if self.points else 'uint8'

  @property
  def max_bytes(self) -> int:
    """`max_file_mb` in bytes."""
    return self.max_file_mb * 2**20

  @property
  def image_shape(self) -> tuple[int, int, int]:
    """(height, width, channels) of what the network sees."""
    return self.image_size, self.image_width or self.image_size, self.channels
