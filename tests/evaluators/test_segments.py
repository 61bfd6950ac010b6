"""Regions of whole held-out slices: numbers against the metrics, thresholds, what is drawn, and the mistake."""

import jax
import numpy as np
import pytest

from deconv import data
from deconv.errors import UserError
from deconv.evaluators import EVALUATORS
from deconv.metrics import segments
from deconv.options.evaluation import SegmentationEvalOptions
from deconv.tasks.capabilities import PredictsClasses

KEY = jax.random.key(0)
EVALUATOR = EVALUATORS['segments']
NAMES = 'membrane', 'inside'


class Reader(PredictsClasses):
  """Has no network: the probability of the inside is the grey level over 255."""

  def __init__(self, class_names=NAMES):
    self.class_names, self.sides = class_names, (8, 8)

  def predict_image(self, state, image):
    inside = image.astype(np.float32) / 255
    return np.concatenate([1 - inside, inside], axis=-1)

  def count_classes(self, masks, classes):
    raise NotImplementedError


class Slices(data.Source):
  """Slices and their labels, larger than what the network sees."""

  def __init__(self, slices):
    super().__init__('slices', data.DataOptions(image_size=8, class_names=NAMES), mask_names=NAMES)
    self.slices = slices

  def __len__(self):
    return len(self.slices)

  def load_full(self, index):
    image, mask = self.slices[index]
    return {'image': image, 'mask': mask}


def two_cells(gap, level=200):
  """Two cells with a membrane of one column; in the picture, `gap` rows of the membrane are as bright as the cells."""
  mask = np.ones((10, 13), np.uint8)
  mask[:, 6] = 0
  image = np.where(mask > 0, level, 100)
  image[:gap, 6] = level
  return image.astype(np.uint8)[..., None], mask


def measure(source, task=None, **options):
  return EVALUATOR.measure(task or Reader(), None, source, KEY, SegmentationEvalOptions(**options))


def test_cells_that_are_separated_and_cells_that_are_not():
  numbers, pictures, protocol = measure(Slices([two_cells(0), two_cells(2)]), whole_images=9)
  merged = segments.rand_score(segments.regions(two_cells(0)[1]), np.ones((10, 13), int))
  assert numbers['v_rand'] == pytest.approx((1 + merged.score) / 2) and merged.score < 0.9
  assert numbers['v_rand_split'] == 1 and numbers['v_rand_merge'] == pytest.approx((1 + merged.merge) / 2)
  assert numbers['v_info'] == pytest.approx(0.5)
  assert set(pictures) == {'segments_0', 'segments_1'} and protocol['whole_images'] == 2
  assert all(isinstance(value, float) for value in numbers.values())


def test_the_best_threshold_is_one_for_all_slices():
  """The membrane of the first is dark (level 100 of 255), that of the second too, but its cells are hardly brighter."""
  numbers, _, _ = measure(Slices([two_cells(0), two_cells(0, level=120)]), whole_images=2)
  assert numbers['v_rand'] < 1  # at 1/2 the second has no inside at all
  assert numbers['v_rand_best'] == numbers['v_info_best'] == 1
  assert numbers['v_rand_threshold'] == numbers['v_info_threshold'] == pytest.approx(0.4)  # between 100 and 120


def test_nothing_is_read_where_no_pictures_are_asked_for():
  assert measure(None) == ({}, {}, {})


def test_two_classes():
  with pytest.raises(UserError, match="'segments' compares regions between borders, two classes, not 3; take it out"):
    measure(Slices([two_cells(0)]), Reader(('a', 'b', 'c')), whole_images=1)
