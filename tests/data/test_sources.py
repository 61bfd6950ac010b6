"""The sources by name."""

import pytest

from deconv.data import SOURCES, DataOptions, open_source
from deconv.errors import UserError


def test_names():
  assert {'digits', 'mnist', 'folder', 'zip', 'tfds', 'celeba'} <= set(SOURCES)


def test_unknown_source_gets_the_nearest_name():
  with pytest.raises(UserError, match="no data source 'digit' .did you mean 'digits'"):
    open_source(DataOptions(source='digit'))


def test_split_of_the_options_or_the_argument():
  assert len(open_source(DataOptions(split='test'))) == 297
  assert len(open_source(DataOptions(split='test'), 'train')) == 1500
