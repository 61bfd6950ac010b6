"""The section data."""

import dataclasses
import os

import pytest

from deconv.errors import UserError
from deconv.options import DataOptions


def test_a_misspelt_field_fails():
  with pytest.raises(TypeError, match='image_sise'):
    DataOptions(image_sise=3)


@pytest.mark.parametrize(
  'field,value',
  [
    ('channels', 2),
    ('on_broken', 'ignore'),
    ('worker_kind', 'fiber'),
    ('image_size', 0),
    ('crop', -1),
    ('workers', 0),
    ('prefetch', 0),
    ('max_pixels', 0),
    ('max_pixels', 2 * 10**8),
    ('max_file_mb', 0),
    ('memory_limit_mb', -1),
    ('background', (0, 0)),
    ('background', (0, 0, 256)),
    ('vary', (0.0, 0.0)),
    ('vary', (-1.0, 2.0)),
    ('class_names', ('a', 'a')),
  ],
)
def test_values_that_mean_nothing(field, value):
  with pytest.raises(UserError, match=f'data.{field}'):
    DataOptions(**{field: value})


def test_two_ways_to_crop():
  with pytest.raises(UserError, match='data.crop=8 cuts the image and data.fit=pad keeps all of it'):
    DataOptions(crop=8, fit='pad')


def test_the_evaluation_split_may_lie_elsewhere():
  options = DataOptions(source='folder', path='~/a', eval_path='~/b', eval_split='all')
  assert options.held_out.path == options.eval_path == os.path.expanduser('~/b')
  assert dataclasses.replace(options, eval_path='').held_out.path == os.path.expanduser('~/a')
