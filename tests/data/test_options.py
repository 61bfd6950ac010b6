"""The fields of config.data."""
import dataclasses

import pytest

from configs import base
from deconv.data import DataOptions
from deconv.errors import UserError


def test_fields_and_defaults_are_those_of_the_config():
  config = base.get_config().data
  assert dataclasses.asdict(DataOptions()) == config.to_dict()
  assert DataOptions(**config) == DataOptions()


def test_a_misspelt_field_fails():
  with pytest.raises(TypeError, match='image_sise'):
    DataOptions(image_sise=3)


@pytest.mark.parametrize('field,value', [
    ('channels', 2), ('on_broken', 'ignore'), ('worker_kind', 'fiber'), ('image_size', 0), ('crop', -1), ('workers', 0),
    ('prefetch', 0), ('memory_limit_mb', -1), ('background', (0, 0)), ('background', (0, 0, 256))])
def test_values_that_mean_nothing(field, value):
  with pytest.raises(UserError, match=f'data.{field}'):
    DataOptions(**{field: value})
