"""How the pixels of a mask file say their class: by numbers, or by colours that a palette names."""

import dataclasses
import os

import numpy as np

from deconv.data.files import opening
from deconv.data.files.opening import BrokenImage
from deconv.errors import UserError
from deconv.options.data import IGNORE

_ADVICE = 'add it there (with the name ignore where it is no class), and save masks as PNG, never as JPEG'
_IGNORED_NAMES = 'ignore', 'void', 'unlabeled', 'unlabelled'


@dataclasses.dataclass(frozen=True)
class MaskCoding:
  """How the pixels of a mask file say their class.

  Attributes:
    names: of the classes 0, 1, ...
    colours: ((r, g, b), class) of each colour where the colours are the classes; () where the values of the pixels, or
      the indices into the palette of a PNG, are.
    first: the value of class 0.
    source: what says so, for messages.
    void: a value that is no class, besides IGNORE.
    advice: what to do about a colour of no class, for messages.
  """

  names: tuple[str, ...]
  colours: tuple = ()
  first: int = 0
  source: str = 'data.class_names'
  # The fingerprint of a source is of the repr, and sources that are older than these fields keep theirs.
  void: int = dataclasses.field(default=IGNORE, repr=False)
  advice: str = dataclasses.field(default=_ADVICE, repr=False)

  def decode(self, data, title, max_pixels):
    """Decodes a mask.

    Args:
      data: bytes of a PNG file, or another without losses.
      title: what to call it in messages.
      max_pixels: a mask with more is broken.

    Returns:
      uint8 (h, w), a class or IGNORE at each pixel.

    Raises:
      BrokenImage: the bytes cannot be decoded.
      UserError: a pixel is of no class.
    """
    try:
      with opening.opened(data, max_pixels) as image:
        image.load()
        pixels = np.asarray(image.convert('RGB') if self.colours else image)
        scale = 1 if self.colours else _scale(image, data)
    except BrokenImage as error:
      raise BrokenImage(f'mask: {error}') from error
    if self.colours:
      return self._of_colours(pixels, title)
    if pixels.ndim > 2:
      raise UserError(
        f'the mask {title} has colours and not class numbers: set --config.data.palette to a text file '
        "with a line 'red green blue name' for each class."
      )
    values = pixels.astype(np.int32) // scale
    values[values == self.void] = IGNORE
    wrong = (values != IGNORE) & ((values < self.first) | (values >= self.first + len(self.names)))
    wrong &= values != self.first - 1
    if wrong.any():
      last = self.first + len(self.names) - 1
      none = f'{IGNORE} is' if self.void == IGNORE else f'{self.void} and {IGNORE} are'
      raise UserError(
        f'the mask {title} has the value {values[wrong][0]}, and {self.source} has {len(self.names)} '
        f'classes ({self.first} to {last}; {none} none): name all of them there, or mend the mask.'
      )
    return np.where(values == IGNORE, IGNORE, values - self.first).astype(np.uint8)  # one below the first is none, too

  def _of_colours(self, pixels, title):
    number = sum(pixels[..., i].astype(np.int32) << shift for i, shift in enumerate((16, 8, 0)))
    known = np.array([np.dot(colour, [65536, 256, 1]) for colour, _ in self.colours])
    order = np.argsort(known)
    place = np.minimum(np.searchsorted(known[order], number), len(known) - 1)
    wrong = known[order][place] != number
    if wrong.any():
      row, column = np.argwhere(wrong)[0]
      red, green, blue = pixels[row, column]
      raise UserError(
        f'the mask {title} has the colour {red} {green} {blue} (row {row}, column {column}), not '
        f'in {self.source}: {self.advice}.'
      )
    return np.array([value for _, value in self.colours], np.uint8)[order][place]


def _scale(image, data):
  """What Pillow has multiplied the values of a mask by: it makes grey of 2 or 4 bits a PNG of 0 to 255."""
  if image.format != 'PNG' or image.mode != 'L' or data[12:16] != b'IHDR':
    return 1
  return {2: 85, 4: 17}.get(data[24], 1)  # the bits of a sample stand behind width and height


def read_palette(path):
  """Reads a text file with a line 'red green blue name' for each class, in the order of the classes.

  Several lines may have one name: colours of one class. The name ignore (or void, unlabeled) is IGNORE. Empty lines and
  those that begin with # are passed over.

  Returns:
    A MaskCoding.

  Raises:
    UserError: the file cannot be read, or a line is not of this form.
  """
  try:
    if os.path.exists(path) and not os.path.isfile(path):  # a FIFO would be waited for
      raise opening.NoOrdinaryFile('it is not an ordinary file')
    with open(path, encoding='utf-8') as file:
      lines = file.read().splitlines()
  except (OSError, UnicodeDecodeError) as error:
    raise UserError(
      f'data.palette: {path} cannot be read as text ({error}): give a file with a line '
      "'red green blue name' for each class."
    ) from error
  names, colours = [], {}
  for number, line in enumerate(lines, 1):
    parts = line.split(None, 3)
    if not parts or parts[0].startswith('#'):
      continue
    values = tuple(int(part) for part in parts[:3] if part.isdecimal())
    if len(parts) < 4 or len(values) < 3 or max(values) > 255:
      raise UserError(
        f"line {number} of {path} is '{line.strip()}': write 'red green blue name', the first three from 0 to 255."
      )
    if values in colours:
      raise UserError(f'line {number} of {path} has the colour of a line above: give each colour once.')
    name = parts[3].strip()
    if name not in names and name.lower() not in _IGNORED_NAMES:
      names.append(name)
    colours[values] = IGNORE if name.lower() in _IGNORED_NAMES else names.index(name)
  if not 1 < len(names) < IGNORE:
    raise UserError(f'{path} names {len(names)} classes: it needs from 2 to {IGNORE - 1}, a line each.')
  return MaskCoding(tuple(names), tuple(colours.items()), source=path)
