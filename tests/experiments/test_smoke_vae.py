"""The smoke runs of autoencoders; see smoke.py."""

import pytest

from tests.experiments import smoke

CONFIGS = smoke.configs_of('vae', 'factor_vae', 'inverse_graphics')


@pytest.mark.parametrize('name', CONFIGS)
def test_smoke(name, tmp_path):
  smoke.check_smoke(name, tmp_path)
