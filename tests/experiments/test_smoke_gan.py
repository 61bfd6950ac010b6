"""The smoke runs of GANs; see smoke.py."""

import importlib
import pathlib

import pytest

from tests.experiments import smoke

CONFIGS = smoke.configs_of('gan')


@pytest.mark.parametrize('name', CONFIGS)
def test_smoke(name, tmp_path):
  smoke.check_smoke(name, tmp_path)


def test_every_config_is_in_one_of_these_files():
  files = pathlib.Path(__file__).parent.glob('test_smoke_*.py')
  modules = [importlib.import_module(f'tests.experiments.{file.stem}') for file in files]
  assert sorted(name for module in modules for name in module.CONFIGS) == smoke.configs_of()
