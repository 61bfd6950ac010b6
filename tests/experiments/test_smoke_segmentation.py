"""The smoke runs of segmentation; see smoke.py."""

import pytest

from tests.experiments import smoke

CONFIGS = smoke.configs_of('segmentation')


@pytest.mark.parametrize('name', CONFIGS)
def test_smoke(name, tmp_path):
  smoke.check_smoke(name, tmp_path)
