"""Sources of image files, each with the file of its mask."""

import hashlib

import numpy as np

from deconv.data.files import decode
from deconv.data.files.folders import FileSource
from deconv.errors import UserError
from deconv.options.data import IGNORE

_LOOKED_AT = 10  # masks that are read when a source is opened


def decode_pair(image, mask, coding, title, options):
  """Decodes the bytes of an image and of its mask.

  Args:
    image, mask: bytes of the files.
    coding: a MaskCoding.
    title: what to call the mask in messages.
    options: DataOptions; `channels`, `background` and `max_pixels` are used.

  Returns:
    (image, mask): uint8 (h, w, channels) and uint8 (h, w), in their own size.

  Raises:
    BrokenImage: one of them cannot be decoded, or they are not of one size.
    UserError: a pixel of the mask is of no class.
  """
  image, mask = decode.decode_full(image, options), coding.decode(mask, title, options.max_pixels)
  if image.shape[:2] != mask.shape:
    height, width = image.shape[:2]
    raise decode.BrokenImage(
      f'its mask {title} is {mask.shape[1]}x{mask.shape[0]} and the image {width}x{height}: they must be of one size'
    )
  return image, mask


def fit_pair(image, mask, options):
  """{'image', 'mask'} of `options.image_shape`, of an image uint8 (h, w, c) and its mask uint8 (h, w)."""
  return {'image': decode.fit(image, options), 'mask': decode.fit_mask(mask, options)}


class MaskSource(FileSource):
  """Image files and the mask file of each.

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
    self._coding = coding
    self._mask_keys = [mask for _, mask in pairs]
    super().__init__(name, tree, [image for image, _ in pairs], None, options, mask_names=coding.names)
    self._check_masks()

  def _check_masks(self):
    """UserError where all of the first masks hold 0 and 255 alone: 255 was meant to be a class."""
    values = set()
    for key in self._mask_keys[:_LOOKED_AT]:
      try:
        mask = self._coding.decode(self._read_file(key), key, self.options.max_pixels)
      except decode.BrokenImage:
        continue
      values.update(np.unique(mask).tolist())
    if values == {0, IGNORE} and not self._coding.colours:
      raise UserError(
        f'the masks of {self.place} hold only 0 and {IGNORE}, and {IGNORE} means that a pixel has no '
        "class: set --config.data.palette to a text file with the lines '0 0 0 NAME' and '255 255 255 "
        "NAME'."
      )

  def _decode(self, index):
    image, mask = self._pair(index)
    return fit_pair(image, mask, self.options)

  def _pair(self, index):
    key = self._mask_keys[index]
    return decode_pair(self._read_file(self._keys[index]), self._read_file(key), self._coding, key, self.options)

  def _read_file(self, key):
    try:
      return self._tree.read(key, self.options.max_bytes)
    except MemoryError:
      raise
    except Exception as error:  # as in EncodedSource
      raise decode.BrokenImage(f'{type(error).__name__}: {error}') from error

  def load_full(self, index):
    """{'image': uint8 (h, w, c), 'mask': uint8 (h, w)} in their own size; BrokenImage if they cannot be decoded."""
    image, mask = self._pair(index)
    return {'image': image, 'mask': mask}

  def _all_keys(self):
    return [*self._keys, *self._mask_keys]

  def _take_fingerprint(self):
    digest = hashlib.sha256(super()._take_fingerprint().encode())
    for key in self._mask_keys:
      digest.update(repr((key, self._tree.signature(key))).encode('utf-8', 'surrogateescape'))
    digest.update(repr(self._coding).encode())
    return digest.hexdigest()[:16]
