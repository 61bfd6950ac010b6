"""Weights in a file: the network that is evaluated comes back, its config without paths, and mistakes are sentences."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from deconv.errors import UserError
from deconv.training import exported
from tests.tasks.small_restorers import SUPERRES, build, init, lively

pytest.importorskip('safetensors')


@pytest.fixture(scope='module')
def trained():
  """(task, state whose average is not its parameters)."""
  task = build(colour='y', train__ema_decay=0.9, data__path='/secret/t91', **SUPERRES)
  state = lively(init(task))
  net = state.networks['net']
  average = jax.tree.map(lambda x: np.asarray(2 * x), {'params': net.params, 'batch_stats': net.batch_stats})
  return task, state.replace(step=np.int32(7), networks={'net': net.replace(ema=average)})


@pytest.fixture
def folder(tmp_path, monkeypatch):
  monkeypatch.setattr(exported, 'FOLDER', str(tmp_path))
  return tmp_path


def test_the_evaluated_network_comes_back(trained, folder):
  task, state = trained
  about = {'metrics': {'whole_psnr': 36.9}, 'protocol': {'n': 5}}
  options = dataclasses.replace(task.options, native='off', compilation_cache='/secret/cache')
  exported.save(str(folder / 'small.safetensors'), options, state, about)
  assert exported.names() == ['small']
  path = exported.find('small')
  assert exported.find(path) == path
  metadata = exported.load_metadata(path)
  assert json.loads(metadata['metrics']) == about['metrics'] and json.loads(metadata['protocol']) == about['protocol']
  assert 'secret' not in json.dumps(metadata)
  options = exported.load_config(path)
  assert (options.data.path, options.native, options.train.ema_decay) == ('', '', 0.9)
  again, restored, step = exported.restore(options, path)
  assert step == 7 and again.scale == 2
  picture = np.random.default_rng(0).integers(0, 256, (9, 8, 3), dtype=np.uint8)
  wanted, found = (one.transform_image(of, picture)[''] for one, of in ((task, state), (again, restored)))
  np.testing.assert_array_equal(found, wanted)
  assert found.shape == (18, 16, 3)
  plain = state.replace(networks={'net': state.networks['net'].replace(ema=None)})
  assert (task.transform_image(plain, picture)[''] != wanted).any()


def test_mistakes_are_sentences(trained, folder):
  task, state = trained
  with pytest.raises(UserError, match="no weights 'fsrcnn_x2'; .*choose one of: none yet"):
    exported.find('fsrcnn_x2')
  path = str(folder / 'fsrcnn_x2.safetensors')
  with pytest.raises(UserError, match='there is no file'):
    exported.find(path)
  exported.save(path, task.options, state, {})
  with pytest.raises(UserError, match="no weights 'fsrcnn_x3' .did you mean 'fsrcnn_x2'"):
    exported.find('fsrcnn_x3')
  wider = dataclasses.replace(task.options, model=dataclasses.replace(task.options.model, width=7))
  with pytest.raises(UserError, match='has params/conv_1/.* of shape'):
    exported.restore(wider, path)
  deeper = dataclasses.replace(task.options, model=dataclasses.replace(task.options.model, depth=2))
  with pytest.raises(UserError, match='lacks params/conv_'):
    exported.restore(deeper, path)
  (folder / 'broken.safetensors').write_bytes(b'no weights')
  with pytest.raises(UserError, match='cannot be read as .safetensors'):
    exported.load_config(str(folder / 'broken.safetensors'))
  from safetensors.numpy import save_file

  save_file({'x': np.zeros(2, np.float32)}, str(folder / 'foreign.safetensors'))
  with pytest.raises(UserError, match='does not say which network it is of'):
    exported.load_config(str(folder / 'foreign.safetensors'))
  with pytest.raises(UserError, match='must end in .safetensors'):
    exported.save(str(folder / 'x.npz'), task.options, state, {})


def test_what_comes_with_the_library_fits_it():
  """Each file names its config, and its arrays are those of that network."""
  for name in exported.names():
    path = exported.find(name)
    options = exported.load_config(path)
    exported.restore(options, path)
    assert (options.data.path, options.data.eval_path) == ('', '')
