"""Parts of sources, and sources with more images than they had."""

import dataclasses
import hashlib

import numpy as np

from deconv.data.source import ArraySource, Source
from deconv.errors import UserError


class ChosenSource(Source):
  """Some items of a source, in its order; what they do not say it asks that source.

  Args:
    source: Source.
    indices: int (n,), of the items.
  """

  def __init__(self, source, indices):
    super().__init__(source.name, source.options, source.class_names, source.mask_names, source.place)
    self.procedural, self.broken = source.procedural, source.broken
    self._source, self._indices = source, np.asarray(indices)

  def __len__(self):
    return len(self._indices)

  def __getitem__(self, index):
    if not 0 <= index < len(self):
      raise IndexError(index)
    return self._source[int(self._indices[index])]

  def load(self, indices):
    return self._source.load([int(self._indices[index]) for index in indices])

  @property
  def num_full(self):
    return len(self)

  def load_full(self, index):
    return self._source.load_full(int(self._indices[index]))

  def full_size(self, index):
    return self._source.full_size(int(self._indices[index]))

  def fingerprint(self):
    return self._of(self._source.fingerprint())

  def content_fingerprint(self):
    return self._of(self._source.content_fingerprint())

  def _of(self, fingerprint):
    return hashlib.sha256(fingerprint.encode() + self._indices.astype('<i8').tobytes()).hexdigest()[:16]


def first_of_each_class(source, number):
  """Returns the ChosenSource of the first `number` images of each class.

  Raises:
    UserError: the source has no labels, or a class has fewer images.
  """
  if not source.num_classes:
    raise UserError(f'data.per_class={number} needs labels, and {source.name} has none: leave it at 0.')
  left, chosen = np.full(source.num_classes, number), []
  for index in range(len(source)):
    label = source[index]['label']
    if left[label]:
      left[label] -= 1
      chosen.append(index)
      if not left.any():
        return ChosenSource(source, chosen)
  missing = int(np.argmax(left))
  raise UserError(
    f"data.per_class={number}: class '{source.class_names[missing]}' of {source.name} has {number - left[missing]} "
    'images; lower it.'
  )


def joined(source, images, labels):
  """Returns a source of all items of a labelled source and of more images after them, held in memory.

  Args:
    source: Source of labelled images.
    images: uint8 (n, *source.image_shape).
    labels: integers (n,).
  """
  items = source.take(np.arange(len(source)))
  return ArraySource(
    source.name,
    np.concatenate([items['image'], images]),
    np.concatenate([items['label'], labels]),
    dataclasses.replace(source.options, crop=0),  # it has been made
    source.class_names,
  )
