"""The converted weights are those of the state dict, and nothing in the file is run."""

import os

import jax
import numpy as np
import pytest

from deconv.models import inception
from scripts import convert_inception
from tests.models import inception_reference


def test_arrays_come_over_and_the_checksum_is_stated(tmp_path, capsys):
  torch = pytest.importorskip('torch')
  state = inception_reference.random_state(3)
  tensors = {name: torch.tensor(value) for name, value in state.items()}
  tensors['Conv2d_1a_3x3.bn.num_batches_tracked'] = torch.tensor(7)
  source = tmp_path / 'random.pth'
  torch.save(tensors, source)
  np.savez(tmp_path / 'plain.npz', **state)
  plain = inception.load(str(tmp_path / 'plain.npz'))
  for ending in ('safetensors', 'npz'):
    target = str(tmp_path / f'converted.{ending}')
    convert_inception.main([str(source), target])
    told = capsys.readouterr()
    assert '23,850,960 parameters; sha256 of' in told.out and 'begins with 6726825d' in told.err
    jax.tree.map(np.testing.assert_array_equal, inception.load(target), plain)


def test_code_in_the_file_is_not_run(tmp_path, capsys):
  torch = pytest.importorskip('torch')

  class Trap:
    def __reduce__(self):
      return os.mkdir, (str(tmp_path / 'sprung'),)

  torch.save({'fc.bias': Trap()}, tmp_path / 'trap.pth')
  assert_refused([str(tmp_path / 'trap.pth'), str(tmp_path / 'out.npz')], 'weights alone', capsys)
  assert not (tmp_path / 'sprung').exists() and not (tmp_path / 'out.npz').exists()


def test_mistakes(tmp_path, capsys):
  assert_refused(['none.pth', str(tmp_path / 'out.npz')], "no file 'none.pth': download pt_inception", capsys)
  assert_refused(['none.pth', str(tmp_path / 'out.pt')], 'must end in .safetensors or .npz', capsys)
  torch = pytest.importorskip('torch')
  torch.save({'fc.bias': torch.zeros(1000)}, tmp_path / 'other.pth')
  assert_refused(
    [str(tmp_path / 'other.pth'), str(tmp_path / 'out.npz')], 'not the Inception of 2015: it lacks', capsys
  )


def assert_refused(arguments, sentence, capsys):
  with pytest.raises(SystemExit) as stopped:
    convert_inception.main(arguments)
  assert stopped.value.code == 2
  assert sentence in capsys.readouterr().err
