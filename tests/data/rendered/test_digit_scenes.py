"""Digits on photographs: where the ink is, and that training and test share neither digits nor pixels."""

import dataclasses

import numpy as np
import pytest
from scipy import ndimage

from deconv.data import DataOptions, open_source
from deconv.data.rendered import digit_scenes
from deconv.errors import UserError

OPTIONS = DataOptions(source='digit_scenes', image_size=32, channels=3)


@pytest.mark.parametrize('angle', [0.0, 0.3])
def test_cover_is_the_enlarged_ink(angle):
  """Against scipy's cubic spline in the same places, which differs a little from Pillow's cubic."""
  ink = digit_scenes.read_material()[1][3]
  x, y, box, size = 0.45, 0.6, 0.5, 64
  covered = digit_scenes.cover(ink, x, y, box, angle, size)
  down, right = np.mgrid[:size, :size] + 0.5
  right, down = (right - x * size) * 8 / (box * size), (down - y * size) * 8 / (box * size)
  u = np.cos(angle) * right + np.sin(angle) * down + 4 - 0.5
  v = np.cos(angle) * down - np.sin(angle) * right + 4 - 0.5
  expected = ndimage.map_coordinates(np.pad(ink, 8), [v + 8, u + 8], order=3)
  expected = np.clip((expected - digit_scenes._FAINT) / (digit_scenes._SOLID - digit_scenes._FAINT), 0, 1)
  assert 0.05 < (covered >= 0.5).mean() < 0.2
  assert np.abs(covered - expected).mean() < 0.01
  assert ((covered >= 0.5) == (expected >= 0.5)).mean() > 0.99


def test_mask_is_where_the_digit_is_and_the_rest_is_the_photograph():
  backgrounds, ink, labels = digit_scenes.read_material()
  for number in (0, 5, 4003):
    (photo, left, top, side), pasted = digit_scenes.draw_scene(number)
    image, mask = digit_scenes.render_scene(number, 64)
    expected, covered = np.zeros((64, 64), int), np.zeros((64, 64))
    for digit, *place in pasted:
      one = digit_scenes.cover(ink[digit], *place, 64)
      expected[one >= 0.5] = labels[digit] + 1
      covered = np.maximum(covered, one)
    np.testing.assert_array_equal(mask, expected)
    piece = backgrounds[photo, top : top + side, left : left + side].astype(float)
    zoomed = np.stack(
      [
        ndimage.zoom(
          ndimage.gaussian_filter(piece[..., i], 0.4 * side / 64), 64 / side, order=1, grid_mode=True, mode='nearest'
        )
        for i in range(3)
      ],
      -1,
    )
    difference = np.abs(image - zoomed).mean(axis=-1)
    assert difference[covered == 0].mean() < 12 < difference[covered == 1].mean()


def test_classes_and_sizes():
  seen = np.zeros(11)
  for number in range(150):
    _, mask = digit_scenes.render_scene(number, 32)
    assert mask.max() > 0
    seen += np.bincount(mask.ravel(), minlength=11) > 0
  assert (seen > 10).all() and digit_scenes.CLASSES[4] == '3'
  small, large = (digit_scenes.render_scene(7, size)[1] for size in (64, 192))
  assert (small == large[1::3, 1::3]).mean() > 0.98
  assert digit_scenes.render_scene(7, 32, 1)[0].shape == (32, 32, 1)


def test_training_and_test_share_neither_digits_nor_pixels():
  for numbers, digits, columns in ((range(4000), (0, 1500), (0, 427)), (range(4000, 4500), (1500, 1797), (427, 640))):
    drawn = [digit_scenes.draw_scene(number) for number in numbers[::5]]
    assert all(
      columns[0] <= left and left + side <= columns[1] and top + side <= 427 for (_, left, top, side), _ in drawn
    )
    assert all(digits[0] <= row[0] < digits[1] for _, pasted in drawn for row in pasted)
    assert {len(pasted) for _, pasted in drawn} == {1, 2, 3, 4}


def test_source():
  train, test = open_source(OPTIONS), open_source(OPTIONS, 'test')
  assert (len(train), len(test)) == (4000, 500) and train.mask_names == digit_scenes.CLASSES
  np.testing.assert_array_equal(test[2]['mask'], digit_scenes.render_scene(4002, 32)[1])
  assert train.fingerprint() != test.fingerprint() == open_source(OPTIONS, 'test').fingerprint()
  with pytest.raises(UserError, match="no split 'valid'"):
    open_source(OPTIONS, 'valid')
  with pytest.raises(UserError, match='classes photo, 0, .*, not data.class_names .a, b.'):
    open_source(dataclasses.replace(OPTIONS, class_names=('a', 'b')))
