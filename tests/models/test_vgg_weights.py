"""VGG-16's weights: each framework's names and layouts against convolutions by hand, and files that do not fit."""

import json
import sys

import jax
import numpy as np
import pytest

from deconv.errors import UserError
from deconv.models import vgg_weights
from tests.models import networks

WIDTHS = (2, 2, 4, 4, 8, 8, 8, 16, 16, 16, 16, 16, 16)  # VGG-16 at 1/32 of its width
INDICES = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)  # torchvision's


def state_dict(seed=0):
  """What torchvision's vgg16().state_dict() would be at this width: kernels (out, in, h, w)."""
  rng, c_in, out = np.random.default_rng(seed), 3, {}
  for index, c_out in zip(INDICES, WIDTHS):
    out[f'features.{index}.weight'] = rng.normal(size=(c_out, c_in, 3, 3)).astype(np.float32)
    out[f'features.{index}.bias'] = rng.normal(size=c_out).astype(np.float32)
    c_in = c_out
  for index, shape in ((0, (6, 16 * 49)), (3, (6, 6)), (6, (10, 6))):
    out[f'classifier.{index}.weight'] = rng.normal(size=shape).astype(np.float32)
    out[f'classifier.{index}.bias'] = rng.normal(size=shape[0]).astype(np.float32)
  return out


def network(**fields):
  """Parameter shapes of FCN-32s at this width, filled with ones."""
  module = networks.build(
    'fcn',
    (32, 32, 3),
    2,
    **{
      'depth': 5,
      'width': 2,
      'convs': (2, 2, 3, 3, 3),
      'fc_kernel': 7,
      'fc_width': 6,
      'skips': 0,
      'batch_norm': False,
      **fields,
    },
  )
  _, _, variables = networks.shapes(module, (32, 32))
  return networks.edit(variables['params'], lambda _, leaf: np.ones(leaf.shape, leaf.dtype))


@pytest.fixture(name='npz')
def _npz(tmp_path):
  np.savez(tmp_path / 'vgg.npz', **state_dict())
  return str(tmp_path / 'vgg.npz')


def test_every_layer_lands_in_its_place(npz):
  weights, params = state_dict(), vgg_weights.initialize(network(), npz)
  for index, name in zip(
    INDICES,
    (
      'conv1_1',
      'conv1_2',
      'conv2_1',
      'conv2_2',
      'conv3_1',
      'conv3_2',
      'conv3_3',
      'conv4_1',
      'conv4_2',
      'conv4_3',
      'conv5_1',
      'conv5_2',
      'conv5_3',
    ),
  ):
    layer = params['encoder'][name]
    np.testing.assert_array_equal(layer['bias'], weights[f'features.{index}.bias'])
    kernel = weights[f'features.{index}.weight']
    for i, j in ((0, 0), (2, 1), (1, 0)):
      np.testing.assert_array_equal(layer['kernel'][i, j], kernel[:, :, i, j].T)
  np.testing.assert_array_equal(params['score']['kernel'], 1)  # the new layer is left alone


def test_convolution_and_dense_layer_give_pytorchs_values(npz):
  """Cross-correlation of an NCHW image by hand, and Linear on the flattened (c, h, w) map."""
  weights, params = state_dict(), vgg_weights.initialize(network(), npz)
  x = networks.images(1, (5, 6))
  from deconv import ops

  y = ops.conv(x, params['encoder']['conv1_1']['kernel'], padding=1) + params['encoder']['conv1_1']['bias']
  padded = np.pad(x[0].transpose(2, 0, 1), ((0, 0), (1, 1), (1, 1)))
  expected = [
    [np.sum(padded[:, i : i + 3, j : j + 3] * weights['features.0.weight'], axis=(1, 2, 3)) for j in range(6)]
    for i in range(5)
  ]
  np.testing.assert_allclose(y[0], np.array(expected) + weights['features.0.bias'], rtol=1e-4, atol=1e-5)
  pooled = networks.images(1, (7, 7), 16)
  y = ops.conv(pooled, params['fc6']['kernel']) + params['fc6']['bias']
  flat = pooled[0].transpose(2, 0, 1).reshape(-1)
  expected = weights['classifier.0.weight'] @ flat + weights['classifier.0.bias']
  np.testing.assert_allclose(y[0, 0, 0], expected, rtol=1e-4, atol=1e-4)
  np.testing.assert_array_equal(params['fc7']['kernel'][0, 0], weights['classifier.3.weight'].T)


