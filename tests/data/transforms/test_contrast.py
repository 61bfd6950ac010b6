"""Local contrast normalisation against SciPy's Gaussian means, and what it must leave alone."""

import numpy as np
import pytest
from scipy import ndimage

from deconv.data.transforms import contrast

RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(-1, 1, (2, 20, 17, 3)).astype(np.float32)


def smooth(channel):
  return ndimage.gaussian_filter(channel, contrast.SIGMA, mode='mirror', radius=6)


def test_local_is_that_of_scipy():
  found = contrast.normalize_contrast(IMAGES, 'local')
  for i in range(2):
    for c in range(3):
      channel = IMAGES[i, ..., c].astype(np.float64)
      mean = smooth(channel)
      deviation = np.sqrt(smooth(channel**2) - mean**2)
      deviation = np.maximum(deviation, np.median(deviation))
      np.testing.assert_allclose(found.values[i, ..., c], (channel - mean) / deviation, atol=1e-4)


@pytest.mark.parametrize('kind', ['local', 'global', 'none'])
def test_what_was_taken_out_can_be_put_back(kind):
  found = contrast.normalize_contrast(IMAGES, kind)
  np.testing.assert_allclose(found.restore(found.values), IMAGES, atol=1e-5)
  brighter = contrast.normalize_contrast(0.3 * IMAGES + 0.2, kind)
  same = np.allclose(brighter.values, found.values, atol=1e-4)
  assert same == (kind != 'none')


@pytest.mark.parametrize('kind', ['local', 'global'])
def test_a_flat_image_is_zero(kind):
  found = contrast.normalize_contrast(np.full((1, 16, 16, 1), 0.3, np.float32), kind)
  np.testing.assert_allclose(found.values, 0, atol=1e-2)
  np.testing.assert_allclose(found.deviation, 1)


@pytest.mark.parametrize('kind', ['local', 'global'])
def test_missing_pixels_tell_nothing(kind):
  weights = (RNG.uniform(size=(2, 20, 17, 1)) < 0.7).astype(np.float32)
  found = contrast.normalize_contrast(IMAGES, kind, weights)
  other = contrast.normalize_contrast(np.where(weights > 0, IMAGES, 0.9), kind, weights)
  np.testing.assert_allclose(found.mean, other.mean, atol=1e-5)
  np.testing.assert_allclose(found.deviation, other.deviation, atol=1e-5)
  whole = contrast.normalize_contrast(IMAGES, kind, np.ones_like(weights))
  np.testing.assert_allclose(whole.values, contrast.normalize_contrast(IMAGES, kind).values, atol=1e-5)


def test_mistakes():
  with pytest.raises(ValueError, match='is none of local'):
    contrast.normalize_contrast(IMAGES, 'locally')
  with pytest.raises(ValueError, match='6x20 pixels are too few'):
    contrast.normalize_contrast(np.zeros((1, 6, 20, 1)), 'local')
