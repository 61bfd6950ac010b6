"""The sources by name."""

import pytest

from deconv.data import SOURCES, DataOptions, open_source
from deconv.errors import UserError


def test_names():
  assert {'digits', 'mnist', 'folder', 'zip', 'tfds', 'celeba'} <= set(SOURCES)


def test_what_is_rendered_is_square():
  with pytest.raises(UserError, match='scenes renders squares: set data.image_width to 0'):
    open_source(DataOptions(source='scenes', image_size=32, image_width=48, channels=3))


@pytest.mark.parametrize('fields', [{'crop': 8}, {'fit': 'patches'}])
def test_squares_and_a_width_do_not_go_together(fields):
  with pytest.raises(UserError, match='data.image_width=48: data.crop and data.fit=patches cut squares'):
    DataOptions(image_width=48, **fields)


def test_unknown_source_gets_the_nearest_name():
  with pytest.raises(UserError, match="no data source 'digit' .did you mean 'digits'"):
    open_source(DataOptions(source='digit'))


def test_split_of_the_options_or_the_argument():
  assert len(open_source(DataOptions(split='test'))) == 297
  assert len(open_source(DataOptions(split='test'), 'train')) == 1500
