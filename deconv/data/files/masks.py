"""Masks that are files: how they say their classes, and sources of image and mask pairs."""
import dataclasses
import hashlib
import io
import os

import numpy as np

from deconv.data import source as source_lib
from deconv.data.files import decode, folders, trees
from deconv.data.transforms.levels import IGNORE
from deconv.errors import UserError

_IMAGE_FOLDERS = 'images', 'image', 'imgs', 'jpegimages'
_MASK_FOLDERS = 'masks', 'mask', 'labels', 'annotations', 'segmentationclass'
_IGNORED_NAMES = 'ignore', 'void', 'unlabeled', 'unlabelled'
_LOOKED_AT = 10  # masks that are read when a source is opened


@dataclasses.dataclass(frozen=True)
class MaskCoding:
  """How the pixels of a mask file say their class.

  Attributes:
    names: of the classes 0, 1, ...
    colours: ((r, g, b), class) of each colour where the colours are the classes; () where the values of the pixels, or
      the indices into the palette of a PNG, are.
    first: the value of class 0.
    source: what says so, for messages.
  """
  names: tuple[str, ...]
  colours: tuple = ()
  first: int = 0
  source: str = 'data.class_names'

  def decode(self, data, title):
    """Decodes a mask.

    Args:
      data: bytes of a PNG file, or another without losses.
      title: what to call it in messages.

    Returns:
      uint8 (h, w), a class or IGNORE at each pixel.

    Raises:
      BrokenImage: the bytes cannot be decoded.
      UserError: a pixel is of no class.
    """
    from PIL import Image
    try:
      image = Image.open(io.BytesIO(data))
      image.load()
      pixels = np.asarray(image.convert('RGB') if self.colours else image)
    except MemoryError:
      raise
    except Exception as error:
      raise decode.BrokenImage(f'mask: {type(error).__name__}: {error}') from error
    if self.colours:
      return self._of_colours(pixels, title)
    if pixels.ndim > 2:
      raise UserError(f'the mask {title} has colours and not class numbers: set --config.data.palette to a text file '
                      "with a line 'red green blue name' for each class.")
    values = pixels.astype(np.int64)
    wrong = (values != IGNORE) & ((values < self.first) | (values >= self.first + len(self.names)))
    wrong &= values != self.first - 1
    if wrong.any():
      last = self.first + len(self.names) - 1
      raise UserError(f'the mask {title} has the value {values[wrong][0]}, and {self.source} has {len(self.names)} '
                      f'classes ({self.first} to {last}; {IGNORE} is none): name all of them there, or mend the mask.')
    return np.where(values == IGNORE, IGNORE, values - self.first).astype(np.uint8)  # one below the first is none, too

  def _of_colours(self, pixels, title):
    number = pixels.astype(np.int64) @ np.array([65536, 256, 1])
    known = np.array([np.dot(colour, [65536, 256, 1]) for colour, _ in self.colours])
    order = np.argsort(known)
    place = np.minimum(np.searchsorted(known[order], number), len(known) - 1)
    wrong = known[order][place] != number
    if wrong.any():
      row, column = np.argwhere(wrong)[0]
      red, green, blue = pixels[row, column]
      raise UserError(f'the mask {title} has the colour {red} {green} {blue} (row {row}, column {column}), not '
                      f'in {self.source}: add it there (with the name ignore where it is no class), and save masks as '
                      'PNG, never as JPEG.')
    return np.array([value for _, value in self.colours], np.uint8)[order][place]


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
    with open(path, encoding='utf-8') as file:
      lines = file.read().splitlines()
  except (OSError, UnicodeDecodeError) as error:
    raise UserError(f'data.palette: {path} cannot be read as text ({error}): give a file with a line '
                    "'red green blue name' for each class.") from error
  names, colours = [], {}
  for number, line in enumerate(lines, 1):
    parts = line.split(None, 3)
    if not parts or parts[0].startswith('#'):
      continue
    values = tuple(int(part) for part in parts[:3] if part.isdecimal())
    if len(parts) < 4 or len(values) < 3 or max(values) > 255:
      raise UserError(f"line {number} of {path} is '{line.strip()}': write 'red green blue name', the first three from "
                      '0 to 255.')
    if values in colours:
      raise UserError(f'line {number} of {path} has the colour of a line above: give each colour once.')
    name = parts[3].strip()
    if name not in names and name.lower() not in _IGNORED_NAMES:
      names.append(name)
    colours[values] = IGNORE if name.lower() in _IGNORED_NAMES else names.index(name)
  if not 1 < len(names) < IGNORE:
    raise UserError(f'{path} names {len(names)} classes: it needs from 2 to {IGNORE - 1}, a line each.')
  return MaskCoding(tuple(names), tuple(colours.items()), source=path)


