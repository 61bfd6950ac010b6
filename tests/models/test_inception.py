"""The FID Inception against an independent description of its graph, and files of weights that do not fit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deconv.errors import UserError
from deconv.models import inception
from tests.models import inception_reference

SIDE = 107  # a small image: maps of 11, 5 and 2 pixels in the mixed blocks, so that their borders matter


@pytest.fixture(scope='module', name='state')
def _state():
  return inception_reference.random_state()


@pytest.fixture(scope='module', name='path')
def _path(state, tmp_path_factory):
  path = tmp_path_factory.mktemp('weights') / 'inception.npz'
  np.savez(path, **state)
  return str(path)


@pytest.fixture(scope='module', name='images')
def _images():
  return np.random.default_rng(1).uniform(-1, 1, (2, SIDE, SIDE, 3)).astype(np.float32)


@pytest.fixture(scope='module', name='found')
def _found(path, images):
  return {name: np.asarray(value) for name, value in inception.outputs(inception.load(path), images).items()}


def apart(a, b):
  """The largest difference over the scale of the values."""
  return np.abs(a - b).max() / np.abs(b).max()


def test_every_tap_and_the_logits(state, images, found):
  expected = inception_reference.forward(state, images)
  assert set(found) == set(expected)
  for name, value in expected.items():
    assert found[name].shape == value.shape and found[name].dtype == np.float32
    assert value.std() > 0.01 and apart(found[name], value) < 1e-4, name


@pytest.mark.parametrize(
  'otherwise', [{'average_counts_border': True}, {'last_pool': 'average'}, {'epsilon': 1e-5}], ids=str
)
def test_what_torchvision_does_is_something_else(otherwise, state, images, found):
  other = inception_reference.forward(state, images[:1], **otherwise)
  assert apart(found['2048'][:1], other['2048']) > 3e-3


def test_features_are_pool3(path, images, found):
  alone = inception.features(inception.load(path), images)
  np.testing.assert_array_equal(alone, found['2048'])


def test_shapes_at_the_size_of_the_original():
  """And the number of parameters, from the list of layers."""
  module = inception.Inception()
  images = jax.ShapeDtypeStruct((3, 299, 299, 3), jnp.float32)
  outputs, variables = jax.eval_shape(lambda x: module.init_with_output(jax.random.key(0), x), images)
  assert {name: value.shape for name, value in outputs.items()} == {
    '64': (3, 64),
    '192': (3, 192),
    '768': (3, 768),
    '2048': (3, 2048),
    'logits_unbiased': (3, 1008),
    'logits': (3, 1008),
  }
  layers = inception_reference.LAYERS.values()
  counted = sum(c_in * c_out * h * w + 2 * c_out for c_in, c_out, (h, w), _, _ in layers)
  assert counted == 21_785_568
  number = sum(leaf.size for leaf in jax.tree.leaves(variables['params']))
  assert number == counted + 2048 * 1008 + 1008
  assert sum(leaf.size for leaf in jax.tree.leaves(variables['batch_stats'])) == 2 * sum(out for _, out, *_ in layers)


def test_images_that_do_not_fit(path):
  for images in (np.zeros((1, 299, 299, 1), np.float32), np.zeros((299, 299, 3), np.float32), np.zeros((1, 64, 64, 3))):
    with pytest.raises(ValueError, match='takes images'):
      inception.features({}, images)
  with pytest.raises(ValueError, match='floats in .-1, 1., not uint8'):
    inception.features({}, np.zeros((1, 299, 299, 3), np.uint8))


def test_without_the_file_a_sentence_says_where_it_comes_from(tmp_path, state):
  with pytest.raises(UserError, match=r"no file '.*none.npz'; download pt_inception-2015-12-05-6726825d.pth from http"):
    inception.load(str(tmp_path / 'none.npz'))
  (tmp_path / 'weights.pth').write_bytes(b'')
  with pytest.raises(UserError, match=r'must end in .npz or .safetensors.*scripts.convert_inception'):
    inception.load(str(tmp_path / 'weights.pth'))
  some = dict(list(state.items())[:-1])
  np.savez(tmp_path / 'some.npz', **some)
  with pytest.raises(UserError, match='lacks fc.bias; its arrays are called'):
    inception.load(str(tmp_path / 'some.npz'))
  np.savez(tmp_path / 'other.npz', **{**state, 'fc.weight': state['fc.weight'][:1000]})
  with pytest.raises(UserError, match=r'fc.weight has the shape \(1000, 2048\)'):
    inception.load(str(tmp_path / 'other.npz'))
  np.savez(tmp_path / 'broken.npz', **{**state, 'fc.bias': np.full(1008, np.nan)})
  with pytest.raises(UserError, match='fc.bias .* is not finite'):
    inception.load(str(tmp_path / 'broken.npz'))
