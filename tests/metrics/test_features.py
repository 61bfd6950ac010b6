"""Feature networks: what they see of an image, by which name and hash their numbers go."""

import jax.numpy as jnp
import numpy as np
import pytest

from deconv.errors import UserError
from deconv.metrics import features, resizers
from deconv.models import inception


def noise(n, side, channels=1, seed=0):
  return np.random.default_rng(seed).integers(0, 256, (n, side, side, channels), dtype=np.uint8)


@pytest.fixture(name='seen')
def _seen(monkeypatch):
  """Inception whose features are three pixels and the mean of what it sees."""

  def outputs(variables, images):
    assert images.shape[1:] == (299, 299, 3)
    corner, mean = images[:, 0, 0], images.mean(axis=(1, 2, 3))[:, None]
    return {'2048': jnp.concatenate([corner, mean], axis=1) + variables['shift'], 'logits_unbiased': -mean}

  monkeypatch.setattr(inception, 'load', lambda path: {'shift': np.float32(path)})
  monkeypatch.setattr(inception, 'outputs', outputs)


@pytest.mark.parametrize('resizer', resizers.RESIZERS)
def test_what_inception_sees(seen, resizer):
  images = noise(7, 32, 3)
  levels = np.asarray(resizers.resize(images, 299, resizer))
  expected = levels / 127.5 - 1 if resizer == 'legacy_pytorch' else (levels - 128) / 128
  network = features.fid_inception('0', resizer)
  found, logits = network.outputs(images)
  np.testing.assert_allclose(found[:, :3], expected[:, 0, 0], atol=1e-4)
  np.testing.assert_allclose(found[:, 3], expected.mean(axis=(1, 2, 3)), atol=1e-4)
  np.testing.assert_allclose(logits[:, 0], -found[:, 3], atol=1e-6)
  assert network.prefix == '' and network.protocol()['resizer'] == resizer
  grey, _ = network.outputs(images[..., :1])
  np.testing.assert_allclose(grey[:, 0], found[:, 0], atol=1e-4)
  np.testing.assert_allclose(grey[:, 1], grey[:, 0])


def test_batches_do_not_matter(seen, monkeypatch):
  images = noise(11, 20)
  whole, _ = features.fid_inception('0', 'clean').outputs(images)
  monkeypatch.setattr(features, 'BATCH', 4)
  parts, _ = features.fid_inception('0', 'clean').outputs(images)
  assert parts.shape == (11, 4)
  np.testing.assert_allclose(parts, whole, rtol=1e-5, atol=1e-6)


def test_the_hash_is_that_of_the_weights(seen):
  hashes = [features.fid_inception(shift, 'clean').hash for shift in ('0', '0', '1')]
  assert hashes[0] == hashes[1] != hashes[2] and len(hashes[0]) == 16
  tree = {'a': np.ones((2, 3)), 'b': np.zeros(4)}
  same = {'b': np.zeros(4, np.float32), 'a': np.ones((2, 3), np.float32)}
  assert features.hash_of(tree) == features.hash_of(same) != features.hash_of({**tree, 'a': np.ones((3, 2))})


def test_pixels():
  images = noise(5, 4, 3)
  found, logits = features.pixels().outputs(images)
  np.testing.assert_allclose(found, images.reshape(5, -1) / 255, rtol=1e-6)
  assert logits is None and features.pixels().prefix == 'pixels_'


@pytest.mark.parametrize(
  'side, channels, shape', [(8, 1, (8, 8, 1)), (20, 1, (8, 8, 1)), (8, 3, (8, 8, 1)), (9, 1, (8, 8, 3))]
)
def test_a_classifier_gets_images_of_its_shape(side, channels, shape):
  def outputs(images):
    assert images.shape == (6, *shape) and images.dtype == np.uint8
    return images.reshape(6, -1)[:, :10], images.reshape(6, -1) / 255

  network = features.of_classifier('lenet', outputs, shape, 'abc', 'clean', {'network_step': 3})
  images = noise(6, side, channels)
  found, logits = network.outputs(images)
  assert found.dtype == logits.dtype == np.float32 and logits.shape == (6, 10)
  if side == 8 and channels == 1:
    np.testing.assert_allclose(found, images.reshape(6, -1) / 255, rtol=1e-6)
  if channels == 3:  # the luminance
    grey = np.round(images @ np.array([0.299, 0.587, 0.114]))
    np.testing.assert_allclose(found * 255, grey.reshape(6, -1), atol=1)
  assert network.protocol() == {
    'network': 'lenet',
    'network_hash': 'abc',
    'resizer': 'clean',
    'network_step': 3,
    'network_size': 'x'.join(map(str, shape)),
  }


def test_mistakes():
  with pytest.raises(UserError, match="no resizer 'claen'"):
    features.fid_inception('nowhere.npz', 'claen')
  with pytest.raises(UserError, match='no file .*download'):
    features.fid_inception('nowhere.npz', 'clean')
  with pytest.raises(UserError, match='grey or RGB images of bytes'):
    features.pixels().outputs(np.zeros((3, 1, 1, 2), np.float32))
