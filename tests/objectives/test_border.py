"""Components and border weights against scipy's labels and distance transforms."""

import jax
import numpy as np
import pytest
from scipy import ndimage

from deconv.objectives import border


def _blobs(seed, shape=(2, 40, 33), classes=3):
  fields = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(classes, *shape)), (0, 0, 2, 2))
  return np.argmax(fields, axis=0).astype(np.uint8)


def _regions(mask):
  """scipy's connected regions of one (h, w) mask, class by class: list of bool (h, w)."""
  regions = []
  for value in set(mask.ravel()) - {0, 255}:
    labels, count = ndimage.label(mask == value)
    regions += [labels == i for i in range(1, count + 1)]
  return regions


def _spiral(size):
  """A path of one pixel width with walls between its turns: the longest way through a square."""
  mask = np.zeros((size, size), np.uint8)
  r, c, dr, dc = 0, 0, 0, 1
  mask[0, 0] = 1
  for _ in range(size * size):
    far = r + 2 * dr, c + 2 * dc
    blocked = not (0 <= r + dr < size and 0 <= c + dc < size) or (
      0 <= far[0] < size and 0 <= far[1] < size and mask[far]
    )
    if blocked:
      dr, dc = dc, -dr
      if not (0 <= r + dr < size and 0 <= c + dc < size) or mask[r + dr, c + dc]:
        break
      far = r + 2 * dr, c + 2 * dc
      if 0 <= far[0] < size and 0 <= far[1] < size and mask[far]:
        break
    r, c = r + dr, c + dc
    mask[r, c] = 1
  return mask


def test_components_are_those_of_scipy():
  masks = np.stack([*_blobs(0, (2, 25, 25)), _spiral(25), np.zeros((25, 25), np.uint8)])
  masks[1, 5:9, :12] = 255
  assert ndimage.label(masks[2])[1] == 1 and masks[2].sum() > 200
  found = np.asarray(jax.jit(border.components)(masks))
  for mask, numbers in zip(masks, found):
    regions = _regions(mask)
    np.testing.assert_array_equal(numbers == 0, (mask == 0) | (mask == 255))
    assert len(set(numbers[numbers > 0])) == len(regions)
    assert all(len(set(numbers[region])) == 1 for region in regions)


def _reference(mask, weight, sigma):
  distances = [ndimage.distance_transform_edt(~region) for region in _regions(mask)]
  if len(distances) < 2:
    return np.zeros(mask.shape)
  first, second = np.sort(distances, axis=0)[:2]
  return (mask == 0) * weight * np.exp(-((first + second) ** 2) / (2 * sigma**2))


@pytest.mark.parametrize('weight, sigma', [(3.0, 2.0), (10.0, 5.0)])
def test_weights_are_those_of_scipys_distances(weight, sigma):
  masks = np.concatenate([_blobs(1), _blobs(2, classes=4), np.zeros((1, 40, 33), np.uint8)])
  masks[2, 5:9, :20] = 255
  masks[4, 3:5, 3:5] = 1  # one region is not two
  found = np.asarray(jax.jit(lambda m: border.border_weights(m, weight, sigma))(masks))
  expected = np.stack([_reference(mask, weight, sigma) for mask in masks])
  assert expected.max() > 0.5 * weight and not expected[4].any()
  np.testing.assert_allclose(found, expected, atol=5e-6 * weight)


def test_two_squares_by_hand():
  mask = np.zeros((1, 9, 20), np.uint8)
  mask[0, 2:7, 2:6], mask[0, 2:7, 9:14] = 1, 1
  weights = np.asarray(jax.jit(lambda m: border.border_weights(m, weight=10.0, sigma=5.0))(mask))
  between = 10 * np.exp(-((1 + 3) ** 2) / 50)  # column 6: one pixel from the left square, three from the right one
  np.testing.assert_allclose(weights[0, 4, 6:9], [between] * 3, rtol=1e-5)
  assert not weights[mask > 0].any()
