"""Parts of sources, and sources with more images."""

import numpy as np
import pytest

from deconv import data
from deconv.data.feed import chosen
from deconv.data.source import ArraySource
from deconv.errors import UserError

LABELS = np.array([1, 0, 1, 1, 0, 2, 2, 0])
IMAGES = np.arange(8 * 4, dtype=np.uint8).reshape(8, 2, 2, 1)


def source_of(labels=LABELS, crop=0):
  options = data.DataOptions(image_size=2, crop=crop)
  return ArraySource('eight', IMAGES, labels, options, None if labels is None else ('a', 'b', 'c'))


def test_the_first_of_each_class_in_the_order_of_the_source():
  found = chosen.first_of_each_class(source_of(), 2)
  items = found.take(np.arange(len(found)))
  np.testing.assert_array_equal(items['image'], IMAGES[[0, 1, 2, 4, 5, 6]])
  np.testing.assert_array_equal(items['label'], LABELS[[0, 1, 2, 4, 5, 6]])
  assert found.class_names == ('a', 'b', 'c') and found.num_full == 6 and found.full_size(3) == (2, 2)
  np.testing.assert_array_equal(found.load_full(4)['image'], IMAGES[5])
  with pytest.raises(IndexError):
    found[6]
  prints = {source_of().fingerprint(), found.fingerprint(), chosen.first_of_each_class(source_of(), 1).fingerprint()}
  assert len(prints) == 3


def test_batches_of_a_part():
  found = chosen.first_of_each_class(source_of(), 2)
  batches = data.TrainBatches(found, 3, 0, found.options)
  assert batches.steps_per_epoch == 2
  labels = np.concatenate([batches.at(step)['label'] for step in range(2)])
  assert sorted(labels) == [0, 0, 1, 1, 2, 2]


def test_mistakes():
  with pytest.raises(UserError, match="class 'c' of eight has 2 images; lower it"):
    chosen.first_of_each_class(source_of(), 3)
  with pytest.raises(UserError, match='needs labels, and eight has none'):
    chosen.first_of_each_class(source_of(None), 1)
  with pytest.raises(UserError, match='patches have not'):
    data.DataOptions(fit='patches', per_class=3)
  for fields in ({'generated': 'runs/x'}, {'generated_per_class': 3}):
    with pytest.raises(UserError, match='go together'):
      data.DataOptions(**fields)


def test_only_the_split_that_is_trained_on_is_cut():
  options = data.DataOptions(image_size=8, per_class=7)
  assert len(data.open_source(options)) == 70
  assert len(data.open_source(options, options.eval_split)) == 297


@pytest.mark.parametrize('crop', [0, 2])
def test_joined(crop):
  more = np.full((3, 2, 2, 1), 200, np.uint8)
  both = chosen.joined(source_of(crop=crop), more, np.array([2, 2, 0]))
  assert len(both) == 11 and both.ready and both.num_classes == 3
  items = both.take(np.array([0, 8, 10]))
  np.testing.assert_array_equal(items['image'], np.stack([IMAGES[0], more[0], more[0]]))
  np.testing.assert_array_equal(items['label'], [1, 2, 0])
