"""Batches made ahead of the step by worker threads or processes, in order."""

import itertools
import multiprocessing
import multiprocessing.connection
import os
import threading

from absl import flags

_ENDLESS = 2**40  # steps: longer than any run, and an index that every platform can hold


class _Made:
  """Batches that need no workers: an image already in memory costs less than handing it over."""

  def __init__(self, make, steps):
    self._batches = map(make, steps)

  def __iter__(self):
    return self

  def __next__(self):
    return next(self._batches)

  def close(self):
    self._batches = iter(())


class _Steps:
  """The batches of consecutive steps as a random-access source, which is all that grain asks for."""

  def __init__(self, make, source, first, length):
    self._make, self._source, self._first, self._length = make, source, first, length
    self._told = len(source.broken)  # what is copied into a worker process is known here

  def __len__(self):
    return self._length

  def __getitem__(self, index):
    batch = self._make(self._first + index)
    # Only what is new, as there may be thousands. Threads may tell the same twice; a process has one that asks.
    told = self._told
    broken = self._source.broken_since(told)
    self._told = told + len(broken)
    return {'batch': batch, 'broken': broken}


class _Ahead:
  """Iterates grain's batches and tells the source here what its copies in worker processes found broken."""

  def __init__(self, batches, source):
    self._batches, self._source = batches, source

  def __iter__(self):
    return self

  def __next__(self):
    made = next(self._batches)
    for index, reason in made['broken']:
      self._source.note_broken(index, reason)
    return made['batch']

  def close(self):
    self._batches.close()


def prefetch(make, first, length, source, options):
  """Iterates make(first), make(first + 1), ...

  Args:
    make: step -> batch; a pure function that can be pickled when `options.worker_kind` is 'process'.
    first: the first step.
    length: number of batches; None is endless.
    source: the Source that `make` reads.
    options: DataOptions; `workers`, `worker_kind` and `prefetch` are used.

  Returns:
    An iterator with `close()`, which ends its threads or processes.
  """
  if source.ready:
    return _Made(make, itertools.count(first) if length is None else range(first, first + length))
  import grain

  steps = grain.MapDataset.source(_Steps(make, source, first, _ENDLESS if length is None else length))
  if options.worker_kind == 'thread':
    # One element is one batch, so at least as many are in the making as there are threads.
    batches = steps.to_iter_dataset(grain.ReadOptions(options.workers, max(options.workers, options.prefetch)))
  else:
    _parse_flags()
    ahead = max(1, options.prefetch // options.workers)
    # After a run that was killed, Python's resource tracker warns of what it releases.
    os.environ.setdefault('PYTHONWARNINGS', 'ignore:resource_tracker')
    batches = steps.to_iter_dataset(grain.ReadOptions(1, 1)).mp_prefetch(
      grain.MultiprocessingOptions(options.workers, per_worker_buffer_size=ahead), _end_with_parent
    )
  return _Ahead(iter(batches), source)


def _parse_flags():
  # grain's worker processes look up absl flags, which notebooks and tests never parse.
  if not flags.FLAGS.is_parsed():
    flags.FLAGS.mark_as_parsed()


def _end_with_parent(worker, workers):
  """Called in each worker process: a thread ends it when the process that takes its batches is gone.

  One that was killed cannot end its workers. When the last of them has ended, the resource tracker of Python, a process
  too, releases the shared memory that they filled.
  """
  del worker, workers  # which of how many
  threading.Thread(target=_wait_for_parent, name='parent', daemon=True).start()


def _wait_for_parent():
  multiprocessing.connection.wait([multiprocessing.parent_process().sentinel])
  os._exit(1)
