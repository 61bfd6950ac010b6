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


def hold(source, options):
  """Returns the source with its images in memory when they fit `options.memory_limit_mb`, else the source itself.

  Procedural sources make their images as fast as others read them or keep them themselves, and may have more than an
  image to an item: they stay as they are. The same data are decoded once, however many batches are made of them and
  however often they are opened.
  """
  if isinstance(source, ArraySource) and source.ready:
    return source
  if getattr(source, 'procedural', False):
    return source
  height, width, channels = source.image_shape
  planes = channels + bool(getattr(source, 'mask_names', None))
  if len(source) * height * width * planes > options.memory_limit_mb * 2**20:
    return source
  key = (source.name, source.fingerprint(), source.image_shape, options.crop, options.fit, options.background,
         options.on_broken, getattr(source, 'mask_names', None))
  held = _HELD.get(key)
  if held is None:
    held = _HELD[key] = _decode_all(source, options)
  return held


def take(source, indices):
  """A dict of arrays with one row an index, in that order."""
  if isinstance(source, ArraySource) and source.ready:
    return source.take(indices)
  items = _load(source, [int(index) for index in indices])
  return {name: np.stack([item[name] for item in items]) for name in items[0]}


def _load(source, indices):
  return source.load(indices) if hasattr(source, 'load') else [source[index] for index in indices]


def _decode_all(source, options):
  logging.info('%s: decoding %d images into memory', source.name, len(source))
  images = np.empty((len(source), *source.image_shape), np.uint8)
  mask_names = getattr(source, 'mask_names', None)
  masks = np.empty(images.shape[:3], np.uint8) if mask_names else None

  def decode(chunk):
    items = _load(source, chunk)
    for index, item in zip(chunk, items):
      images[index] = item['image']
      if mask_names:
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
  # The crop has been made.
  held = ArraySource(source.name, images, labels, dataclasses.replace(options, crop=0), source.class_names, masks,
                     mask_names)
  if hasattr(source, 'load_full'):
    held.load_full = source.load_full  # what is held has lost its size
  held.broken = getattr(source, 'broken', {})
  held.fingerprint = source.fingerprint  # of the files, not of what was made of them
  logging.info('%s: %d images in memory, %.0f MiB', source.name, len(source), images.nbytes / 2**20)
  return held
