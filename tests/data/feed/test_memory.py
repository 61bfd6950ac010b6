"""Which data are held in memory, and that they are decoded once."""

import collections
import dataclasses

import numpy as np
import pytest

from deconv.data import ArraySource, DataOptions, EvalBatches, Source, TrainBatches, open_source
from deconv.data.feed import memory
from tests.data import pictures

OPTIONS = DataOptions(image_size=4, channels=1, memory_limit_mb=1)


class Counting(Source):
  """A source that counts what is read from it."""

  def __init__(self, length):
    super().__init__('counting', OPTIONS, class_names=('a', 'b', 'c'))
    self.length, self.reads = length, collections.Counter()

  def __len__(self):
    return self.length

  def __getitem__(self, index):
    self.reads[index] += 1
    return {'image': np.full((4, 4, 1), index % 256, np.uint8), 'label': np.int32(index % 3)}

  def fingerprint(self):
    return f'abc{self.length}'


def test_decoded_once_for_all_batches():
  source = Counting(300)
  train = TrainBatches(source, 10, 0, OPTIONS)
  evaluate = EvalBatches(source, 7)
  again = Counting(300)  # the same data, opened a second time
  second = TrainBatches(again, 10, 0, OPTIONS)
  for step in range(70):
    np.testing.assert_array_equal(train.at(step)['image'], second.at(step)['image'])
  list(evaluate)
  assert not again.reads
  assert set(source.reads.values()) == {1} and len(source.reads) == 300
  held = memory.hold(source, OPTIONS)
  assert isinstance(held, ArraySource) and held.fingerprint() == 'abc300'
  assert (held.name, held.num_classes, held.class_names) == ('counting', 3, ('a', 'b', 'c'))
  for index in (0, 64, 255, 299):
    assert held[index]['image'].flat[0] == index % 256 and held[index]['label'] == index % 3


def test_other_options_are_other_data():
  images = np.random.RandomState(0).randint(0, 256, (5, 8, 8)).astype(np.uint8)
  whole = dataclasses.replace(OPTIONS, crop=0)
  centre = dataclasses.replace(OPTIONS, crop=4)
  first, second = (memory.hold(ArraySource('array', images, None, options), options) for options in (whole, centre))
  assert (first[0]['image'] != second[0]['image']).any()
  np.testing.assert_array_equal(second[1]['image'][..., 0], images[1, 2:6, 2:6])


def test_the_limit():
  fits = 2**20 // 16
  assert isinstance(memory.hold(Counting(fits), OPTIONS), ArraySource)
  too_large = Counting(fits + 1)
  assert memory.hold(too_large, OPTIONS) is too_large and not too_large.reads


def test_an_array_of_the_right_size_is_not_copied_another_is_fitted():
  images = np.random.RandomState(0).randint(0, 256, (5, 4, 4)).astype(np.uint8)
  source = ArraySource('array', images, None, OPTIONS)
  assert memory.hold(source, OPTIONS) is source and np.shares_memory(source[2]['image'], images)
  for options in (dataclasses.replace(OPTIONS, image_size=8, channels=3), dataclasses.replace(OPTIONS, crop=2)):
    source = ArraySource('array', images, None, options)
    held = memory.hold(source, options)
    assert held is not source and held[0]['image'].shape == options.image_shape
    np.testing.assert_array_equal(held.take(np.array([3, 1]))['image'], [source[3]['image'], source[1]['image']])
    assert held.fingerprint() == source.fingerprint()


def test_what_a_source_raises_comes_through():
  class Failing(Counting):
    def __getitem__(self, index):
      raise KeyError('a programming error')

  with pytest.raises(KeyError, match='a programming error'):
    memory.hold(Failing(100), OPTIONS)


def test_what_is_held_asks_its_source_for_the_rest(tmp_path):
  files = {f'{i}.png': pictures.encode(pictures.smooth(12 + i, 9, i)) for i in range(5)}
  files['3.png'] = files['3.png'][:90]
  path = pictures.write_folder(tmp_path / 'images', files)
  source = open_source(DataOptions(source='folder', path=path, image_size=4, channels=3))
  held = memory.hold(source, source.options)
  assert isinstance(held, memory.HeldSource) and held.ready
  assert held.load_full(1)['image'].shape == (13, 9, 3) and held.full_size(2) == (14, 9) and held.num_full == 5
  assert held.fingerprint() == source.fingerprint() and held.place == path
  assert set(held.broken) == {3} and held.broken is source.broken
  held.note_broken(1, 'by hand')
  assert source.broken[1] == 'by hand'
  np.testing.assert_array_equal(held[0]['image'], source[0]['image'])
  # Nothing is patched on.
  assert not [name for name in vars(held) if callable(getattr(held, name)) and name != '_source']


def test_whole_images_are_counted_where_patches_are_held(tmp_path):
  path = pictures.write_folder(
    tmp_path / 'images', {f'{i}.png': pictures.encode(pictures.smooth(12, 8, i)) for i in range(3)}
  )
  options = DataOptions(source='folder', path=path, image_size=4, channels=3, fit='patches')
  held = TrainBatches(open_source(options), 4, 0, options).source
  assert isinstance(held, memory.HeldSource) and (len(held), held.num_full) == (18, 3)


def test_sources_with_factors_are_not_held():
  class WithFactors(Counting):
    factor_names, factor_sizes, factor_offsets = ('a',), (9,), (0,)

  source = WithFactors(9)
  assert memory.hold(source, OPTIONS) is source