def decode_pair(image, mask, coding, title, options):
  """Decodes the bytes of an image and of its mask.

  Args:
    image, mask: bytes of the files.
    coding: a MaskCoding.
    title: what to call the mask in messages.
    options: DataOptions; `channels` and `background` are used.

  Returns:
    (image, mask): uint8 (h, w, channels) and uint8 (h, w), in their own size.

  Raises:
    BrokenImage: one of them cannot be decoded, or they are not of one size.
    UserError: a pixel of the mask is of no class.
  """
  image, mask = decode.decode_full(image, options), coding.decode(mask, title)
  if image.shape[:2] != mask.shape:
    height, width = image.shape[:2]
    raise decode.BrokenImage(f'its mask {title} is {mask.shape[1]}x{mask.shape[0]} and the image {width}x{height}: '
                                 'they must be of one size')
  return image, mask


def fit_pair(image, mask, options):
  """{'image', 'mask'} of `options.image_shape`, of an image uint8 (h, w, c) and its mask uint8 (h, w)."""
  return {'image': decode.fit(image, options), 'mask': decode.fit_mask(mask, options)}


class MaskSource(folders.FileSource):
  """Image files and the mask file of each; a Source with masks.

  Args:
    name: what to call it.
    tree: a `trees.Folder` or `trees.Zip`.
    pairs: [(name of the image, name of the mask)] in the tree, in order.
    coding: a MaskCoding.
    options: DataOptions.

  Raises:
    UserError: none of the pairs can be decoded, or the masks do not have the classes of the coding.
  """

  def __init__(self, name, tree, pairs, coding, options):
    self.mask_names = coding.names
    self._coding = coding
    self._mask_keys = [mask for _, mask in pairs]
    super().__init__(name, tree, [image for image, _ in pairs], None, options)
    self._check_masks()

  def _check_masks(self):
    """UserError where all of the first masks hold 0 and 255 alone: 255 was meant to be a class."""
    values = set()
    for key in self._mask_keys[:_LOOKED_AT]:
      try:
        values.update(np.unique(self._coding.decode(self._tree.read(key), key)).tolist())
      except (decode.BrokenImage, OSError):
        continue
    if values == {0, IGNORE} and not self._coding.colours:
      raise UserError(f'the masks of {self.place} hold only 0 and {IGNORE}, and {IGNORE} means that a pixel has no '
                      "class: set --config.data.palette to a text file with the lines '0 0 0 NAME' and '255 255 255 "
                      "NAME'.")

  def _decode(self, index):
    image, mask = self._pair(index)
    return fit_pair(image, mask, self.options)

  def _pair(self, index):
    key = self._mask_keys[index]
    try:
      image, mask = self._tree.read(self._keys[index]), self._tree.read(key)
    except MemoryError:
      raise
    except Exception as error:  # as in EncodedSource
      raise decode.BrokenImage(f'{type(error).__name__}: {error}') from error
    return decode_pair(image, mask, self._coding, key, self.options)

  def load_full(self, index):
    """{'image': uint8 (h, w, c), 'mask': uint8 (h, w)} in their own size; BrokenImage if they cannot be decoded."""
    image, mask = self._pair(index)
    return {'image': image, 'mask': mask}

  def full_size(self, index):
    """(height, width) of `load_full(index)`, from the head of the image alone."""
    return decode.full_size(self._tree.read(self._keys[index]))

  def fingerprint(self):
    digest = hashlib.sha256(super().fingerprint().encode())
    for key in self._mask_keys:
      digest.update(repr((key, self._tree.signature(key))).encode('utf-8', 'surrogateescape'))
    digest.update(repr(self._coding).encode())
    return digest.hexdigest()[:16]


