"""The embedded digits."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn import datasets

from deconv.data import DataOptions, open_source
from deconv.errors import UserError


def test_values_are_those_of_scikit_learn():
  source = open_source(DataOptions(image_size=8), 'all')
  digits = datasets.load_digits()
  assert len(source) == 1797 and source.num_classes == 10
  for index in (0, 1, 777, 1796):
    np.testing.assert_array_equal(source[index]['image'][..., 0], np.round(digits.images[index] / 16 * 255))
    assert source[index]['label'] == digits.target[index]


def test_splits_are_parts_of_all():
  everything, train, test = (open_source(DataOptions(), split) for split in ('all', 'train', 'test'))
  assert (len(train), len(test)) == (1500, 297)
  np.testing.assert_array_equal(train[1499]['image'], everything[1499]['image'])
  np.testing.assert_array_equal(test[0]['image'], everything[1500]['image'])
  for source in (train, test):
    counts = np.bincount([int(source[i]['label']) for i in range(len(source))])
    assert counts.min() > 0.85 * len(source) / 10
  with pytest.raises(UserError, match="no split 'valid': it has all, test, train"):
    open_source(DataOptions(), 'valid')


@pytest.mark.parametrize('size,channels', [(32, 1), (28, 3), (64, 1), (8, 3)])
def test_any_size(size, channels):
  image = open_source(DataOptions(image_size=size, channels=channels))[3]['image']
  assert image.shape == (size, size, channels) and image.dtype == np.uint8
  assert image.max() > 200 and image.min() < 20


def test_starts_without_the_slow_imports():
  """A run on digits must not pay for scikit-learn, grain or tensorflow-datasets."""
  code = (
    'import sys; from deconv import data; options = data.DataOptions(); source = data.open_source(options); '
    'next(data.TrainBatches(source, 8, 0, options).iterate()); '
    'print([name for name in ("sklearn", "grain", "tensorflow_datasets", "tensorflow") if name in sys.modules])'
  )
  assert subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout.strip() == '[]'
