"""The smoke runs of sparse coding; see smoke.py. Every run draws its filters."""

import json

import pytest

from tests.experiments import smoke

CONFIGS = smoke.configs_of('sparse_coding')


@pytest.mark.parametrize('name', CONFIGS)
def test_smoke(name, tmp_path):
  smoke.check_smoke(name, tmp_path)
  lines = smoke.read_metrics(tmp_path / 'run')
  assert all(0 < line['psnr'] < 100 for line in lines)
  layers = len(json.loads((tmp_path / 'run' / 'config.json').read_text())['model']['maps'])
  for layer in range(1, layers + 1):
    assert (tmp_path / 'run' / 'samples' / f'filters_layer{layer}_00000004.png').exists()
