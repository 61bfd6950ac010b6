"""Batches: order, slices of processes, workers, flips, broken files, evaluation."""

import dataclasses
import logging
import multiprocessing
import threading
import time

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from deconv.data import ArraySource, DataOptions, EvalBatches, TrainBatches, open_source
from deconv.errors import UserError
from tests.data import pictures

SMALL = DataOptions(image_size=4, channels=1)


def array_source(count, options=SMALL, labels=True):
  images = np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None, None], (count, 4, 4, 1)).copy()
  images[:, :, 0] += 100  # the left column, so that a mirrored image is another one
  return ArraySource(
    'numbers', images, np.arange(count) if labels else None, options, [str(i) for i in range(count)] if labels else None
  )


@pytest.fixture
def folder(tmp_path):
  """Options of a folder of 23 images in two classes, two of them broken, that are never held in memory."""
  files = {f'{"ab"[i % 2]}/{i:03d}.png': pictures.encode(pictures.smooth(20, 16, i)) for i in range(23)}
  files['a/004.png'] = b'text'
  files['b/021.png'] = files['b/021.png'][:90]
  path = pictures.write_folder(tmp_path / 'images', files)
  return DataOptions(source='folder', path=path, image_size=8, channels=3, memory_limit_mb=0, workers=2, flip=True)


def assert_equal(batches, others):
  batches, others = list(batches), list(others)
  assert len(batches) == len(others)
  for batch, other in zip(batches, others):
    assert batch.keys() == other.keys()
    for name in batch:
      np.testing.assert_array_equal(batch[name], other[name])
      assert batch[name].dtype == other[name].dtype


def take(iterator, count):
  try:
    return [{name: np.array(value) for name, value in next(iterator).items()} for _ in range(count)]
  finally:
    iterator.close()


def test_a_batch_names_its_images_where_it_is_asked_to():
  source = array_source(10)
  batches = TrainBatches(source, 4, 0, SMALL, names_images=True)
  for step in range(3):
    batch = batches.at(step)
    assert batch['index'].dtype == np.int32 and 'index' not in TrainBatches(source, 4, 0, SMALL).at(step)
    np.testing.assert_array_equal(batch['index'], batch['label'])


def test_content_and_types():
  batches = TrainBatches(array_source(10), 4, 0, SMALL)
  assert batches.steps_per_epoch == 2
  batch = batches.at(5)
  assert batch['image'].shape == (4, 4, 4, 1) and batch['image'].dtype == np.uint8
  assert batch['label'].dtype == np.int32
  np.testing.assert_array_equal(batch['label'], batches.indices(5))
  np.testing.assert_array_equal(batch['image'][:, 0, 1, 0], batch['label'])
  assert set(TrainBatches(array_source(10, labels=False), 4, 0, SMALL).at(0)) == {'image'}


def test_resume_in_the_middle():
  batches = TrainBatches(array_source(23), 5, 3, SMALL)
  whole = take(batches.iterate(), 20)
  assert_equal(whole[7:], take(TrainBatches(array_source(23), 5, 3, SMALL).iterate(7), 13))
  assert_equal(whole, [batches.at(step) for step in range(20)])


@given(st.integers(0, 2**31), st.integers(0, 100), st.sampled_from([1, 2, 3, 4, 6, 12]))
@settings(max_examples=25, deadline=None)
def test_slices_of_processes_tile_the_global_batch(seed, step, count):
  options = dataclasses.replace(SMALL, flip=True)
  whole = TrainBatches(array_source(31), 12, seed, options).at(step)
  parts = [TrainBatches(array_source(31), 12, seed, options, index, count) for index in range(count)]
  for name in whole:
    np.testing.assert_array_equal(np.concatenate([part.at(step)[name] for part in parts]), whole[name])
  assert all(part.indices(step).shape == (12,) for part in parts)


def test_flip_mirrors_half_of_the_images_and_nothing_else():
  plain = TrainBatches(array_source(64), 64, 0, SMALL).at(0)['image']
  flipped = TrainBatches(array_source(64), 64, 0, dataclasses.replace(SMALL, flip=True)).at(0)['image']
  mirrored = (flipped == plain[:, :, ::-1]).all((1, 2, 3))
  assert (mirrored | (flipped == plain).all((1, 2, 3))).all()
  assert 16 < mirrored.sum() < 48


