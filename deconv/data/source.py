"""What a data source is, and the source whose images are an array."""
import hashlib
from typing import Protocol

import numpy as np

from deconv.data.files import decode
from deconv.errors import UserError


class Source(Protocol):
  """A finite set of images in a fixed order, each the same whenever it is read.

  Attributes:
    name: what to call it in messages and records.
    image_shape: (height, width, channels).
    num_classes: number of classes, None where there are no labels.
    class_names: names in the order of the labels, None where there are none.
    mask_names: optional; names of the classes 0, 1, ... of the masks, None where there are none.
  """
  name: str
  image_shape: tuple[int, int, int]
  num_classes: int | None
  class_names: tuple[str, ...] | None

  def __len__(self) -> int:
    """Number of images."""

  def __getitem__(self, index) -> dict[str, np.ndarray]:
    """{'image': uint8 (height, width, channels), 'label': int32 scalar where known, 'mask': uint8 (height, width) of
    classes where there are masks, IGNORE where there is none}."""

  def load_full(self, index) -> dict[str, np.ndarray]:
    """Optional. The image and the mask in their own size, as they were before they were made `image_shape`."""

  def fingerprint(self) -> str:
    """Sixteen hex digits that change with the data."""


class ArraySource:
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
    self.name = name
    self.options = options
    self.image_shape = options.image_shape
    self.class_names = None if class_names is None else tuple(class_names)
    self.num_classes = None if class_names is None else len(self.class_names)
    self.broken = {}
    self._images = images if images.ndim == 4 else images[..., None]
    self._labels = None if labels is None else np.asarray(labels, np.int32)
    self.mask_names = None if mask_names is None else tuple(mask_names)
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
    """A dict of arrays with one row an index; only where `ready`."""
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
  """Returns `splits[split]`; UserError naming the splits that there are when it is missing."""
  if split not in splits:
    raise UserError(f"data source '{source}' has no split '{split}': it has {', '.join(sorted(splits))}.")
  return splits[split]