def open_masks(options, split):
  """The source `masks`: images and masks of the same name in two folders of `options.path`, a folder or a zip archive.

  The folders are `images` (image, imgs, JPEGImages) and `masks` (mask, labels, annotations, SegmentationClass);
  above or below both there may be folders of the splits (train, val, test). Names agree but for their endings. With
  `ImageSets/Segmentation` beside them the splits are its lists of names (see deconv/data/files/voc.py).

  The pixels of a mask are class numbers, or indices into its palette (PNG), whose names are `options.class_names`; or
  they are the colours of the text file `options.palette` (see `read_palette`). 255 is no class.

  Splits: those there are folders or lists for, and `all`; without any, `train` and `all` are both everything.

  Raises:
    UserError: no such split, an image without a mask, or a mask with a value or colour of no class.
  """
  if not options.path:
    raise UserError("data source 'masks' needs --config.data.path=FOLDER, with the folders images and masks.")
  if options.palette:
    coding = read_palette(options.palette)
  elif len(options.class_names) > 1:
    coding = MaskCoding(options.class_names)
  else:
    raise UserError("data source 'masks' needs the names of the classes 0, 1, ...: --config.data.class_names=\"('a', "
                    "'b')\", or --config.data.palette=FILE for masks whose colours are the classes.")
  from deconv.data.files import voc  # which stands on this module
  if voc.is_voc(options.path):
    return voc.open_lists('masks', options.path, coding, options, split)
  tree = trees.Folder(options.path) if os.path.isdir(options.path) else trees.Zip(options.path)
  splits = _pairs(tree)
  return MaskSource('masks', tree, source_lib.choose_split(f'masks {options.path}', split, splits), coding, options)


def _pairs(tree):
  """{split: [(image, mask)]}; UserError when there are none, or an image has no mask."""
  images, masks = {}, {}
  for name in tree.names():
    parts = name.split('/')
    for place, part in enumerate(parts[:-1]):
      kind = images if part.lower() in _IMAGE_FOLDERS else masks if part.lower() in _MASK_FOLDERS else None
      if kind is not None:
        kind['/'.join([*parts[:place], *parts[place + 1:]]).rsplit('.', 1)[0]] = name
        break
  if not images or not masks:
    missing = 'images' if not images else 'masks'
    raise UserError(f"there is no folder '{missing}' with PNG, JPEG or WebP files in {tree.path}: put the images into "
                    'the folder images, the masks into masks, and set --config.data.path to the folder of both.')
  lonely = sorted(set(images) - set(masks))
  if lonely:
    raise UserError(f'{len(lonely)} of the {len(images)} images in {tree.path} have no mask, the first '
                    f'{images[lonely[0]]}: give each a mask of the same name in the folder masks, or remove the image.')
  splits = {'all': sorted(images)}
  for key in splits['all']:
    for part in key.split('/')[:-1]:
      if part.lower() in folders.SPLIT_FOLDERS:
        splits.setdefault(folders.SPLIT_FOLDERS[part.lower()], []).append(key)
        break
  if len(splits) == 1:
    splits['train'] = splits['all']
  return {split: [(images[key], masks[key]) for key in keys] for split, keys in splits.items()}
