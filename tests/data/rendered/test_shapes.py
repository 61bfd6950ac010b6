"""The shapes against areas, symmetries and a brute-force rendering."""

import numpy as np
import pytest

from deconv.data.rendered import shapes

CENTRE = [5, 0, 16, 16]  # the largest scale, no rotation, near the middle


def render(*rows, size=64):
  return shapes.render_shapes(np.array(rows), size)[..., 0] / 255.0


def place(index):
  return (1 - shapes._REACH) * (2 * index / 31 - 1)


def area(image):
  """In the units in which an image is [-1, 1]."""
  return image.sum() * 4 / image.size


@pytest.mark.parametrize('size', [32, 64])
@pytest.mark.parametrize('scale', [0, 5])
def test_areas(size, scale):
  factor = (0.5 + 0.1 * scale) ** 2
  heart = shapes._HEART**2 * (0.5 + np.pi / 8)  # a square of diagonal 1 and two half discs on its sides
  for shape, expected in enumerate([4 * shapes._SQUARE**2, np.pi * np.prod(shapes._ELLIPSE), heart]):
    found = [area(image) for image in render(*[[shape, scale, rotation, 9, 20] for rotation in range(40)], size=size)]
    assert np.mean(found) == pytest.approx(factor * expected, rel=0.02 if size == 64 else 0.05)
    assert found == pytest.approx([factor * expected] * 40, rel=0.1)


@pytest.mark.parametrize('rotation', [0, 3, 17])
def test_coverage_by_brute_force(rotation):
  """Share of 16 x 16 points of each pixel that lie inside, for the two shapes whose inside is one inequality."""
  fine = (np.arange(64 * 16) + 0.5) / (64 * 8) - 1
  angle = rotation * 2 * np.pi / 40
  x, y = fine[None, :] - place(9), fine[:, None] - place(20)
  u, v = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
  inside = [
    np.maximum(abs(u), abs(v)) < shapes._SQUARE,
    (u / shapes._ELLIPSE[0]) ** 2 + (v / shapes._ELLIPSE[1]) ** 2 < 1,
  ]
  for shape in range(2):
    exact = inside[shape].reshape(64, 16, 64, 16).mean(axis=(1, 3))
    found = render([shape, 5, rotation, 9, 20])[0]
    assert np.abs(found - exact).max() < 0.27  # at a corner
    assert np.abs(found - exact).mean() < 0.002
    edge = (exact > 0) & (exact < 1)
    assert np.abs(found - exact)[edge].mean() < 0.06


def test_position_moves_the_shape_and_nothing_else():
  for column, axis in ((3, 1), (4, 0)):
    rows = np.tile([2, 4, 7, 11, 11], (32, 1))
    rows[:, column] = np.arange(32)
    images = render(*rows)
    pixels = (np.arange(64) + 0.5) / 32 - 1
    centre = [(image.sum(1 - axis) * pixels).sum() / image.sum() for image in images]
    assert np.diff(centre) == pytest.approx([place(1) - place(0)] * 31, abs=0.003)
    assert (images.sum(axis=(1, 2)) / images[0].sum()) == pytest.approx([1] * 32, abs=0.02)


def test_shapes_stay_inside():
  for shape in range(3):
    for rotation in range(40):
      images = render(*[[shape, 5, rotation, x, y] for x in (0, 16, 31) for y in (0, 16, 31)])
      assert images.sum(axis=(1, 2)) == pytest.approx([images[4].sum()] * 9, rel=0.05)


def test_rotations_and_their_symmetries():
  square, ellipse, heart = (render(*[[shape, 5, rotation, 16, 16] for rotation in range(40)]) for shape in range(3))
  assert square[10] == pytest.approx(square[0], abs=0.02) and np.abs(square[5] - square[0]).max() > 0.5
  assert ellipse[20] == pytest.approx(ellipse[0], abs=0.02) and np.abs(ellipse[10] - ellipse[0]).max() > 0.5
  for rotation in range(1, 40):
    assert np.abs(heart[rotation] - heart[0]).max() > 0.2
  # At no rotation a heart is mirror-symmetric and its tip is below.
  upright = render([2, 5, 0, 0, 16])[0]
  rows, columns = np.nonzero(upright > 0.5)
  widths = [np.ptp(columns[rows == row]) for row in np.unique(rows)]
  assert np.argmax(widths) < len(widths) / 2 and widths[-1] < 4


def test_every_image_is_a_function_of_its_factors_alone():
  random = np.random.RandomState(0)
  rows = np.stack([random.randint(0, size, 20) for size in shapes.FACTORS.values()], axis=-1)
  together = shapes.render_shapes(rows, 48)
  for i in range(20):
    assert np.array_equal(together[i], shapes.render_shapes(rows[i : i + 1], 48)[0])
  assert len({image.tobytes() for image in together}) == 20
