"""Nearest neighbours against a plain loop, and the memorisation check on a copyist and on honest draws."""

import numpy as np
import pytest

from deconv.metrics import neighbours


def noise(n, seed):
  return np.random.default_rng(seed).integers(0, 256, (n, 3, 4, 2), dtype=np.uint8)


@pytest.mark.parametrize('chunk', [1000, 4])
def test_nearest_equals_a_plain_loop(chunk, monkeypatch):
  monkeypatch.setattr(neighbours, 'CHUNK', chunk)
  queries, references = noise(9, 0), noise(13, 1)
  distances, indices = neighbours.nearest(queries, references)
  for query, distance, index in zip(queries, distances, indices):
    plain = [np.sqrt(np.mean((query / 255.0 - reference / 255.0) ** 2)) for reference in references]
    assert index == int(np.argmin(plain)) and distance == pytest.approx(min(plain), rel=1e-5)


def test_an_image_is_not_its_own_neighbour(monkeypatch):
  monkeypatch.setattr(neighbours, 'CHUNK', 3)
  images = noise(7, 0)
  assert np.all(neighbours.nearest(images, images)[0] == 0)
  distances, indices = neighbours.nearest(images, images, exclude_self=True)
  assert np.all(distances > 0) and not np.any(indices == np.arange(7))


def test_black_and_white_are_one_apart():
  black, white = np.zeros((1, 2, 2, 1), np.uint8), np.full((1, 2, 2, 1), 255, np.uint8)
  assert neighbours.nearest(black, white)[0] == pytest.approx([1.0])


def test_a_copyist_is_found_and_honest_draws_are_not():
  reference, heldout = noise(60, 0), noise(60, 1)
  numbers, indices = neighbours.compare(reference[:20], reference, heldout)
  assert numbers['neighbour_distance'] == 0 and numbers['neighbour_closer'] == 1
  np.testing.assert_array_equal(indices, np.arange(20))
  numbers, _ = neighbours.compare(noise(60, 2), reference, heldout)
  assert abs(numbers['neighbour_closer'] - numbers['neighbour_closer_heldout']) < 0.3
  assert numbers['neighbour_distance'] == pytest.approx(numbers['neighbour_distance_heldout'], rel=0.1)


def test_picture_puts_each_sample_over_its_match():
  samples, matches = noise(10, 0), noise(10, 1)
  picture = neighbours.picture(samples, matches)
  assert picture.shape == (4 * 5 + 2, 8 * 6 + 2, 2)
  np.testing.assert_array_equal(picture[2:5, 2:6], samples[0])
  np.testing.assert_array_equal(picture[7:10, 2:6], matches[0])
  np.testing.assert_array_equal(picture[12:15, 8:12], samples[9])
  assert np.all(picture[17:20, 14:] == 255)
