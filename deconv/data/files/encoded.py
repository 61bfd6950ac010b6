"""Sources whose images are encoded (PNG, JPEG, WebP, BMP, PGM, PPM) and decoded as they are read."""

import numpy as np

from deconv.data.files import decode, trees
from deconv.data.source import Source
from deconv.errors import UserError


class EncodedSource(Source):
  """The common part: decoding, and what happens to images that cannot be decoded.

  With `options.on_broken == 'skip'` a broken image is replaced by the next one that can be decoded (after the last
  comes the first), so that every index has an image and the order of the others stays. A subclass gives `_read`,
  `__len__` and `fingerprint`, and `_title` where an image has a name.

  Args:
    name: what to call it.
    place: the folder or archive, for messages.
    options: DataOptions.
    class_names: names of the classes; None where there are no labels.
    mask_names: names of the classes of the masks; None where there are no masks.
  """

  def __init__(self, name, place, options, class_names=None, mask_names=None):
    super().__init__(name, options, class_names, mask_names, place)
    self._after = {}  # {broken index: one behind it before which all are broken}

  def _read(self, index):
    """(bytes of the image file, label or None); any exception means that the image is broken."""
    raise NotImplementedError

  def check(self):
    """Decodes up to the first image that is not broken: a set of nothing else is the user's mistake, now.

    Raises:
      UserError: none can be decoded; or, with `on_broken == 'error'`, the first cannot.
    """
    if len(self):
      self._first_readable(0, log=False)
      for number, (index, reason) in enumerate(self.broken_since(0), 1):
        self._warn(index, reason, number)

  def __getitem__(self, index):
    if not 0 <= index < len(self):
      raise IndexError(index)
    return self._first_readable(index)

  def load_full(self, index):
    """{'image': uint8 (height, width, channels)} at the file's own size; BrokenImage when it cannot be decoded."""
    return {'image': decode.decode_full(self._bytes(index)[0], self.options)}

  def full_size(self, index):
    """(height, width) of `load_full(index)`, from the head of the file alone."""
    return decode.full_size(self._bytes(index)[0], self.options)

  def _first_readable(self, index, log=True):
    candidate, passed = index, []
    while len(self.broken) < len(self):
      if candidate in self.broken:
        passed.append(candidate)
        candidate = self._after.get(candidate, (candidate + 1) % len(self))
        continue
      try:
        item = self._decode(candidate)
      except decode.BrokenImage as error:
        self.note_broken(candidate, str(error), log)
        continue
      for broken in passed:  # where nearly all are broken, the next one would be looked for again and again
        self._after[broken] = candidate
      return item
    index, reason = min(self.broken_since(0))
    raise UserError(
      f'none of the {len(self)} images in {self.place} can be decoded (the first is '
      f'{self._title(index)}: {reason}): set --config.data.path to a set of {trees.KINDS} images.'
    )

  def _decode(self, index):
    return self._item(*self._bytes(index))

  def _bytes(self, index):
    """(bytes, label); BrokenImage when they cannot be read."""
    try:
      return self._read(index)
    except MemoryError:
      raise
    except Exception as error:  # damaged archives raise zlib.error, BadZipFile, RuntimeError, EOFError, OSError
      raise decode.BrokenImage(f'{type(error).__name__}: {error}') from error

  def _item(self, data, label):
    item = {'image': decode.decode(data, self.options)}
    if self.num_classes is not None:
      item['label'] = np.int32(label)
    return item
