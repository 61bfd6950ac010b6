"""Weights in a file: the network that is evaluated comes back, its config without paths, and mistakes are sentences."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from deconv.errors import UserError
from deconv.training import exported, weight_metadata
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
  monkeypatch.setattr(weight_metadata, 'FOLDER', str(tmp_path))
  return tmp_path


def test_the_evaluated_network_comes_back(trained, folder):
  task, state = trained
  about = {'metrics': {'whole_psnr': 36.9}, 'protocol': {'n': 5}}
  options = dataclasses.replace(task.options, native='off', compilation_cache='/secret/cache')
  exported.save(str(folder / 'small.safetensors'), options, state, about)
  assert weight_metadata.names() == ['small']
  path = weight_metadata.find('small')
  assert weight_metadata.find(path) == path
  metadata = weight_metadata.load_metadata(path)
  assert json.loads(metadata['metrics']) == about['metrics'] and json.loads(metadata['protocol']) == about['protocol']
  assert 'secret' not in json.dumps(metadata)
  options = weight_metadata.load_config(path)
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
  path = str(folder / 'fsrcnn_x2.safetensors')
  exported.save(path, task.options, state, {})
  wider = dataclasses.replace(task.options, model=dataclasses.replace(task.options.model, width=7))
  with pytest.raises(UserError, match='has params/conv_1/.* of shape'):
    exported.restore(wider, path)
  deeper = dataclasses.replace(task.options, model=dataclasses.replace(task.options.model, depth=2))
  with pytest.raises(UserError, match='lacks params/conv_'):
    exported.restore(deeper, path)
  with pytest.raises(UserError, match='must end in .safetensors'):
    exported.save(str(folder / 'x.npz'), task.options, state, {})


def test_what_comes_with_the_library_fits_it():
  """Each file names its config, and its arrays are those of that network."""
  for name in weight_metadata.names():
    path = weight_metadata.find(name)
    options = weight_metadata.load_config(path)
    exported.restore(options, path)
    assert (options.data.path, options.data.eval_path) == ('', '')
