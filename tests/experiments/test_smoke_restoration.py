"""The smoke runs of restoration; see smoke.py."""

import pytest

from tests.experiments import smoke

CONFIGS = smoke.configs_of('restoration')


@pytest.mark.parametrize('name', CONFIGS)
def test_smoke(name, tmp_path):
  smoke.check_smoke(name, tmp_path)