@pytest.mark.parametrize('kind', ['thread', 'process'])
def test_memory_threads_and_processes_give_the_same_batches(folder, kind, caplog):
  held = TrainBatches(open_source(folder), 5, 1, dataclasses.replace(folder, memory_limit_mb=100))
  source = open_source(folder)
  streamed = TrainBatches(source, 5, 1, dataclasses.replace(folder, worker_kind=kind))
  caplog.clear()
  iterator = streamed.iterate(3)
  with caplog.at_level(logging.WARNING, 'absl'):
    next(iterator)
    assert len(multiprocessing.active_children()) == (2 if kind == 'process' else 0)
    assert_equal(take(held.iterate(4), 11), take(iterator, 11))
  # What the workers found is known here, and named once.
  assert len(source.broken) == 2
  for name in ('a/004.png', 'b/021.png'):
    assert sum(name in record.getMessage() for record in caplog.records) == 1
  assert not multiprocessing.active_children()
  assert_equal([streamed.at(30)], [held.at(30)])


@pytest.mark.parametrize('workers,prefetch', [(1, 1), (3, 1), (1, 5)])
def test_any_number_of_workers(folder, workers, prefetch):
  options = dataclasses.replace(folder, workers=workers, prefetch=prefetch)
  batches = TrainBatches(open_source(options), 4, 0, options)
  assert_equal(take(batches.iterate(), 12), [batches.at(step) for step in range(12)])


def test_close_ends_the_threads(folder):
  before = set(threading.enumerate())
  batches = TrainBatches(open_source(folder), 4, 0, folder).iterate()
  next(batches)
  assert set(threading.enumerate()) - before
  batches.close()
  for _ in range(100):
    left = set(threading.enumerate()) - before
    if not left:
      break
    time.sleep(0.05)
  assert not left


@pytest.mark.parametrize('kind', ['memory', 'thread', 'process'])
def test_a_broken_file_is_an_error_if_so_wanted(folder, kind):
  options = dataclasses.replace(
    folder,
    on_broken='error',
    worker_kind='thread' if kind == 'memory' else kind,
    memory_limit_mb=100 if kind == 'memory' else 0,
  )
  with pytest.raises(UserError, match='(a/004|b/021).png .*cannot be decoded'):
    take(TrainBatches(open_source(options), 5, 0, options).iterate(), 5)


def test_too_few_images():
  with pytest.raises(UserError, match='numbers has 3 images, fewer than a batch of 4'):
    TrainBatches(array_source(3), 4, 0, SMALL)


def test_processes_that_cannot_divide_the_batch():
  for make in (lambda: TrainBatches(array_source(9), 8, 0, SMALL, 0, 3), lambda: EvalBatches(array_source(9), 8, 0, 3)):
    with pytest.raises(UserError, match='batch of 8 does not divide among 3 processes'):
      make()


@pytest.mark.parametrize('count,size', [(10, 4), (8, 4), (3, 8), (1, 1)])
def test_evaluation_is_one_ordered_pass(count, size):
  batches = EvalBatches(array_source(count), size)
  made = list(batches)
  assert len(made) == len(batches) == -(-count // size)
  assert all(batch['image'].shape == (size, 4, 4, 1) and batch['weight'].shape == (size,) for batch in made)
  weight = np.concatenate([batch['weight'] for batch in made])
  assert weight.dtype == np.float32 and weight.sum() == count
  labels = np.concatenate([batch['label'] for batch in made])
  np.testing.assert_array_equal(labels[weight > 0], np.arange(count))
  images = np.concatenate([batch['image'] for batch in made])
  assert not images[weight == 0].any()
  assert_equal(made, list(batches))  # and again


@pytest.mark.parametrize('limit', [0, 100])
def test_broken_files_have_no_weight(folder, limit):
  options = dataclasses.replace(folder, memory_limit_mb=limit)
  made = list(EvalBatches(open_source(options), 5))
  assert sum(batch['weight'].sum() for batch in made) == 21
  assert np.concatenate([batch['weight'] for batch in made])[2] == 0  # a/004.png is the third by name


def test_evaluation_is_shared_among_processes():
  whole = list(EvalBatches(array_source(10), 4))
  parts = [list(EvalBatches(array_source(10), 4, index, 2)) for index in range(2)]
  for step, batch in enumerate(whole):
    for name in batch:
      np.testing.assert_array_equal(np.concatenate([part[step][name] for part in parts]), batch[name])
