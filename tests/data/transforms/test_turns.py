"""Flips and quarter turns."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deconv.data.transforms.turns import dihedral


def test_all_eight_come_as_often():
  image = np.arange(5 * 5 * 2, dtype=np.uint8).reshape(5, 5, 2)
  eight = [np.rot90(x, turns) for x in (image, image[:, ::-1]) for turns in range(4)]
  turned = jax.jit(dihedral)(jnp.asarray(np.stack([image] * 800)), jax.random.split(jax.random.key(0), 800))
  assert turned.dtype == jnp.uint8
  counts = [np.sum(np.all(np.asarray(turned) == x, axis=(1, 2, 3))) for x in eight]
  assert sum(counts) == 800 and min(counts) > 65 and max(counts) < 140  # 100 each, standard deviation 9.4


def test_each_image_turns_by_its_own_key():
  images = jax.random.normal(jax.random.key(1), (6, 4, 4, 1))
  keys = jax.random.split(jax.random.key(2), 6)
  np.testing.assert_array_equal(dihedral(images, keys)[3:5], dihedral(images[3:5], keys[3:5]))
  with pytest.raises(ValueError, match='must be square, not 4x3'):
    dihedral(images[:, :, :3], keys)
