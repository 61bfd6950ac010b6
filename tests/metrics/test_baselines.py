"""The classical methods that restorations are set against."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import skimage.restoration
from sklearn import datasets

from deconv.data.transforms.degrade import draw_hole
from deconv.metrics import baselines


def photos(side=48):
  flower, china = datasets.load_sample_images().images[::-1]
  return np.stack([flower[200 : 200 + side, 250 : 250 + side], china[100 : 100 + side, 300 : 300 + side]]) / 127.5 - 1


def error(x, y):
  return np.mean((x - y) ** 2)


def test_median_removes_salt_and_pepper():
  clean = np.broadcast_to(np.linspace(-0.5, 0.5, 20)[None, :, None, None], (2, 20, 20, 3)).copy()
  spoilt = clean.copy()
  spoilt[:, 5:15:4, 5:15:4] = 1
  found = baselines.median_filter(spoilt)
  np.testing.assert_allclose(found, clean, atol=0.06)
  # By hand: images and channels do not mix.
  x = np.random.default_rng(0).uniform(-1, 1, (2, 5, 6, 2))
  np.testing.assert_allclose(baselines.median_filter(x)[1, 2, 3, 1], np.median(x[1, 1:4, 2:5, 1]), rtol=1e-6)


def test_non_local_means_knows_the_noise_of_each_image():
  clean = photos()
  sigma = np.array([10.0, 40.0])
  noisy = clean + np.random.default_rng(1).normal(size=clean.shape) * sigma[:, None, None, None] / 127.5
  found = baselines.non_local_means(noisy, sigma)
  assert found.shape == clean.shape and found.dtype == np.float32
  for i in range(2):
    assert error(found[i], clean[i]) < 0.75 * error(noisy[i], clean[i])
  alone = baselines.non_local_means(noisy[1:], 40.0)
  np.testing.assert_allclose(alone[0], found[1], atol=1e-6)
  np.testing.assert_allclose(baselines.non_local_means(clean, 0.0), clean, atol=1e-6)
  default = baselines.non_local_means(noisy)
  expected = skimage.restoration.denoise_nl_means((noisy[0].astype(np.float32) + 1) / 2, channel_axis=-1)
  np.testing.assert_allclose(default[0], np.clip(2 * expected - 1, -1, 1), atol=1e-6)
  grey = baselines.non_local_means(noisy[..., :1], [0.0, 40.0])
  assert grey.shape == (*clean.shape[:3], 1)
  assert error(grey[1], clean[1, ..., :1]) < 0.75 * error(noisy[1, ..., :1], clean[1, ..., :1])


def test_mean_fill_by_hand():
  images = jnp.array([[1.0, 0.0, -0.5, 9.0], [2.0, 4.0, 0.0, 0.0]]).reshape(2, 2, 2, 1)  # the second leaves the range
  hole = jnp.array([[0, 0, 0, 1], [0, 0, 1, 1]]).reshape(2, 2, 2, 1)
  found = jax.jit(baselines.mean_fill)(images, hole)
  assert found.dtype == jnp.float32
  np.testing.assert_allclose(found.reshape(2, 4), [[1, 0, -0.5, 1 / 6], [2, 4, 3, 3]], rtol=1e-6)
  np.testing.assert_array_equal(baselines.mean_fill(images, jnp.ones_like(hole)), 0)
  np.testing.assert_array_equal(baselines.mean_fill(images, jnp.zeros_like(hole)), images)


def test_mean_fill_keeps_images_and_channels_apart():
  random = np.random.default_rng(0)
  images, hole = random.uniform(-1, 1, (3, 8, 9, 3)).astype(np.float32), random.random((3, 8, 9, 1)) < 0.3
  found = baselines.mean_fill(images, hole)
  for i in range(3):
    expected = images[i][~hole[i, ..., 0]].mean(0, dtype=np.float64)
    np.testing.assert_allclose(found[i][hole[i, ..., 0]], np.broadcast_to(expected, (hole[i].sum(), 3)), atol=1e-6)
    np.testing.assert_array_equal(found[i][~hole[i, ..., 0]], images[i][~hole[i, ..., 0]])


def test_biharmonic_does_not_look_into_the_hole():
  hole = np.zeros((1, 8, 8, 1))
  hole[:, 2:5, 3:6] = 1
  known = np.random.default_rng(0).uniform(-1, 1, (1, 8, 8, 3))
  zeros, nines = (baselines.biharmonic_fill(np.where(hole > 0, value, known), hole) for value in (0.0, 9.0))
  np.testing.assert_array_equal(zeros, nines)


@pytest.mark.parametrize('kind', ['centre', 'strokes', 'pixels'])
def test_biharmonic_continues_what_is_smooth(kind):
  rows, columns = np.mgrid[:24, :24] / 24 - 0.5
  smooth = np.stack([rows + 0.3 * columns, rows * columns * 2 - 0.2], -1)[None].repeat(2, 0)
  hole = np.stack([draw_hole(jax.random.key(seed), 24, 24, kind, 0.15) for seed in (0, 1)])
  spoilt = np.where(hole > 0, 7.0, smooth)
  found = baselines.biharmonic_fill(spoilt, hole)
  np.testing.assert_array_equal(np.where(hole > 0, 0, found), np.where(hole > 0, 0, smooth.astype(np.float32)))
  assert error(found, smooth) < 0.05 * error(baselines.mean_fill(spoilt, hole), smooth)


def test_biharmonic_on_photographs():
  clean = photos(32)
  hole = np.stack([draw_hole(jax.random.key(seed), 32, 32, 'pixels', 0.3) for seed in (0, 1)])
  found = baselines.biharmonic_fill(np.where(hole > 0, 0, clean), hole)
  assert error(found, clean) < 0.5 * error(baselines.mean_fill(clean, hole), clean)
  np.testing.assert_allclose(baselines.biharmonic_fill(clean, np.zeros_like(hole)), clean, atol=1e-6)
