"""Batches: dicts of host arrays, `image` uint8 (batch, h, w, c), `label` int32 (batch,) where there are labels, `mask`
uint8 (batch, h, w) where there are masks."""

import math

import numpy as np

from deconv.data.feed import memory, order
from deconv.data.feed.prefetch import prefetch
from deconv.errors import UserError
from deconv.options.data import IGNORE


class TrainBatches:
  """Endless shuffled batches; which images stand in a batch is a function of (seed, step) alone.

  Each epoch is a new permutation of the images, whose incomplete last batch is dropped. Workers, prefetching and the
  number of processes change nothing: every process makes its slice of the same global batch.

  Args:
    source: a Source.
    batch_size: images a step, over all processes.
    seed: of the order and of `flip`.
    options: DataOptions; `memory_limit_mb`, `workers`, `worker_kind`, `prefetch` and `flip` are used.
    process_index: which process this is.
    process_count: number of processes that share each batch.
    names_images: whether batches have 'index', see `at`.

  Raises:
    UserError: fewer images than a batch, a batch that the processes cannot divide, or `vary` for a source without
      factors.
  """

  def __init__(self, source, batch_size, seed, options, process_index=0, process_count=1, names_images=False):
    if batch_size < 1:
      raise UserError(f'the batch size is {batch_size}: it must be at least 1.')
    if len(source) < batch_size:
      raise UserError(
        f'{source.name} has {len(source)} images, fewer than a batch of {batch_size}: '
        'lower --config.train.batch_size or give more images.'
      )
    if options.vary and len(options.vary) != len(source.factor_sizes):
      names = ', '.join(source.factor_names) or 'none'
      raise UserError(
        f'data.vary has {len(options.vary)} weights: it needs one for each factor of {source.name} ({names}).'
      )
    self._local = _local_slice(batch_size, process_index, process_count)
    self.source = memory.hold(source, options)
    self.batch_size = batch_size
    self.seed = seed
    self.options = options
    self._names_images = names_images

  @property
  def steps_per_epoch(self):
    """Number of full batches in a pass over the images."""
    return len(self.source) // self.batch_size

  def indices(self, step):
    """Indices (batch_size,) of the images of the global batch of this step."""
    if self.options.vary:
      return self.source.index_of(self._varying(step)[0] + self.source.factor_offsets)
    return order.epoch_indices(len(self.source), self.batch_size, self.seed, step)

  def _varying(self, step):
    return order.varying_factors(self.source.factor_sizes, self.options.vary, self.batch_size, self.seed, step)

  def at(self, step):
    """The local batch of any step: {'image': uint8 (local, h, w, c), 'label': int32 (local,), 'mask': uint8 (local, h,
    w)}, the latter two where there are such; with `vary` also 'varies' int32 (local,), the factor that does; with
    `names_images` also 'index' int32 (local,), the number of each image in the source."""
    indices = self.indices(step)[self._local]
    batch = self.source.take(indices)
    if self._names_images:
      batch['index'] = np.asarray(indices, np.int32)
    if self.options.vary:
      batch['varies'] = np.full(len(batch['image']), self._varying(step)[1], np.int32)
    if self.options.flip:
      mirrored = order.flips(self.batch_size, self.seed, step)[self._local]
      batch['image'] = np.where(mirrored[:, None, None, None], batch['image'][:, :, ::-1], batch['image'])
      if 'mask' in batch:
        batch['mask'] = np.where(mirrored[:, None, None], batch['mask'][:, :, ::-1], batch['mask'])
    return batch

  def iterate(self, first_step=0):
    """An endless iterator of the local batches from `first_step` on, made ahead by workers; `close()` ends them."""
    return prefetch(self.at, first_step, None, self.source, self.options)


class EvalBatches:
  """One ordered pass over all images; every batch has `weight` float32 (batch,), 1 for an image and 0 for padding.

  The last batch is padded with zeros, its masks with IGNORE. Files that cannot be decoded have weight 0 too.

  Args:
    source: a Source.
    batch_size: images a step, over all processes.
    process_index: which process this is.
    process_count: number of processes; each gets its slice of every batch.

  Raises:
    UserError: a batch that the processes cannot divide.
  """

  def __init__(self, source, batch_size, process_index=0, process_count=1):
    self._local = _local_slice(batch_size, process_index, process_count)
    self.options = source.options
    self.source = memory.hold(source, self.options)
    self.batch_size = batch_size

  def __len__(self):
    return math.ceil(len(self.source) / self.batch_size)

  def __iter__(self):
    batches = prefetch(self.at, 0, len(self), self.source, self.options)
    try:
      yield from batches
    finally:
      batches.close()

  def at(self, step):
    """The local batch of a step from 0 to len(self) - 1."""
    positions = (step * self.batch_size + np.arange(self.batch_size))[self._local]
    inside = positions < len(self.source)
    batch = self.source.take(np.where(inside, positions, len(self.source) - 1))
    batch['weight'] = np.array(
      [ok and index not in self.source.broken for ok, index in zip(inside, positions)], np.float32
    )
    batch['image'] = np.where(inside[:, None, None, None], batch['image'], np.uint8(0))
    if 'mask' in batch:
      batch['mask'] = np.where(inside[:, None, None], batch['mask'], np.uint8(IGNORE))
    return batch


def _local_slice(batch_size, process_index, process_count):
  if batch_size % process_count:
    raise UserError(
      f'a batch of {batch_size} does not divide among {process_count} processes: '
      f'make the batch size a multiple of {process_count}.'
    )
  local = batch_size // process_count
  return slice(process_index * local, (process_index + 1) * local)
