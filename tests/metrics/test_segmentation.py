"""Overlap measures against scikit-learn's counts, scipy's erosion and numbers worked out by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage
from sklearn import metrics as sklearn_metrics

from deconv.metrics import segmentation

NAMES = ('ground', 'disc', 'square', 'ring')


def _random(seed=0, shape=(3, 20, 24), classes=4, ignored=0.2):
  rng = np.random.default_rng(seed)
  mask = rng.integers(0, classes, shape)
  prediction = np.where(rng.random(shape) < 0.6, mask, rng.integers(0, classes, shape))
  mask[rng.random(shape) < ignored] = 255
  return mask.astype(np.uint8), prediction.astype(np.int32)


def _blobs(seed, shape=(2, 30, 26), classes=4):
  """Random regions with smooth outlines, so that bands have insides."""
  rng = np.random.default_rng(seed)
  fields = ndimage.gaussian_filter(rng.normal(size=(classes, *shape)), (0, 0, 4, 4))
  return np.argmax(fields, axis=0).astype(np.uint8)


@pytest.mark.parametrize('array', [np.asarray, jnp.asarray], ids=['numpy', 'jax'])
def test_confusion_is_that_of_scikit_learn_without_the_ignored(array):
  mask, prediction = _random()
  valid = mask != 255
  expected = sklearn_metrics.confusion_matrix(mask[valid], prediction[valid], labels=range(4))
  result = segmentation.confusion(array(mask), array(prediction), 4)
  np.testing.assert_array_equal(result, expected)
  assert np.issubdtype(result.dtype, np.integer)


@pytest.mark.parametrize('array', [np.asarray, jnp.asarray], ids=['numpy', 'jax'])
def test_ignored_images_and_foreign_values_do_not_count(array):
  mask, prediction = _random(ignored=0)
  mask[0, 0] = 9  # neither a class nor the ignored value
  mask[1] = segmentation.IGNORE
  kept = (
    np.concatenate([mask[0, 1:].ravel(), mask[2].ravel()]),
    np.concatenate([prediction[0, 1:].ravel(), prediction[2].ravel()]),
  )
  result = segmentation.confusion(array(mask), array(prediction), 4)
  np.testing.assert_array_equal(result, sklearn_metrics.confusion_matrix(*kept, labels=range(4)))
  bands = segmentation.boundary_counts(array(mask[1:2]), array(prediction[1:2]), 4, 1)
  np.testing.assert_array_equal(bands, np.zeros((4, 2)))


def test_counts_are_additive_under_jit_and_exact():
  mask, prediction = _random(3, (5, 16, 16))
  prediction = jnp.asarray(prediction)
  count = jax.jit(lambda m, p: (segmentation.confusion(m, p, 4), segmentation.boundary_counts(m, p, 4, 2)))
  whole = count(mask, prediction)
  filler = np.full_like(mask[:1], segmentation.IGNORE)
  padded = np.concatenate([mask[3:], filler]), jnp.concatenate([prediction[3:], prediction[:1]])
  parts = [count(mask[:3], prediction[:3]), count(*padded)]
  for total, first, second in zip(whole, *parts):
    assert total.dtype == jnp.int32
    np.testing.assert_array_equal(total, first + second)


def _summary(mask, prediction, width=1):
  return segmentation.summarize(
    segmentation.confusion(mask, prediction, 4), segmentation.boundary_counts(mask, prediction, 4, width), NAMES
  )


def test_scores_are_those_of_scikit_learn():
  mask, prediction = _random(1)
  valid = mask != 255
  truth, predicted = mask[valid], prediction[valid]
  result = _summary(mask, prediction)
  ious = sklearn_metrics.jaccard_score(truth, predicted, average=None, labels=range(4))
  np.testing.assert_allclose([result[f'iou_{name}'] for name in NAMES], ious, rtol=1e-12)
  assert result['miou'] == pytest.approx(ious.mean(), rel=1e-12)
  assert result['pixel_accuracy'] == pytest.approx(sklearn_metrics.accuracy_score(truth, predicted), rel=1e-12)
  assert result['mean_accuracy'] == pytest.approx(sklearn_metrics.balanced_accuracy_score(truth, predicted), rel=1e-12)
  assert result['frequency_weighted_iou'] == pytest.approx(
    sklearn_metrics.jaccard_score(truth, predicted, average='weighted'), rel=1e-12
  )


def test_absent_classes_are_left_out_and_false_ones_count():
  mask = np.array([[[0, 0, 1, 1]]], np.uint8)
  prediction = np.array([[[0, 0, 1, 3]]], np.int32)
  result = _summary(mask, prediction)
  assert result['iou_ground'] == 1 and result['iou_disc'] == 0.5 and result['iou_ring'] == 0
  assert 'iou_square' not in result
  assert result['miou'] == pytest.approx(0.5)  # of three classes
  assert result['mean_accuracy'] == pytest.approx(0.75)  # of the two in the truth
  assert result['frequency_weighted_iou'] == pytest.approx(0.75) and result['pixel_accuracy'] == 0.75


def test_nothing_counted_gives_no_numbers_and_a_perfect_one_gives_ones():
  mask = np.full((1, 4, 4), 255, np.uint8)
  assert _summary(mask, np.zeros((1, 4, 4), np.int32)) == {}
  mask = _blobs(0)
  mask[:, 3:6, 2:20] = 255
  assert set(_summary(mask, np.where(mask == 255, 1, mask)).values()) == {1.0}


def test_no_boundary_no_number():
  mask, prediction = _random()
  assert 'boundary_iou' not in segmentation.summarize(segmentation.confusion(mask, prediction, 4), None, NAMES)


def _eroded_counts(mask, prediction, width):
  """By scipy: region minus its erosion by `width` passes of a 3x3 square; outside of the image is not the region."""
  square, counts = np.ones((3, 3), bool), np.zeros((4, 2), np.int64)
  for truth, predicted in zip(mask, np.where(mask == 255, 255, prediction)):
    for c in range(4):
      bands = [
        region & ~ndimage.binary_erosion(region, square, iterations=width, border_value=0)
        for region in (truth == c, predicted == c)
      ]
      counts[c] += np.sum(bands[0] & bands[1]), np.sum(bands[0] | bands[1])
  return counts


@pytest.mark.parametrize('array', [np.asarray, jnp.asarray], ids=['numpy', 'jax'])
@pytest.mark.parametrize('width', [1, 2, 5])
def test_boundary_bands_are_those_of_scipys_erosion(array, width):
  mask, prediction = _blobs(0), _blobs(0).astype(np.int32)
  prediction[:, 2:] = prediction[:, :-2].copy()
  prediction[1, 10:14, 10:14] = 3
  mask[0, 5:9, 3:20] = 255
  mask[1, 25, 25] = 255
  count = segmentation.boundary_counts
  if array is jnp.asarray:
    count = jax.jit(count, static_argnums=(2, 3))
  result = count(array(mask), array(prediction), 4, width)
  expected = _eroded_counts(mask, prediction, width)
  assert np.all(expected[:, 0] > 0) and np.any(expected[:, 0] < expected[:, 1])
  np.testing.assert_array_equal(result, expected)


def test_boundary_iou_by_hand():
  """A 6x6 square, predicted one column to the right, band of one pixel: 20 pixels each, 12 in common."""
  mask, prediction = np.zeros((1, 12, 12), np.uint8), np.zeros((1, 12, 12), np.int32)
  mask[0, 3:9, 3:9] = 1
  prediction[0, 3:9, 4:10] = 1
  counts = segmentation.boundary_counts(mask, prediction, 4, 1)
  in_common = len({(r, c) for r in (3, 8) for c in range(4, 9)})  # top and bottom rows; the side columns never meet
  np.testing.assert_array_equal(counts[1], [in_common, 40 - in_common])


def test_boundary_iou_sees_outlines_that_iou_hardly_does():
  truth = _blobs(2, (4, 64, 64))
  rough = truth[:, 1::4, 1::4].repeat(4, axis=1).repeat(4, axis=2).astype(np.int32)
  result = _summary(truth, rough, segmentation.boundary_width(64, 64))
  assert result['miou'] > 0.7 > 0.6 > result['boundary_iou']


@pytest.mark.parametrize('size, width', [((64, 64), 2), ((375, 500), 12), ((8, 8), 1)])
def test_band_is_two_percent_of_the_diagonal(size, width):
  assert segmentation.boundary_width(*size) == width


def test_protocol_says_width_and_rule():
  assert '2 pixels' in segmentation.protocol(2)['boundary_iou_is']
  assert '2 %' in segmentation.protocol()['boundary_iou_is'] and segmentation.protocol()['ignore'] == 255
