"""What a data source is, and the source whose images are an array."""

import hashlib
import itertools
import multiprocessing
import threading

from absl import logging
import numpy as np

from deconv.data.files import decode
from deconv.errors import UserError

# One for all sources, because worker processes are sent copies of a source, and a lock cannot be sent.
_NOTING = threading.Lock()


class NoSuchSplit(UserError):
  """The source has no split of this name; it may have others."""


class Source:
  """A finite set of images in a fixed order, each the same whenever it is read: the base class of every source.

  A subclass calls this constructor and gives `__len__`, `__getitem__` and `fingerprint`. The other members have a
  default that is right for every source; a subclass overrides those that it knows better. Several threads read a source
  at once, and worker processes get a copy of it by pickle.

  Args:
    name: what to call it in messages and records.
    options: DataOptions.
    class_names: names in the order of the labels; None where there are no labels.
    mask_names: names of the classes 0, 1, ... of the masks; None where there are no masks.
    place: the folder or archive, for messages; None is the name.

  Attributes:
    name, options, class_names, mask_names, place: the arguments.
    image_shape: (height, width, channels) of an item.
    num_classes: number of classes; None where there are no labels.
    broken: {index: reason} of the items that could not be read so far and were replaced by others.
    procedural: whether the items are made and not read, so that they are not to be held in memory.
    ready: whether `take` is one gather from arrays in memory.
    factor_names: names of the factors that the items are made from; () where these are not known.
    factor_sizes: number of values of each factor in this split.
    factor_offsets: the first value of each factor in this split.
  """

  procedural = False
  ready = False
  factor_names = factor_sizes = factor_offsets = ()

  def __init__(self, name, options, class_names=None, mask_names=None, place=None):
    self.name = name
    self.options = options
    self.place = name if place is None else place
    self.image_shape = options.image_shape
    self.class_names = None if class_names is None else tuple(class_names)
    self.num_classes = None if class_names is None else len(self.class_names)
    self.mask_names = None if mask_names is None else tuple(mask_names)
    self.broken = {}

  def __len__(self):
    """Number of items."""
    raise NotImplementedError

  def __getitem__(self, index):
    """{'image': uint8 (height, width, channels), 'label': int32 scalar where there are labels, 'mask': uint8 (height,
    width) of classes where there are masks, IGNORE where a pixel has none}; IndexError beyond the last item."""
    raise NotImplementedError

  def fingerprint(self):
    """Sixteen hex digits that change with the data."""
    raise NotImplementedError

  def content_fingerprint(self):
    """The same where `fingerprint` is of what the data hold; to be overridden where that is of names and sizes alone.

    Two and not one, because runs that were begun before have recorded the other one.
    """
    return self.fingerprint()

  def load(self, indices):
    """The items of many indices, as a list; to be overridden where many are read faster than one by one."""
    return [self[index] for index in indices]

  def take(self, indices):
    """A dict of arrays with one row an index, in that order."""
    items = self.load([int(index) for index in indices])
    return {name: np.stack([item[name] for item in items]) for name in items[0]}

  @property
  def num_full(self):
    """Number of whole images, which `load_full(0)` to `load_full(num_full - 1)` give."""
    return len(self)

  def load_full(self, index):
    """The image and the mask in their own size, as they were before they were made `image_shape`."""
    return self[index]

  def full_size(self, index):
    """(height, width) of `load_full(index)`; to be overridden where it is known without reading all of the image."""
    return self.load_full(index)['image'].shape[:2]

  def index_of(self, factors):
    """The items (n,) of factors int (n, k); only where there are factors."""
    raise NotImplementedError

  def note_broken(self, index, reason, log=True):
    """Counts an item that cannot be read, and names it in the log the first time.

    Args:
      index: of the item.
      reason: str, why not.
      log: whether to name it.

    Raises:
      UserError: `options.on_broken` is 'error'.
    """
    if index in self.broken:
      return
    if self.options.on_broken == 'error':
      raise UserError(
        f'{self._title(index)} in {self.place} cannot be decoded ({reason}): mend or remove it, or set '
        '--config.data.on_broken=skip.'
      )
    number = self._count_broken(index, reason)
    if number is None:
      return
    if log and multiprocessing.parent_process() is None:  # workers tell the main process, which names it once
      self._warn(index, reason, number)

  def broken_since(self, number):
    """[(index, reason)] of the items that were found broken after the first `number`, while other threads find more."""
    if len(self.broken) <= number:
      return []
    with _NOTING:  # nobody goes through the dict while it grows
      return list(itertools.islice(self.broken.items(), number, None))

  def _count_broken(self, index, reason):
    """Adds to `broken`, as nobody else does; returns how many there are now, None where the item was among them."""
    with _NOTING:
      if index in self.broken:
        return None
      self.broken[index] = reason
      return len(self.broken)

  def _title(self, index):
    """What to call one item in messages."""
    return f'image {index}'

  def _warn(self, index, reason, number):
    logging.warning(
      '%s: %s cannot be decoded and is skipped (%s); broken so far: %d of %d',
      self.name,
      self._title(index),
      reason,
      number,
      len(self),
    )


class ArraySource(Source):
  """Images in memory.

  Args:
    name: what to call it.
    images: uint8 (number, height, width) or (number, height, width, channels), of any height and width.
    labels: integers (number,), or None.
    options: DataOptions; images of another size or number of channels are cropped and resized as they are read.
    class_names: names of the classes; None where there are no labels.
    masks: uint8 (number, height, width), or None.
    mask_names: names of the classes of the masks; None where there are none.
  """

  def __init__(self, name, images, labels, options, class_names=None, masks=None, mask_names=None):
    super().__init__(name, options, class_names, mask_names)
    self._images = images if images.ndim == 4 else images[..., None]
    self._labels = None if labels is None else np.asarray(labels, np.int32)
    self._masks = masks

  def __len__(self):
    return len(self._images)

  def __getitem__(self, index):
    if not 0 <= index < len(self):
      raise IndexError(index)
    image = self._images[index]
    item = {'image': image if self.ready else decode.fit(image, self.options)}
    if self._labels is not None:
      item['label'] = self._labels[index]
    if self._masks is not None:
      item['mask'] = self._masks[index] if self.ready else decode.fit_mask(self._masks[index], self.options)
    return item

  def load_full(self, index):
    """{'image', 'mask' where there are masks}, as they were handed in."""
    item = {'image': self._images[index]}
    return item if self._masks is None else {**item, 'mask': self._masks[index]}

  @property
  def ready(self):
    """Whether the array already has the shape that the network sees."""
    side = min(self._images.shape[1:3])
    return self._images.shape[1:] == self.image_shape and self.options.crop in (0, side)

  def take(self, indices):
    if not self.ready:
      return super().take(indices)
    batch = {'image': self._images[indices]}
    if self._labels is not None:
      batch['label'] = self._labels[indices]
    if self._masks is not None:
      batch['mask'] = self._masks[indices]
    return batch

  def fingerprint(self):
    digest = hashlib.sha256(repr(self._images.shape).encode())
    digest.update(np.ascontiguousarray(self._images))
    if self._labels is not None:
      digest.update(np.ascontiguousarray(self._labels))
    if self._masks is not None:
      digest.update(np.ascontiguousarray(self._masks))
    return digest.hexdigest()[:16]


def choose_split(source, split, splits):
  """Returns `splits[split]`; NoSuchSplit naming the splits that there are when it is missing."""
  if split not in splits:
    raise NoSuchSplit(f"data source '{source}' has no split '{split}': it has {', '.join(sorted(splits))}.")
  return splits[split]
