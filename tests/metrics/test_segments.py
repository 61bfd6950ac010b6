"""Scores of regions: by hand, against loops over pairs of pixels, and against scikit-learn and scikit-image."""

import itertools

import numpy as np
import pytest
from scipy import ndimage
from skimage.metrics import adapted_rand_error
from sklearn.metrics import homogeneity_completeness_v_measure

from deconv.metrics import segments


def draw(seed, shape=(7, 9), zeros=0.2):
  """(truth, proposal): blocks of numbers that agree in most places, with pixels of no region in both."""
  rng = np.random.default_rng(seed)
  truth = np.kron(rng.integers(1, 5, (3, 3)), np.ones((3, 3), int))[: shape[0], : shape[1]]
  proposal = np.where(rng.random(shape) < 0.3, rng.integers(1, 6, shape), truth + 1)
  return tuple(np.where(rng.random(shape) < zeros, 0, labels) for labels in (truth, proposal))


def test_two_cells_that_were_merged_by_hand():
  truth, proposal = np.array([[1, 1, 1, 0, 2]]), np.array([[7, 7, 7, 7, 7]])
  # p = 3/4 and 1/4: the sum of squares is 10/16 for the truth, and 1 for the proposal.
  score = segments.rand_score(truth, proposal)
  assert score == pytest.approx((2 * 0.625 / 1.625, 1.0, 0.625))
  assert segments.information_score(truth, proposal) == pytest.approx((0.0, 0.0, 0.0))


def test_a_cell_that_was_split_and_a_pixel_of_no_region_by_hand():
  truth, proposal = np.array([[1, 1, 1, 1]]), np.array([[1, 1, 2, 0]])
  # The proposal has regions of 2, 1 and (a pixel by itself) 1 of 4 pixels: 1/4 + 1/16 + 1/16.
  assert segments.rand_score(truth, proposal) == pytest.approx((2 * 0.375 / 1.375, 0.375, 1.0))


def by_pairs(truth, proposal):
  """V-Rand as the probabilities that two pixels, drawn one after the other, lie in one region; a loop."""
  where = [place for place in np.ndindex(truth.shape) if truth[place] > 0]
  own = {place: str(proposal[place]) if proposal[place] > 0 else f'alone {place}' for place in where}
  both = true = proposed = 0
  for a, b in itertools.product(where, where):
    both += truth[a] == truth[b] and own[a] == own[b]
    true += truth[a] == truth[b]
    proposed += own[a] == own[b]
  split, merge = both / true, both / proposed
  return 2 * split * merge / (split + merge), split, merge


@pytest.mark.parametrize('seed', range(4))
def test_v_rand_is_that_of_all_pairs_of_pixels(seed):
  truth, proposal = draw(seed)
  assert segments.rand_score(truth, proposal) == pytest.approx(by_pairs(truth, proposal), rel=1e-12)


@pytest.mark.parametrize('seed', range(4))
def test_v_info_is_scikit_learns_v_measure(seed):
  truth, proposal = draw(seed)
  own = np.where(proposal > 0, proposal, 1000 + np.arange(truth.size).reshape(truth.shape))
  merge, split, score = homogeneity_completeness_v_measure(truth[truth > 0], own[truth > 0])
  assert segments.information_score(truth, proposal) == pytest.approx((score, split, merge), rel=1e-9)


@pytest.mark.parametrize('seed', range(3))
def test_v_rand_is_scikit_images_where_no_pixel_is_alone(seed):
  """Its counts leave out the pairs of a pixel with itself: the same up to one over the pixels of a region."""
  truth, proposal = draw(seed, zeros=0)
  truth, proposal = (np.kron(labels, np.ones((20, 20), int)) for labels in (truth, proposal))
  error, _, _ = adapted_rand_error(truth, proposal)
  assert segments.rand_score(truth, proposal).score == pytest.approx(1 - error, abs=1e-3)


def test_the_numbers_of_regions_do_not_matter():
  truth, proposal = draw(0)
  other = np.array([0, 9, 3, 40, 5, 11, 2])[proposal]
  for score in (segments.rand_score, segments.information_score):
    assert score(truth, other) == pytest.approx(score(truth, proposal))
    assert score(truth, truth) == pytest.approx((1, 1, 1))


def test_without_regions():
  nothing, something = np.zeros((3, 3), int), np.ones((3, 3), int)
  for score in (segments.rand_score, segments.information_score):
    assert score(nothing, something) == (1, 1, 1)
  assert segments.information_score(something, something) == (1, 1, 1)
  # Nine pixels, each alone.
  assert segments.rand_score(something, nothing) == pytest.approx((2 / 9 / (10 / 9), 1 / 9, 1.0))
  assert segments.information_score(something, nothing) == pytest.approx((0, 0, 0))


def test_regions_touch_by_sides():
  found = segments.regions(np.array([[1, 0, 1], [0, 1, 1]], bool))
  assert found[0, 0] not in (0, found[0, 2]) and found[1, 1] == found[0, 2] == found[1, 2]


def test_borders_are_thinned_to_a_line():
  inside = np.zeros((12, 21), bool)
  inside[:, :6] = inside[:, 13:] = True  # between them, seven columns of border
  found = segments.thinned(inside)
  assert (found == 0).sum(axis=1).max() == 1 and (found == 0).sum() == 12
  assert set(np.unique(found)) == {0, *np.unique(found[:, 0]), *np.unique(found[:, -1])}
  line = np.argwhere(found == 0)[:, 1]
  assert (abs(line - 9) <= 1).all()  # in the middle of the border
  assert not segments.thinned(np.zeros((4, 5), bool)).any()
  assert (segments.thinned(np.ones((4, 5), bool)) == 1).all()


def test_scores_after_thinning_do_not_depend_on_the_width_of_borders():
  field = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(160, 160)), 6)
  cells = ndimage.label(field > 0.02)[0]
  inside = cells > 0
  for width in (2, 3):
    narrow = ndimage.binary_erosion(inside, iterations=width)
    plain = segments.rand_score(segments.regions(inside), segments.regions(narrow)).score
    after = segments.rand_score(segments.regions(inside), segments.thinned(narrow)).score
    assert after > plain and after > 0.9
