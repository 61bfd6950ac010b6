"""The resizers against Pillow, and against the definitions of the two legacy ones, pixel by pixel, up and down."""

import numpy as np
from PIL import Image
import pytest

from deconv.errors import UserError
from deconv.metrics import resizers

SIZES = [((28, 28), 75), ((9, 14), 75), ((150, 97), 75), ((75, 75), 75), ((64, 300), 23)]


def levels(height, width, seed=0):
  return np.random.default_rng(seed).integers(0, 256, (2, height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize('shape, side', SIZES)
def test_clean_is_pillow_in_floats(shape, side):
  images = levels(*shape)
  found = np.asarray(resizers.resize(images, side, 'clean'))
  assert found.shape == (2, side, side, 3) and found.dtype == np.float32
  for image, ours in zip(images, found):
    for channel in range(3):
      plane = Image.fromarray(image[..., channel].astype(np.float32))
      assert plane.mode == 'F'
      expected = np.asarray(plane.resize((side, side), Image.Resampling.BICUBIC))
      np.testing.assert_allclose(ours[..., channel], expected, atol=1e-3)
  assert max(shape) >= side or found.min() < -1  # it overshoots, and nobody clips it


def bilinear(image, side, place):
  """One pixel after the other: `place(i, size / side)` says where pixel i of the result lies in the image."""
  (height, width), out = image.shape, np.empty((side, side))
  for i in range(side):
    for j in range(side):
      y, x = place(i, height / side), place(j, width / side)
      top, left = int(y), int(x)
      bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
      dy, dx = y - top, x - left
      upper = image[top, left] * (1 - dx) + image[top, right] * dx
      lower = image[bottom, left] * (1 - dx) + image[bottom, right] * dx
      out[i, j] = upper * (1 - dy) + lower * dy
  return out


PLACES = {
  'legacy_pytorch': lambda i, scale: max((i + 0.5) * scale - 0.5, 0.0),
  'legacy_tensorflow': lambda i, scale: i * scale,
}


@pytest.mark.parametrize('resizer', PLACES)
@pytest.mark.parametrize('shape, side', SIZES)
def test_legacy_ones_are_their_definitions(resizer, shape, side):
  images = levels(*shape, seed=1)
  found = np.asarray(resizers.resize(images, side, resizer))
  expected = bilinear(images[1, ..., 2].astype(float), side, PLACES[resizer])
  np.testing.assert_allclose(found[1, ..., 2], expected, atol=0.02)  # their coordinates are float32


def test_legacy_pytorch_is_pytorch():
  torch = pytest.importorskip('torch')
  for shape, side in SIZES:
    images = levels(*shape, seed=2)
    expected = torch.nn.functional.interpolate(
      torch.tensor(images.transpose(0, 3, 1, 2)).float(), (side, side), mode='bilinear', align_corners=False
    )
    found = np.asarray(resizers.resize(images, side, 'legacy_pytorch'))
    np.testing.assert_allclose(found, expected.numpy().transpose(0, 2, 3, 1), atol=1e-3)


def test_they_are_three():
  """Where images shrink, only the first takes all pixels in; and the third moves the picture."""
  stripes = np.zeros((1, 64, 64, 1), np.uint8)
  stripes[:, ::4] = 255
  means = {name: float(resizers.resize(stripes, 16, name).mean()) for name in resizers.RESIZERS}
  assert means['clean'] == pytest.approx(255 / 4, abs=2)
  assert means['legacy_tensorflow'] == 255 and means['legacy_pytorch'] == 0


@pytest.mark.parametrize('resizer', resizers.RESIZERS)
def test_every_row_adds_up_to_one_and_the_same_side_is_left_alone(resizer):
  for size, side in ((7, 30), (30, 7), (299, 299)):
    np.testing.assert_allclose(resizers.matrix(resizer, size, side).sum(1), 1, rtol=1e-12)
  np.testing.assert_array_equal(resizers.matrix(resizer, 20, 20), np.eye(20))


def test_a_misspelt_resizer():
  with pytest.raises(UserError, match="no resizer 'claen' .did you mean 'clean'"):
    resizers.resize(levels(8, 8), 16, 'claen')
  with pytest.raises(ValueError, match='must be'):
    resizers.resize(levels(8, 8)[0], 16, 'clean')
