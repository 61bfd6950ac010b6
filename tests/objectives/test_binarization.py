"""Binarisation: the right frequencies, exact black and white, and a static version that depends on the image alone."""

import jax
import jax.numpy as jnp
import numpy as np

from deconv.objectives import binarization

KEY = jax.random.key(0)


def test_dynamic_has_the_grey_levels_as_frequencies():
  images = np.broadcast_to(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), (4000, 16, 16, 1))
  drawn = np.asarray(binarization.dynamic(jnp.asarray(images), jax.random.split(KEY, 4000)))
  assert set(np.unique(drawn)) == {0.0, 1.0}
  frequency, expected = drawn.mean(axis=0).ravel(), np.arange(256) / 255
  assert frequency[0] == 0 and frequency[255] == 1
  assert np.all(np.abs(frequency - expected) < 4.5 * np.sqrt(expected * (1 - expected) / 4000) + 1e-9)


def test_dynamic_is_new_for_each_key_and_static_is_not():
  images = jnp.asarray(np.random.default_rng(0).integers(60, 190, (6, 8, 8, 1)), jnp.uint8)
  first, second = (binarization.dynamic(images, jax.random.split(jax.random.key(i), 6)) for i in (1, 2))
  assert 0.3 < np.mean(first != second) < 0.7
  static = binarization.static(images, 0)
  np.testing.assert_array_equal(binarization.static(images[3:], 0), static[3:])  # whatever the batch
  assert 0.3 < np.mean(binarization.static(images, 1) != static) < 0.7


def test_static_draws_differ_between_images():
  """One grey level less somewhere is another image: its pixels are drawn independently of the first one's."""
  images = np.full((40, 16, 16, 1), 128, np.uint8)
  images[np.arange(40), np.arange(40) % 16, np.arange(40) // 16] = 127
  static = np.asarray(binarization.static(jnp.asarray(images), 0)).reshape(40, -1)
  agreement = (static[:, None] == static[None]).mean(axis=-1)[~np.eye(40, dtype=bool)]
  assert abs(agreement.mean() - 0.5) < 0.01 and agreement.max() < 0.7
