"""Small data sets are decoded once and kept in memory, where a batch is one gather."""

import concurrent.futures
import dataclasses
import os
import weakref

from absl import logging
import numpy as np

from deconv.data.source import ArraySource

# What some batches still use.
_HELD = weakref.WeakValueDictionary()


class HeldSource(ArraySource):
  """The items of a source, decoded and held in memory; what the items do not say it asks that source.

  Args:
    source: the Source that was decoded.
    images: uint8 (number, *source.image_shape), its images.
    labels: int32 (number,), or None.
    masks: uint8 (number, height, width), or None.
    options: DataOptions, by which the images were cropped and resized.
  """

  def __init__(self, source, images, labels, masks, options):
    # The crop has been made.
    super().__init__(
      source.name, images, labels, dataclasses.replace(options, crop=0), source.class_names, masks, source.mask_names
    )
    self.place = source.place
    self.broken = source.broken
    self._source = source

  @property
  def num_full(self):
    return self._source.num_full

  def load_full(self, index):
    """As of the source: what is held has lost its size."""
    return self._source.load_full(index)

  def full_size(self, index):
    return self._source.full_size(index)

  def note_broken(self, index, reason, log=True):
    self._source.note_broken(index, reason, log)

  def fingerprint(self):
    """Of the source's files, not of what was made of them."""
    return self._source.fingerprint()

  def content_fingerprint(self):
    return self._source.content_fingerprint()


def hold(source, options):
  """Returns the source with its images in memory when they fit `options.memory_limit_mb`, else the source itself.

  Procedural sources make their images as fast as others read them or keep them themselves, and may have more than an
  image to an item: they stay as they are, and so do others with factors. The same data are decoded once, however many
  batches are made of them and however often they are opened.
  """
  if source.ready or source.procedural or source.factor_sizes:
    return source
  height, width, channels = source.image_shape
  planes = channels + bool(source.mask_names)
  if len(source) * height * width * planes > options.memory_limit_mb * 2**20:
    return source
  key = (
    source.name,
    source.fingerprint(),
    source.content_fingerprint(),
    source.image_shape,
    options.crop,
    options.fit,
    options.background,
    options.on_broken,
    options.max_pixels,
    options.max_file_mb,
    source.mask_names,
  )
  held = _HELD.get(key)
  if held is None:
    held = _HELD[key] = _decode_all(source, options)
  return held


def _decode_all(source, options):
  logging.info('%s: decoding %d images into memory', source.name, len(source))
  images = np.empty((len(source), *source.image_shape), np.uint8)
  masks = np.empty(images.shape[:3], np.uint8) if source.mask_names else None

  def decode(chunk):
    items = source.load(chunk)
    for index, item in zip(chunk, items):
      images[index] = item['image']
      if masks is not None:
        masks[index] = item['mask']
    return [item.get('label') for item in items]

  threads = max(options.workers, os.cpu_count() or 1)
  with concurrent.futures.ThreadPoolExecutor(threads, thread_name_prefix='decode') as pool:
    # In chunks, because a future an image costs as much as decoding a small one.
    chunks = [range(start, min(start + 64, len(source))) for start in range(0, len(source), 64)]
    try:
      labels = [label for chunk in pool.map(decode, chunks) for label in chunk]
    except BaseException:
      pool.shutdown(wait=False, cancel_futures=True)
      raise
  labels = None if labels[0] is None else np.array(labels, np.int32)
  return HeldSource(source, images, labels, masks, options)
