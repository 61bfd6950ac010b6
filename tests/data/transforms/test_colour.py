"""Luminance and chrominance, against scikit-image and Pillow."""

import jax.numpy as jnp
import numpy as np
from PIL import Image
import pytest
from skimage import color

from deconv.data.transforms import colour


def random_levels():
  levels = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)
  levels[0, :2] = [[0, 0, 0], [255, 255, 255]]
  return levels


def test_studio_swing_is_matlabs():
  levels = random_levels()
  ycbcr = np.asarray(colour.to_ycbcr(jnp.asarray(levels / 127.5 - 1, jnp.float32)))
  np.testing.assert_allclose((ycbcr + 1) * 127.5, color.rgb2ycbcr(levels), atol=1e-4)
  np.testing.assert_allclose((ycbcr[0, :2, 0] + 1) * 127.5, [16, 235], atol=1e-4)


def test_full_swing_is_jpegs():
  levels = random_levels()
  ycbcr = np.asarray(colour.to_ycbcr(jnp.asarray(levels / 127.5 - 1, jnp.float32), 'full'))
  pillow = np.asarray(Image.fromarray(levels).convert('YCbCr'), np.float64)
  assert np.abs((ycbcr + 1) * 127.5 - pillow).max() < 1.01  # Pillow's are whole levels


@pytest.mark.parametrize('swing', ['studio', 'full'])
def test_there_and_back(swing):
  images = jnp.asarray(np.random.default_rng(1).uniform(-1, 1, (2, 5, 7, 3)), jnp.float32)
  np.testing.assert_allclose(colour.from_ycbcr(colour.to_ycbcr(images, swing), swing), images, atol=2e-6)
  grey = colour.luminance(images, swing)
  assert grey.shape == (2, 5, 7, 1)
  assert colour.luminance(grey, swing) is grey
