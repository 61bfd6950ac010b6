"""Poisson blending against a dense float64 solution, and where the answer is known."""

import numpy as np
import pytest

from deconv.tasks import poisson


def random_images(seed, *shape):
  return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def holes(height=7, width=9):
  """A box, scattered pixels, and a hole that reaches three edges of the image."""
  hole = np.zeros((3, height, width, 1), np.float32)
  hole[0, 2:5, 3:7] = 1
  hole[1] = np.random.default_rng(0).random((height, width, 1)) < 0.5
  hole[2, :, 2:] = 1
  return hole


def dense(fill, image, missing):
  """Least squares over pairs of neighbours of which one is missing, an equation for each pair."""
  height, width = missing.shape
  unknown = {place: i for i, place in enumerate(zip(*np.nonzero(missing)))}
  rows, right = [], []
  for row in range(height):
    for column in range(width):
      for other in ((row + 1, column), (row, column + 1)):
        here = (row, column)
        if other[0] == height or other[1] == width or not {here, other} & set(unknown):
          continue
        equation, value = np.zeros(len(unknown)), fill[here].astype(np.float64) - fill[other]
        for place, sign in ((here, 1), (other, -1)):
          if place in unknown:
            equation[unknown[place]] = sign
          else:
            value = value - sign * image[place].astype(np.float64)
        rows.append(equation)
        right.append(value)
  return np.linalg.lstsq(np.array(rows), np.array(right), rcond=None)[0]


def test_the_solution_is_that_of_dense_least_squares():
  fills, images, hole = random_images(1, 3, 7, 9, 2), random_images(2, 3, 7, 9, 2), holes()
  found = poisson.blend(fills, images, hole)
  assert found.shape == images.shape and found.dtype == np.float32
  for result, fill, image, missing in zip(found, fills, images, hole[..., 0] > 0):
    np.testing.assert_allclose(result[missing], dense(fill, image, missing), atol=1e-6)
    np.testing.assert_array_equal(result[~missing], image[~missing])


def test_a_picture_in_itself_stays_as_it_is():
  images = random_images(3, 3, 7, 9, 3)
  np.testing.assert_array_equal(poisson.blend(images, images, holes()), images)


def test_a_constant_offset_disappears():
  images = random_images(4, 3, 7, 9, 3)
  offset = np.array([0.25, -0.5, 2.0], np.float32)
  np.testing.assert_allclose(poisson.blend(images + offset, images, holes()), images, atol=1e-6)


def test_a_flat_fill_takes_the_harmonic_surface_of_its_border():
  """A plane is harmonic: between its values on the border nothing else fits a fill without gradients."""
  rows, columns = np.mgrid[:7, :9]
  plane = (0.1 * rows - 0.05 * columns)[None, ..., None].astype(np.float32)
  found = poisson.blend(np.zeros_like(plane), plane, holes()[:1])
  np.testing.assert_allclose(found, plane, atol=1e-6)


def test_images_have_holes_of_their_own_or_none():
  images, fills, hole = random_images(5, 3, 7, 9, 1), random_images(6, 3, 7, 9, 1), holes()
  hole[1] = 0
  found = poisson.blend(fills, images, hole)
  np.testing.assert_array_equal(found[1], images[1])
  np.testing.assert_array_equal(found[2:], poisson.blend(fills[2:], images[2:], hole[2:]))
  with pytest.raises(ValueError, match='no pixel is known'):
    poisson.blend(fills, images, np.ones_like(hole))
