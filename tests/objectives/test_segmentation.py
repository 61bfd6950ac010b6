"""Losses against float64 loops and scikit-learn; gradients; what does not count."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.metrics import log_loss

from deconv.errors import UserError
from deconv.objectives import segmentation
from deconv.objectives.segmentation import SegmentationLoss
from deconv.options.objectives.segmentation import SegmentationObjective

LOSSES = {
  'cross_entropy': segmentation.cross_entropy,
  'dice': segmentation.dice,
  'focal': lambda logits, mask: segmentation.focal(logits, mask, 0.5),
  'lovasz': lambda logits, mask: segmentation.lovasz(logits, mask, per_image=False),
  'lovasz_per_image': lambda logits, mask: segmentation.lovasz(logits, mask, per_image=True),
}
LOSSES = {name: (jax.jit(loss), jax.jit(jax.value_and_grad(loss))) for name, loss in LOSSES.items()}


def make_loss(**fields):
  return SegmentationLoss(SegmentationObjective(**fields))


def _case(seed=0, shape=(2, 4, 5), classes=3, ignored=True):
  rng = np.random.default_rng(seed)
  logits = rng.normal(size=(*shape, classes)).astype(np.float32) * 2
  mask = rng.integers(0, classes, shape).astype(np.uint8)
  if ignored:
    mask[0, 1], mask[1, 2, 3], mask[1, 3, 1] = 255, 255, 77  # 77 is no class either
  return logits, mask


def _softmax(logits):
  e = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
  return e / e.sum(axis=-1, keepdims=True)


def _counting(logits, mask):
  """float64 probabilities (n, C) and classes (n,) of the pixels that count."""
  keep = mask < logits.shape[-1]
  return _softmax(logits)[keep], mask[keep]


def test_cross_entropy_is_scikit_learns_log_loss():
  logits, mask = _case()
  p, true = _counting(logits, mask)
  assert LOSSES['cross_entropy'][0](logits, mask) == pytest.approx(log_loss(true, p, labels=range(3)), rel=1e-6)


def test_weights_of_cross_entropy_and_focal_by_a_loop():
  logits, mask = _case(1)
  weights, extra = np.array([0.5, 2.0, 1.0]), np.random.default_rng(2).random(mask.shape).astype(np.float32)
  p = _softmax(logits)
  entropy, focal, count = 0.0, 0.0, 0
  for at in np.ndindex(mask.shape):
    if mask[at] < 3:
      q = p[at][mask[at]]
      entropy -= (weights[mask[at]] + extra[at]) * np.log(q)
      focal -= weights[mask[at]] * (1 - q) ** 1.5 * np.log(q)
      count += 1
  assert segmentation.cross_entropy(logits, mask, weights, extra) == pytest.approx(entropy / count, rel=1e-5)
  assert segmentation.focal(logits, mask, 1.5, weights) == pytest.approx(focal / count, rel=1e-5)


def test_deep_supervision_compares_every_pixel_with_its_cell():
  rng = np.random.default_rng(3)
  mask = rng.integers(0, 3, (2, 4, 8))
  mask[0, 1, 2] = segmentation.IGNORE
  scores = [rng.normal(size=(2, 2, 4, 3)).astype(np.float32), rng.normal(size=(2, 1, 2, 3)).astype(np.float32)]
  expected = []
  for factor, logits in zip((2, 4), scores):
    pixels = [(b, i, j) for b, i, j in np.ndindex(mask.shape) if mask[b, i, j] != segmentation.IGNORE]
    p = _softmax(logits)
    expected.append(np.mean([-np.log(p[b, i // factor, j // factor, mask[b, i, j]]) for b, i, j in pixels]))
  np.testing.assert_allclose(segmentation.deep(scores, mask), np.mean(expected), rtol=1e-6)


def test_focal_with_gamma_zero_is_the_cross_entropy():
  logits, mask = _case(3)
  entropy = float(LOSSES['cross_entropy'][0](logits, mask))
  assert segmentation.focal(logits, mask, 0.0) == pytest.approx(entropy, rel=1e-6)


def test_dice_by_a_loop_over_the_classes_in_the_mask():
  logits, mask = _case(4)
  mask[mask == 2] = 0  # class 2 does not occur and is left out
  p, true = _counting(logits, mask)
  lost = [1 - 2 * np.sum(p[:, c] * (true == c)) / (np.sum(p[:, c] ** 2) + np.sum(true == c)) for c in (0, 1)]
  assert LOSSES['dice'][0](logits, mask) == pytest.approx(np.mean(lost), rel=1e-5)


def _lovasz_extension(errors, true):
  """The published definition by brute force: the mean of the set function over all thresholds of the errors.

  Delta(M) = |M| / |true or M| is the loss 1 - IoU when the pixels of M are wrong. The Lovasz extension at errors in
  [0, 1] is the integral over t from 0 to 1 of Delta({errors > t}); the integrand is constant between the errors.
  """
  cuts, total = np.unique(np.concatenate([[0.0, 1.0], errors])), 0.0
  for low, high in itertools.pairwise(cuts):
    wrong = errors > low
    total += (high - low) * wrong.sum() / np.sum(true | wrong)
  return total


def _lovasz_reference(p, true):
  losses = [_lovasz_extension(np.abs((true == c) - p[:, c]), true == c) for c in set(true.ravel())]
  return np.mean(losses) if losses else 0.0


@pytest.mark.parametrize('seed', range(4))
def test_lovasz_is_the_integral_of_the_set_function(seed):
  logits, mask = _case(seed, classes=4)
  if seed == 1:
    mask[mask == 2] = 0
  expected = _lovasz_reference(*_counting(logits, mask))
  assert LOSSES['lovasz'][0](logits, mask) == pytest.approx(expected, rel=1e-5)
  each = [_lovasz_reference(*_counting(logits[i], mask[i])) for i in range(2)]
  assert LOSSES['lovasz_per_image'][0](logits, mask) == pytest.approx(np.mean(each), rel=1e-5)
  assert abs(np.mean(each) - expected) > 1e-4


def test_packed_sort_of_a_cpu_is_the_sort():
  random = np.random.default_rng(0)
  errors = np.concatenate(
    [random.random(4000), np.round(random.random(4000), 2), np.full(50, -1), [0.0, -0.0, 1.0, 1e-40]]
  )
  errors = random.permuted(np.tile(errors, (2, 3, 1)), axis=-1).astype(np.float32)
  order = np.asarray(jax.jit(segmentation._descending_packed)(errors))
  np.testing.assert_array_equal(order, np.argsort(-errors, axis=-1, kind='stable'))


def test_lovasz_of_hard_predictions_is_one_minus_iou():
  _, mask = _case(5)
  prediction = np.random.default_rng(6).integers(0, 3, mask.shape)
  true, predicted = mask[mask < 3], prediction[mask < 3]
  ious = [np.sum((true == c) & (predicted == c)) / np.sum((true == c) | (predicted == c)) for c in range(3)]
  logits = 200 * np.eye(3, dtype=np.float32)[prediction]
  assert LOSSES['lovasz'][0](logits, mask) == pytest.approx(1 - np.mean(ious), rel=1e-6)


def test_steps_of_the_jaccard_loss_keep_their_digits():
  """A million pixels: differences of neighbouring float32 losses would be wrong in the second digit."""
  true = np.random.default_rng(0).random(1_000_000) < 0.3
  wrong = np.cumsum(true).astype(np.float64)
  jaccard = 1 - (true.sum() - wrong) / (true.sum() + np.arange(1, len(true) + 1) - wrong)
  steps = jax.jit(segmentation._jaccard_steps)(true[None])[0]
  np.testing.assert_allclose(steps, np.diff(jaccard, prepend=0), rtol=1e-6, atol=1e-14)


@pytest.mark.parametrize('name', LOSSES)
def test_gradient_is_that_of_finite_differences(name):
  logits, mask = _case(7)
  value, gradient = LOSSES[name][1](logits, mask)
  rng, loss = np.random.default_rng(8), LOSSES[name][0]
  for _ in range(3):
    direction = rng.normal(size=logits.shape).astype(np.float32)
    step = 1e-2
    slope = (float(loss(logits + step * direction, mask)) - float(loss(logits - step * direction, mask))) / (2 * step)
    assert np.sum(np.asarray(gradient) * direction) == pytest.approx(slope, rel=0.02, abs=2e-3)
  assert value > 0 and np.abs(gradient).max() > 1e-3
  assert not np.asarray(gradient)[mask > 2].any()  # pixels that do not count have no part


@pytest.mark.parametrize('name', LOSSES)
def test_what_is_ignored_changes_nothing(name):
  logits, mask = _case(9)
  other = logits.copy()
  other[mask > 2] = np.random.default_rng(0).normal(size=other[mask > 2].shape) * 50
  assert LOSSES[name][0](logits, mask) == pytest.approx(float(LOSSES[name][0](other, mask)), rel=1e-6)


@pytest.mark.parametrize('name', LOSSES)
@pytest.mark.parametrize('scale', [0.0, 30.0, 1e4, 1e30])
def test_finite_at_extreme_logits_and_without_pixels(name, scale):
  """Saturated right, saturated wrong, all alike; and nothing that counts."""
  _, mask = _case(10)
  for shift in range(2):
    logits = scale * np.eye(3, dtype=np.float32)[(np.where(mask < 3, mask, 0) + shift) % 3]
    value, gradient = LOSSES[name][1](logits, mask)
    assert np.isfinite(value) and np.all(np.isfinite(gradient))
    if scale:
      assert value < 1e-3 if not shift else value > 0.3
  value, gradient = LOSSES[name][1](logits, np.full_like(mask, 255))
  assert value == 0 and not np.asarray(gradient).any()


def test_bfloat16_logits_are_lost_in_float32():
  logits, mask = _case(11)
  rounded = jnp.asarray(logits, jnp.bfloat16)
  value = segmentation.cross_entropy(rounded, mask)
  assert value.dtype == jnp.float32
  assert value == pytest.approx(float(segmentation.cross_entropy(rounded.astype(jnp.float32), mask)), rel=1e-7)


def test_median_frequency_by_hand():
  """Eigen & Fergus: the frequency of a class counts only the images that show it."""
  masks = [np.array([[0, 0], [0, 1]]), np.array([[0, 0], [0, 0]]), np.array([[2, 0], [2, 255]])]
  counts = segmentation.count_classes(masks, 4)
  np.testing.assert_array_equal(counts, [[3, 1, 0, 0], [4, 0, 0, 0], [1, 0, 2, 0]])
  frequency = np.array([8 / 11, 1 / 4, 2 / 3])
  np.testing.assert_allclose(segmentation.median_frequency_weights(counts), [*(2 / 3 / frequency), 1], rtol=1e-6)
  np.testing.assert_array_equal(segmentation.median_frequency_weights(np.zeros((2, 3))), [1, 1, 1])


def test_the_sum_weighs_its_parts_and_leaves_out_those_at_zero():
  logits, mask = _case(12)
  loss = make_loss(cross_entropy=0.5, lovasz=2.0, focal=1.5, focal_gamma=1.0, lovasz_per_image=True)
  total, parts = loss(logits, mask)
  expected = {
    'cross_entropy': segmentation.cross_entropy(logits, mask),
    'focal': segmentation.focal(logits, mask, 1.0),
    'lovasz': segmentation.lovasz(logits, mask, True),
  }
  assert parts.keys() == expected.keys()
  for name, value in expected.items():
    assert parts[name] == pytest.approx(float(value))
  assert total == pytest.approx(float(0.5 * parts['cross_entropy'] + 2 * parts['lovasz'] + 1.5 * parts['focal']))


def test_border_weights_come_from_the_whole_mask_and_are_cropped():
  rng = np.random.default_rng(13)
  mask = np.zeros((1, 12, 12), np.uint8)
  mask[0, :, 0], mask[0, 5, 6:9] = 1, 2  # the first region lies outside of the logits' map
  mask[0, 4, 4] = 255
  logits = rng.normal(size=(1, 8, 8, 3)).astype(np.float32)
  loss = make_loss(border_weight=10.0, border_sigma=3.0)
  (total, parts), gradient = jax.jit(jax.value_and_grad(loss, has_aux=True))(logits, mask)
  inner, p = mask[:, 2:-2, 2:-2], _softmax(logits)
  pixels, entropy, plain = 0, 0.0, 0.0
  for _, r, c in np.ndindex(inner.shape):
    if inner[0, r, c] != 255:
      left = c + 2
      right = min(np.hypot(r + 2 - 5, c + 2 - other) for other in (6, 7, 8))
      weight = 1 + (inner[0, r, c] == 0) * 10 * np.exp(-((left + right) ** 2) / 18)
      lost = -np.log(p[0, r, c, inner[0, r, c]])
      entropy, plain, pixels = entropy + weight * lost, plain + lost, pixels + 1
  assert total == pytest.approx(entropy / pixels, rel=1e-5) and set(parts) == {'cross_entropy'}
  assert entropy > 1.01 * plain and np.all(np.isfinite(gradient))


def test_the_whole_weight_map_of_u_net_by_a_loop():
  """Ronneberger et al. 2015, equation 2: w_c + w0 exp(-(d1 + d2)^2 / (2 sigma^2)), cells (1) and membranes (0)."""
  rng = np.random.default_rng(15)
  mask = np.zeros((1, 9, 14), np.uint8)
  cells = [
    [(r, c) for r in rows for c in columns]
    for rows, columns in ((range(4), range(6)), (range(5, 9), range(5)), (range(1, 8), range(8, 14)))
  ]
  for cell in cells:
    for place in cell:
      mask[(0, *place)] = 1
  logits, balance = rng.normal(size=(1, 9, 14, 2)).astype(np.float32), np.array([2.5, 0.5])
  loss = make_loss(border_weight=10.0, border_sigma=5.0, class_weights='median_frequency')
  total, _ = jax.jit(loss)(logits, mask, balance)
  p, expected = _softmax(logits), 0.0
  for _, r, c in np.ndindex(mask.shape):
    weight = balance[mask[0, r, c]]
    if mask[0, r, c] == 0:
      first, second, _ = sorted(min(np.hypot(r - y, c - x) for y, x in cell) for cell in cells)
      weight += 10 * np.exp(-((first + second) ** 2) / 50)
    expected -= weight * np.log(p[0, r, c, mask[0, r, c]])
  assert total == pytest.approx(expected / mask.size, rel=1e-5)


def test_class_weights_reach_both_losses():
  logits, mask = _case(14)
  weights = np.array([1.0, 2.0, 3.0])
  _, parts = make_loss(focal=1.0, class_weights='median_frequency')(logits, mask, weights)
  assert parts['cross_entropy'] == pytest.approx(float(segmentation.cross_entropy(logits, mask, weights)))
  assert parts['focal'] == pytest.approx(float(segmentation.focal(logits, mask, 2.0, weights)))
  with pytest.raises(ValueError, match='class_weights'):
    make_loss(class_weights='median_frequency')(logits, mask)
  with pytest.raises(ValueError, match='class_weights'):
    make_loss()(logits, mask, weights)


def test_crop_takes_the_middle():
  mask = np.arange(48).reshape(1, 6, 8)
  np.testing.assert_array_equal(segmentation.crop_to(mask, np.zeros((1, 2, 4, 3))), mask[:, 2:4, 2:6])
  for shape in ((1, 8, 8, 3), (1, 5, 8, 3)):
    with pytest.raises(ValueError, match='middle'):
      segmentation.crop_to(mask, np.zeros(shape))


@pytest.mark.parametrize(
  'fields',
  [
    dict(cross_entropy=0.0),
    dict(dice=-1.0),
    dict(class_weights='inverse'),
    dict(focal_gamma=-1.0),
    dict(border_weight=-1.0),
    dict(border_sigma=0.0),
    dict(deep_supervision=-1.0),
    dict(cross_entropy=0.0, dice=1.0, border_weight=10.0),
    dict(cross_entropy=0.0, dice=1.0, class_weights='median_frequency'),
  ],
)
def test_fields_out_of_range_or_without_effect_are_a_users_mistake(fields):
  with pytest.raises(UserError, match='objective.'):
    SegmentationObjective(**fields)


@pytest.mark.parametrize(
  'field, value, weight',
  [('focal_gamma', 1.0, 'focal'), ('lovasz_per_image', True, 'lovasz'), ('border_sigma', 3.0, 'border_weight')],
)
def test_settings_of_a_loss_that_is_off_have_no_effect(field, value, weight):
  with pytest.raises(UserError, match=f'objective.{field}={value} has no effect without objective.{weight}; leave it'):
    SegmentationObjective(**{field: value})
  assert getattr(SegmentationObjective(**{field: value, weight: 1.0}), field) == value
