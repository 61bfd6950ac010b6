"""The context loss of semantic completion against plain float64 loops and values by hand."""

import numpy as np
import pytest

from deconv.objectives import completion


def weights_by_loop(missing, window):
  """Yeh et al. 2017, equation 3, pixel by pixel in float64."""
  height, width = missing.shape
  reach, weights = window // 2, np.zeros((height, width))
  for row in range(height):
    for column in range(width):
      if missing[row, column]:
        continue
      near = [
        missing[i, j]
        for i in range(row - reach, row + reach + 1)
        for j in range(column - reach, column + reach + 1)
        if 0 <= i < height and 0 <= j < width
      ]
      weights[row, column] = sum(near) / len(near)
  return weights


@pytest.mark.parametrize('window', [3, 7, 11])
def test_weights_are_the_share_of_missing_neighbours(window):
  missing = np.random.default_rng(window).random((2, 9, 13)) < 0.3
  missing[1] = False
  missing[1, 3:6, 4:8] = True
  found = completion.neighbourhood_weights(missing[..., None].astype(np.float32), window)
  assert found.shape == (2, 9, 13, 1) and found.dtype == np.float32
  for weights, one in zip(found, missing):
    np.testing.assert_allclose(weights[..., 0], weights_by_loop(one, window), rtol=1e-6)


def test_weights_by_hand():
  hole = np.zeros((1, 5, 5, 1))
  hole[0, 2, 2] = 1
  found = np.asarray(completion.neighbourhood_weights(hole, 5))[0, :, :, 0]
  # A corner sees 3x3 pixels, the middle of an edge 3x5, a neighbour of the hole 4x5.
  assert found[0, 0] == pytest.approx(1 / 9) and found[0, 2] == pytest.approx(1 / 15)
  assert found[1, 2] == pytest.approx(1 / 20) and found[2, 2] == 0


def test_context_is_a_weighted_sum():
  images = np.array([[[[0.5, -1.0]], [[1.0, 1.0]]]], np.float32)  # one image of 2x1 pixels and two channels
  targets = np.array([[[[0.0, 0.0]], [[1.0, -1.0]]]], np.float32)
  weights = np.array([[[[0.5]], [[0.25]]]], np.float32)
  # 0.5 (0.5 + 1) + 0.25 (0 + 2)
  np.testing.assert_allclose(completion.context(images, targets, weights), [1.25])