@pytest.mark.parametrize('kind', ['caffe', 'tensorflow', 'tensorflow_paths'])
def test_other_names_and_layouts_are_the_same_weights(tmp_path, kind):
  arrays = {}
  for name, value in state_dict().items():
    part, index, what = name.split('.')
    layer = (
      {0: 'fc6', 3: 'fc7', 6: 'fc8'}[int(index)]
      if part == 'classifier'
      else vgg_weights.NAMES[INDICES.index(int(index))]
    )
    if what == 'weight' and kind != 'caffe':
      if value.ndim == 4:
        value = value.transpose(2, 3, 1, 0)
      elif layer == 'fc6':
        value = value.reshape(6, 16, 7, 7).transpose(2, 3, 1, 0).reshape(-1, 6)
      else:
        value = value.T
    ending = {
      'caffe': {'weight': '.weight', 'bias': '.bias'},
      'tensorflow': {'weight': '_W', 'bias': '_b'},
      'tensorflow_paths': {'weight': '/kernel', 'bias': '/bias'},
    }[kind][what]
    arrays[layer + ending] = value
  np.savez(tmp_path / 'other.npz', **arrays)
  np.savez(tmp_path / 'vgg.npz', **state_dict())
  jax.tree.map(
    np.testing.assert_array_equal,
    vgg_weights.load(str(tmp_path / 'other.npz')),
    vgg_weights.load(str(tmp_path / 'vgg.npz')),
  )


def test_safetensors(tmp_path, npz):
  pytest.importorskip('safetensors')
  header, data = {}, b''
  for name, value in state_dict().items():
    header[name] = dict(dtype='F32', shape=value.shape, data_offsets=[len(data), len(data) + value.nbytes])
    data += value.tobytes()
  text = json.dumps(header).encode()
  path = tmp_path / 'vgg.safetensors'
  path.write_bytes(len(text).to_bytes(8, 'little') + text + data)
  jax.tree.map(np.testing.assert_array_equal, vgg_weights.load(str(path)), vgg_weights.load(npz))
  path.write_bytes(b'no header')
  with pytest.raises(UserError, match='cannot be read as .safetensors'):
    vgg_weights.load(str(path))


def test_without_safetensors(tmp_path, monkeypatch):
  (tmp_path / 'vgg.safetensors').write_bytes(b'')
  monkeypatch.setitem(sys.modules, 'safetensors', None)
  with pytest.raises(UserError, match='pip install safetensors'):
    vgg_weights.load(str(tmp_path / 'vgg.safetensors'))


def test_biases_are_left_out_before_batch_norm(npz):
  params = vgg_weights.initialize(network(batch_norm=True), npz)
  assert set(params['encoder']['conv3_2']) == {'kernel'}
  np.testing.assert_array_equal(params['encoder']['norm3_2']['bias'], 1)
  assert params['encoder']['conv3_2']['kernel'].std() > 0.5


def test_fc6_of_another_shape_starts_at_random(npz):
  params = vgg_weights.initialize(network(fc_kernel=3), npz)
  np.testing.assert_array_equal(params['fc6']['kernel'], 1)
  assert params['encoder']['conv5_3']['kernel'].std() > 0.5 and params['fc7']['kernel'].std() > 0.1


def test_files_that_do_not_fit(tmp_path, npz):
  def load(name, arrays):
    np.savez(tmp_path / name, **arrays)
    return vgg_weights.load(str(tmp_path / name))

  weights = state_dict()
  missing = {name: value for name, value in weights.items() if name != 'features.7.bias'}
  with pytest.raises(UserError, match=r'lacks conv2_2 \(bias\)'):
    load('missing.npz', missing)
  with pytest.raises(UserError, match='VGG-16 with batch norm'):
    load('bn.npz', {**weights, 'features.2.weight': np.ones(2, np.float32)})
  with pytest.raises(UserError, match='not a map of 7x7'):
    load('fc6.npz', {**weights, 'classifier.0.weight': np.ones((6, 50), np.float32)})
  (tmp_path / 'broken.npz').write_bytes(b'PK nothing')
  for path, message in (
    ('broken.npz', 'cannot be read as .npz'),
    ('none.npz', 'there is no file'),
    ('vgg.pth', 'must end in .npz'),
  ):
    (tmp_path / 'vgg.pth').write_bytes(b'')
    with pytest.raises(UserError, match=message):
      vgg_weights.load(str(tmp_path / path))
  with pytest.raises(UserError, match=r'conv1_1 has a kernel of shape \(3, 3, 3, 2\).*\(3, 3, 3, 4\) in this network'):
    vgg_weights.initialize(network(width=4), npz)
  with pytest.raises(UserError, match='this network conv1_1, conv1_2.*model.convs'):
    vgg_weights.initialize(network(convs=()), npz)
  _, _, variables = networks.shapes(networks.build('linknet', (16, 16, 3), 2, width=2), (16, 16))
  with pytest.raises(UserError, match='no VGG encoder'):
    vgg_weights.initialize(variables['params'], npz)
