"""Which weights there are and of which config, before JAX starts: names, paths, and mistakes as sentences."""

import json

import numpy as np
import pytest

from deconv.errors import UserError
from deconv.training import weight_metadata

save_file = pytest.importorskip('safetensors.numpy').save_file


@pytest.fixture
def folder(tmp_path, monkeypatch):
  monkeypatch.setattr(weight_metadata, 'FOLDER', str(tmp_path))
  return tmp_path


def write(path, **metadata):
  save_file({'x': np.zeros(2, np.float32)}, str(path), metadata or None)
  return str(path)


def test_a_name_or_a_path(folder):
  with pytest.raises(UserError, match="no weights 'fsrcnn_x2'; .*choose one of: none yet"):
    weight_metadata.find('fsrcnn_x2')
  with pytest.raises(UserError, match='there is no file'):
    weight_metadata.find(str(folder / 'fsrcnn_x2.safetensors'))
  path = write(folder / 'fsrcnn_x2.safetensors')
  assert weight_metadata.find('fsrcnn_x2') == weight_metadata.find(path) == path
  assert weight_metadata.names() == ['fsrcnn_x2']
  with pytest.raises(UserError, match="no weights 'fsrcnn_x3' .did you mean 'fsrcnn_x2'"):
    weight_metadata.find('fsrcnn_x3')


def test_the_config_of_a_file(folder):
  config = {'task': 'restoration', 'model': {'name': 'fsrcnn'}, 'degrade': {'scale': 3}, 'data': {'image_size': 33}}
  path = write(folder / 'a.safetensors', config=json.dumps({**config, 'objective': {'colour': 'grey'}}))
  assert weight_metadata.load_config(path).degrade.scale == 3
  for text, sentence in (('{"task": "cooking"}', 'does not fit this version'), ('{', 'does not fit this version')):
    with pytest.raises(UserError, match=sentence):
      weight_metadata.load_config(write(folder / 'b.safetensors', config=text))
  with pytest.raises(UserError, match='does not say which network it is of'):
    weight_metadata.load_config(write(folder / 'c.safetensors'))
  (folder / 'd.safetensors').write_bytes(b'no weights')
  with pytest.raises(UserError, match='cannot be read as .safetensors'):
    weight_metadata.load_config(str(folder / 'd.safetensors'))
