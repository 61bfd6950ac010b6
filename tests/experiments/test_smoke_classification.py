"""The smoke runs of classification; see smoke.py. A classifier names the class of a picture and draws no samples."""

import numpy as np
from PIL import Image
import pytest

from tests.experiments import smoke
from tests.experiments.run_experiment import error_of, run

CONFIGS = smoke.configs_of('classification')


@pytest.mark.parametrize('name', CONFIGS)
def test_smoke(name, tmp_path):
  smoke.check_smoke(name, tmp_path)
  (evaluated,) = [line for line in smoke.read_metrics(tmp_path / 'run') if line['split'] == 'eval']
  assert 0 <= evaluated['accuracy'] <= 1
  assert (tmp_path / 'run' / 'samples' / 'confusion_00000004.png').exists()
  if name == 'cnn_digits':
    refused = error_of(run('sample', f'--workdir={tmp_path / "run"}'))
    assert refused == (
      "a run of task 'classification' has nothing for --kind=grid; it draws nothing by itself: give it a picture of "
      'your own, --image=FILE'
    )
    own, out = tmp_path / 'own.png', tmp_path / 'out.png'
    Image.fromarray(np.arange(40 * 50, dtype=np.uint8).reshape(40, 50)).save(own)
    named = run('sample', f'--workdir={tmp_path / "run"}', f'--image={own}', f'--out={out}')
    assert named.returncode == 0, named.stderr
    assert Image.open(out).size[1] > 256
