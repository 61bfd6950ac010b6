"""A source whose items are made when they are asked for, and kept."""

import hashlib

from deconv.data.source import Source


class RenderedSource(Source):
  """Items with masks that are a function of their number.

  An item is rendered when it is first read and then kept, where all of them fit `options.memory_limit_mb`: so a short
  run renders few, and a long one each of them once.

  Args:
    name: what to call it.
    options: DataOptions.
    numbers: a range, the numbers of the items.
    render: number -> {'image': uint8 of options.image_shape, 'mask': uint8 (height, width)}; a pure function that can
      be pickled.
    version: whatever the pictures follow from besides their numbers and shape, to be changed when the renderer makes
      others: part of the fingerprint.
    mask_names: names of the classes of the masks.
  """

  procedural = True

  def __init__(self, name, options, numbers, render, version, mask_names):
    super().__init__(name, options, mask_names=mask_names)
    self._numbers = numbers
    self._render = render
    self._version = version
    height, width, channels = self.image_shape
    self._keeps = len(numbers) * height * width * (channels + 1) <= options.memory_limit_mb * 2**20
    self._kept = {}

  def __len__(self):
    return len(self._numbers)

  def __getitem__(self, index):
    """{'image': uint8 (h, w, c), 'mask': uint8 (h, w)}."""
    if not 0 <= index < len(self):
      raise IndexError(index)
    item = self._kept.get(index)
    if item is None:
      item = self._render(self._numbers[index])
      for array in item.values():
        array.flags.writeable = False
      if self._keeps:
        self._kept[index] = item  # two threads may have rendered the same, which is no harm
    return dict(item)

  def full_size(self, index):
    return self.image_shape[:2]

  def fingerprint(self):
    # Not of rendered pixels: the last bit of a sine differs between processors, and a run may move.
    about = self.name, self._version, self.image_shape, self._numbers, self.mask_names
    return hashlib.sha256(repr(about).encode()).hexdigest()[:16]

  def __getstate__(self):
    return {**self.__dict__, '_kept': {}}
