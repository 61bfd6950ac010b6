"""Sources with factors: random access, splits, and batches in which one factor varies."""

import dataclasses
import functools

import numpy as np
import pytest

from deconv import data
from deconv.data.feed import memory, order
from deconv.data.rendered.factors import FactorSource
from deconv.errors import UserError

OPTIONS = data.DataOptions(image_size=4)


def paint(factors, size):
  """Images that hold their factors."""
  images = np.zeros((len(factors), size, size, 1), np.uint8)
  images[:, 0, : factors.shape[1], 0] = factors
  return images


def make(**kwargs):
  return FactorSource('painted', OPTIONS, {'a': 3, 'b': 4, 'c': 5}, functools.partial(paint, size=4), 1, **kwargs)


def test_items_are_the_whole_grid_each_once():
  source = make(offsets={'b': 10}, label='a', class_names=('x', 'y', 'z'))
  assert len(source) == 60
  rows = source.factors_of(np.arange(60))
  assert len(np.unique(rows, axis=0)) == 60
  assert rows.min(axis=0).tolist() == [0, 10, 0] and rows.max(axis=0).tolist() == [2, 13, 4]
  assert np.array_equal(source.index_of(rows), np.arange(60))
  item = source[37]
  assert item['factors'].tolist() == [1, 13, 2] and item['label'] == 1
  assert item['image'][0, :3, 0].tolist() == [1, 13, 2]
  with pytest.raises(IndexError):
    source[60]


def test_rows_are_the_items():
  source = make(rows=[[0, 1, 2], [2, 3, 4]])
  assert len(source) == 2 and source[1]['factors'].tolist() == [2, 3, 4] and 'label' not in source[1]


def test_skipped_items_are_left_out():
  source = make(skip=[59, 2, 3, 17])
  whole = make().factors_of(np.arange(60))
  assert len(source) == 56
  assert np.array_equal(source.factors_of(np.arange(56)), np.delete(whole, [2, 3, 17, 59], axis=0))
  assert source.fingerprint() != make().fingerprint()
  with pytest.raises(UserError, match='data.split=all'):
    source.index_of(whole)


def test_shapes_are_never_in_both_splits():
  options = data.DataOptions(source='shapes', image_size=8)
  train, test = data.open_source(options), data.open_source(options, 'test')
  whole = data.open_source(options, 'all')
  assert len(train) + len(test) == len(whole) == 737_280
  rows = [source.factors_of(np.arange(len(source))) for source in (train, test)]
  found = whole.index_of(np.concatenate(rows))
  assert np.array_equal(np.sort(found), np.arange(len(whole)))


def test_fingerprint_tells_splits_and_versions_apart():
  found = {
    make().fingerprint(),
    make(offsets={'a': 1}).fingerprint(),
    make(rows=[[0, 0, 0]]).fingerprint(),
    FactorSource('painted', OPTIONS, {'a': 3, 'b': 4, 'c': 5}, paint, 2).fingerprint(),
  }
  assert len(found) == 4 and make().fingerprint() in found


def test_sampled_factors_are_those_of_the_split():
  rows = make(offsets={'c': 7}).sample_factors(np.random.RandomState(0), 500)
  assert rows.dtype == np.int32
  assert [sorted(set(column)) for column in rows.T] == [[0, 1, 2], [0, 1, 2, 3], [7, 8, 9, 10, 11]]


@pytest.mark.parametrize('name', ['shapes', 'heads'])
def test_open_sources(name):
  options = data.DataOptions(source=name, image_size=16)
  train, test = data.open_source(options), data.open_source(options, 'test')
  assert train.image_shape == (16, 16, 1) and len(train) > 500_000 and 1000 < len(test) < 5000
  assert memory.hold(train, options) is train and memory.hold(test, options) is test
  item = train[123456]
  assert item['image'].dtype == np.uint8 and item['image'].shape == (16, 16, 1) and item['image'].max() > 60
  assert np.array_equal(item['image'], train.load([5, 123456])[1]['image'])  # whatever it is loaded with
  assert train.fingerprint() != test.fingerprint()
  colour = data.open_source(dataclasses.replace(options, channels=3))[123456]['image']
  assert colour.shape == (16, 16, 3) and np.array_equal(colour[..., 1:2], item['image'])
  with pytest.raises(UserError, match="has no split 'valid'"):
    data.open_source(options, 'valid')


def test_train_batches_carry_factors():
  options = data.DataOptions(source='shapes', image_size=16, workers=2)
  batches = data.TrainBatches(data.open_source(options), 8, 0, options)
  stream = batches.iterate(3)
  batch = next(stream)
  stream.close()
  assert np.array_equal(batch['image'], batches.at(3)['image'])
  assert batch['factors'].shape == (8, 5) and np.array_equal(batch['label'], batch['factors'][:, 0])
  source = batches.source
  assert np.array_equal(batch['image'], source.render(batch['factors']))
  held = data.EvalBatches(data.open_source(options, 'test'), 1000)
  assert len(held) == 5 and held.at(4)['weight'].sum() == 96 and held.at(4)['factors'].shape == (1000, 5)


def test_one_factor_varies_in_each_batch():
  options = dataclasses.replace(OPTIONS, vary=(1.0, 0.0, 3.0))
  batches = data.TrainBatches(make(offsets={'a': 2}), 6, 0, options)
  counts = np.zeros(3)
  for step in range(200):
    batch = batches.at(step)
    varies = batch['varies']
    assert varies.shape == (6,) and len(set(varies)) == 1
    differ = (batch['factors'] != batch['factors'][0]).any(axis=0)
    assert not differ[np.arange(3) != varies[0]].any()
    assert batch['image'][:, 0, :3, 0].tolist() == batch['factors'].tolist()
    counts[varies[0]] += differ.any()
  assert counts[1] == 0 and 0.15 < counts[0] / 200 < 0.35 and counts[2] > 120
  again = data.TrainBatches(make(offsets={'a': 2}), 6, 0, options)
  assert np.array_equal(again.at(77)['factors'], batches.at(77)['factors'])
  shares = [data.TrainBatches(make(offsets={'a': 2}), 6, 0, options, i, 2).at(5) for i in range(2)]
  assert np.array_equal(np.concatenate([share['factors'] for share in shares]), batches.at(5)['factors'])


def test_varying_factors_by_weight():
  found = [order.varying_factors((31, 31, 31, 900), (1, 1, 1, 10), 2, 0, step)[1] for step in range(2000)]
  shares = np.bincount(found, minlength=4) / 2000
  assert shares == pytest.approx([1 / 13, 1 / 13, 1 / 13, 10 / 13], abs=0.03)


def test_wrong_weights():
  with pytest.raises(UserError, match=r'needs one for each factor of painted \(a, b, c\)'):
    data.TrainBatches(make(), 4, 0, dataclasses.replace(OPTIONS, vary=(1.0, 1.0)))
  with pytest.raises(UserError, match='needs one for each factor of digits'):
    data.TrainBatches(data.open_source(data.DataOptions()), 4, 0, data.DataOptions(vary=(1.0,)))
  with pytest.raises(UserError, match='data.vary'):
    data.DataOptions(vary=(0.0, 0.0))
