"""The base class of every source: its defaults, a source by the book of docs/data.md, and splits that are not there."""

import dataclasses
import hashlib
import logging
import pathlib
import re

import numpy as np
import pytest

from deconv.data import DataOptions, EvalBatches, NoSuchSplit, Source, TrainBatches, open_source, sources
from deconv.data.feed import memory
from deconv.data.source import choose_split
from deconv.errors import UserError

OPTIONS = DataOptions(source='rings', image_size=8, channels=1, workers=2)


class Rings(Source):
  """A source by the book: the constructor, the number, the items and the fingerprint, and nothing else."""

  def __init__(self, options, number=30):
    super().__init__('rings', options)
    self._number = number

  def __len__(self):
    return self._number

  def __getitem__(self, index):
    if not 0 <= index < len(self):
      raise IndexError(index)
    rows, columns = np.mgrid[: self.image_shape[0], : self.image_shape[1]]
    image = np.where(np.hypot(rows, columns) < index, 255, 0)[..., None].repeat(self.image_shape[2], -1)
    return {'image': image.astype(np.uint8)}

  def fingerprint(self):
    return f'rings{self._number:011d}'


@pytest.fixture
def rings(monkeypatch):
  """The source `rings` among those of data.source."""
  monkeypatch.setitem(
    sources.SOURCES,
    'rings',
    lambda options, split: Rings(options, choose_split('rings', split, {'train': 30, 'test': 7})),
  )


def test_defaults_say_what_there_is_not():
  source = Rings(OPTIONS)
  assert (source.name, source.place, source.options, source.image_shape) == ('rings', 'rings', OPTIONS, (8, 8, 1))
  assert source.class_names is source.num_classes is source.mask_names is None
  assert source.factor_names == source.factor_sizes == source.factor_offsets == ()
  assert not source.procedural and not source.ready and source.num_full == 30 and source.full_size(3) == (8, 8)
  np.testing.assert_array_equal(source.load_full(3)['image'], source[3]['image'])
  np.testing.assert_array_equal(source.take(np.array([4, 2]))['image'], [source[4]['image'], source[2]['image']])
  assert [int(item['image'].sum()) for item in source.load([2, 1])] == [int(source[i]['image'].sum()) for i in (2, 1)]
  assert len(list(source)) == 30


def test_names_of_classes_and_masks_become_tuples():
  source = Source('named', OPTIONS, class_names=['a', 'b'], mask_names=['c', 'd', 'e'], place='/there')
  assert (source.class_names, source.num_classes, source.mask_names) == (('a', 'b'), 2, ('c', 'd', 'e'))
  assert source.place == '/there'


@pytest.mark.parametrize(
  'ask',
  [
    len,
    lambda source: source[0],
    lambda source: source.fingerprint(),
    lambda source: source.index_of(np.zeros((1, 2), int)),
  ],
)
def test_what_a_source_must_give_has_no_default(ask):
  with pytest.raises(NotImplementedError):
    ask(Source('empty', OPTIONS))


def test_each_source_has_its_own_broken_items_named_once(caplog):
  first, second = Rings(OPTIONS), Rings(OPTIONS)
  with caplog.at_level(logging.WARNING, 'absl'):
    for _ in range(2):
      first.note_broken(4, 'scratched')
    first.note_broken(5, 'quietly', log=False)
  assert first.broken == {4: 'scratched', 5: 'quietly'} and second.broken == {}
  assert [record.getMessage() for record in caplog.records] == [
    'rings: image 4 cannot be decoded and is skipped (scratched); broken so far: 1 of 30'
  ]
  with pytest.raises(UserError, match=r'image 4 in rings cannot be decoded \(scratched\): .*data.on_broken=skip'):
    Rings(dataclasses.replace(OPTIONS, on_broken='error')).note_broken(4, 'scratched')


@pytest.mark.parametrize('limit,kind', [(100, 'thread'), (0, 'thread'), (0, 'process')])
def test_a_source_by_the_book_is_trained_on_and_evaluated(rings, limit, kind):
  options = dataclasses.replace(OPTIONS, memory_limit_mb=limit, worker_kind=kind)
  source = open_source(options)
  batches = TrainBatches(source, 4, 0, options)
  iterator = batches.iterate()
  try:
    for step in range(8):
      made = next(iterator)['image']
      np.testing.assert_array_equal(made, [source[int(i)]['image'] for i in batches.indices(step)])
  finally:
    iterator.close()
  test = EvalBatches(open_source(options, 'test'), 4)
  assert np.concatenate([batch['weight'] for batch in test]).tolist() == [1.0] * 7 + [0.0]
  assert (memory.hold(source, options) is source) == (limit == 0)


@pytest.mark.parametrize('limit', [100, 0])
def test_a_source_by_the_book_is_cut_into_patches(rings, limit):
  options = dataclasses.replace(OPTIONS, fit='patches', image_size=4, memory_limit_mb=limit)
  source = open_source(options)
  assert len(source) == 30 and source.num_full == 30 and source.full_size(2) == (4, 4)
  batches = TrainBatches(source, 4, 0, options)
  np.testing.assert_array_equal(batches.at(0)['image'][0], source.load_full(int(batches.indices(0)[0]))['image'])
  assert sum(batch['weight'].sum() for batch in EvalBatches(source, 4)) == 30


def test_rendered_sources_are_cut_into_patches_too():
  source = open_source(DataOptions(source='scenes', image_size=16, fit='patches', channels=3), 'test')
  assert len(source) == source.num_full == 500 and source[3]['image'].shape == (16, 16, 3)


def test_a_split_that_is_not_there_is_told_from_other_mistakes(rings):
  with pytest.raises(NoSuchSplit, match="^data source 'rings' has no split 'valid': it has test, train.$") as error:
    open_source(OPTIONS, 'valid')
  assert isinstance(error.value, UserError)
  with pytest.raises(UserError) as error:
    open_source(dataclasses.replace(OPTIONS, source='rinks'))
  assert not isinstance(error.value, NoSuchSplit)
  assert str(error.value).startswith("no data source 'rinks' (did you mean 'rings'?): data.source is one of digits, ")


def test_the_example_of_the_documentation(monkeypatch):
  text = (pathlib.Path(__file__).resolve().parents[2] / 'docs' / 'data.md').read_text()
  (example,) = re.findall(r'```python\n(.*?)```', text[text.index('## A source of your own') :], re.DOTALL)
  names = {'np': np, 'hashlib': hashlib}
  exec(compile(example, 'docs/data.md', 'exec'), names)  # what a reader would type
  monkeypatch.setitem(sources.SOURCES, 'rings', names['open_rings'])
  options = dataclasses.replace(OPTIONS, image_size=32)
  train, test = open_source(options), open_source(options, 'test')
  assert (len(train), len(test)) == (1000, 100) and train.fingerprint() != test.fingerprint()
  assert train[0]['image'].shape == (32, 32, 1) and train[0]['image'].max() > 200
  assert TrainBatches(train, 8, 0, options).at(3)['image'].shape == (8, 32, 32, 1)
  assert sum(batch['weight'].sum() for batch in EvalBatches(test, 16)) == 100
  with pytest.raises(NoSuchSplit, match='it has test, train'):
    open_source(options, 'valid')
