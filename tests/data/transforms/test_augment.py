"""Augmentation against scipy's interpolation, and the invariants of each field."""

import dataclasses

from hypothesis import given, settings
from hypothesis import strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import interpolate, ndimage

from deconv.data.transforms import augment
from deconv.errors import UserError
from deconv.options.augment import AugmentOptions

ALL = AugmentOptions(flip=True, scale_min=0.6, scale_max=1.6, rotate_degrees=40.0, elastic_sigma=2.0)


def batch(size=4, height=14, width=10, channels=3):
  """Images of whole levels and masks of the class at each pixel."""
  random = np.random.RandomState(0)
  masks = random.randint(0, 5, (size, height, width)).astype(np.int32)
  images = random.uniform(-1, 1, (size, height, width, channels)).astype(np.float32)
  return jnp.asarray(images), jnp.asarray(masks), jax.random.split(jax.random.key(3), size)


run = jax.jit(augment.augment, static_argnums=3)
places = jax.jit(jax.vmap(augment.coordinates, in_axes=(0, None, None)), static_argnums=(1, 2))


def test_defaults_return_the_input():
  images, masks, keys = batch()
  again = augment.augment(images, masks, keys, AugmentOptions())
  assert again[0] is images and again[1] is masks


@pytest.mark.parametrize(
  'options', [ALL, AugmentOptions(rotate_degrees=180.0), AugmentOptions(crop=8, scale_min=0.6, scale_max=0.6)]
)
def test_warp_is_scipys(options):
  """Bilinear with mirrored borders is map_coordinates of order 1, the nearest pixel that of order 0."""
  images, masks, keys = batch()
  warped, warped_masks = run(images, masks, keys, options)
  for i, place in enumerate(np.asarray(places(keys, (14, 10), options), np.float64)):
    for channel in range(3):
      level = np.asarray(images[i, ..., channel], np.float64)
      expected = ndimage.map_coordinates(level, place, order=1, mode='reflect')
      assert np.asarray(warped[i, ..., channel]) == pytest.approx(expected, abs=2e-5)
    # A nearest pixel is a matter of rounding where two are equally near.
    clear = (np.abs(place - np.floor(place) - 0.5) > 1e-4).all(axis=0)
    rows, columns = np.floor(place + 0.5).astype(int)
    inside = (rows >= 0) & (rows < 14) & (columns >= 0) & (columns < 10)
    expected = ndimage.map_coordinates(np.asarray(masks[i]), place, order=0, mode='reflect')
    np.testing.assert_array_equal(warped_masks[i][clear], np.where(inside, expected, 255)[clear])
    assert warped_masks.dtype == jnp.int32 and clear.mean() > 0.9


def test_shifts_are_whole_exact_and_all_of_them_occur():
  images, masks, _ = batch(1, 6, 5, 1)
  keys = jax.random.split(jax.random.key(0), 300)
  many = [jnp.broadcast_to(x, (300, *x.shape[1:])) for x in (images, masks)]
  shifted, moved = run(*many, keys, AugmentOptions(shift=1))
  padded = np.pad(np.asarray(images[0]), ((1, 1), (1, 1), (0, 0)), mode='symmetric')
  padded_mask = np.pad(np.asarray(masks[0]), 1, constant_values=255)
  seen = set()
  for image, mask in zip(np.asarray(shifted), np.asarray(moved)):
    (found,) = [
      (row, column)
      for row in range(3)
      for column in range(3)
      if np.array_equal(image, padded[row : row + 6, column : column + 5])
    ]
    np.testing.assert_array_equal(mask, padded_mask[found[0] : found[0] + 6, found[1] : found[1] + 5])
    seen.add(found)
  assert len(seen) == 9


def test_a_shift_changes_nothing_else_that_is_drawn():
  _, _, keys = batch()
  moved = np.asarray(places(keys, (14, 10), dataclasses.replace(ALL, rotate_degrees=0.0, elastic_sigma=0.0, shift=3)))
  still = np.asarray(places(keys, (14, 10), dataclasses.replace(ALL, rotate_degrees=0.0, elastic_sigma=0.0)))
  away = moved - still
  assert np.abs(away).max() > 0.1
  np.testing.assert_allclose(away, np.broadcast_to(away[:, :, :1, :1], away.shape), atol=1e-4)


def test_image_and_mask_move_together():
  """Where a pixel is not mixed of two classes, its colour says its class, and the mask says the same."""
  images, masks, keys = batch(height=24, width=24)
  masks = jnp.repeat(jnp.repeat(masks[:, :3, :3], 8, 1), 8, 2)
  images = jnp.broadcast_to((masks / 2.0 - 1.0)[..., None], (4, 24, 24, 3)).astype(jnp.float32)
  for options in (dataclasses.replace(ALL, crop=20), AugmentOptions(flip=True)):
    warped, moved = run(images, masks, keys, options)
    colour = (np.asarray(warped[..., 0]) + 1) * 2
    moved = np.asarray(moved)
    interior = np.stack([ndimage.minimum_filter(mask, 5) == ndimage.maximum_filter(mask, 5) for mask in moved])
    interior &= moved != 255
    interior[:, [0, 1, -2, -1]] = interior[:, :, [0, 1, -2, -1]] = False  # mixed with what is not shown
    assert interior.sum() > 60
    assert np.abs(colour - moved)[interior] == pytest.approx(0, abs=1e-4)
    assert set(np.unique(moved)) <= {0, 1, 2, 3, 4, 255}


@given(st.integers(0, 1000), st.sampled_from([5, 8]))
@settings(max_examples=20, deadline=None)
def test_crops_and_mirroring_are_exact(seed, side):
  images, masks, _ = batch(1, 9, 8)
  cropped, mask = run(images, masks, jax.random.split(jax.random.key(seed), 1), AugmentOptions(flip=True, crop=side))
  assert cropped.shape == (1, side, side, 3) and mask.shape == (1, side, side)
  ways = [(top, left, way) for top in range(10 - side) for left in range(9 - side) for way in (1, -1)]
  found = [
    place
    for place in ways
    if np.array_equal(images[0, place[0] : place[0] + side, place[1] : place[1] + side][:, :: place[2]], cropped[0])
  ]
  assert len(found) == 1
  [(top, left, way)] = found
  np.testing.assert_array_equal(mask[0], masks[0, top : top + side, left : left + side][:, ::way])


def test_every_place_is_drawn():
  """Crops lie anywhere, and mirroring is by halves."""
  index = jnp.arange(36, dtype=jnp.float32).reshape(1, 6, 6, 1) / 18 - 1
  keys = jax.random.split(jax.random.key(0), 300)
  images, masks = jnp.repeat(index, 300, 0), jnp.zeros((300, 6, 6), jnp.int32)
  corner = np.round((np.asarray(run(images, masks, keys, AugmentOptions(crop=4))[0][:, 0, 0, 0]) + 1) * 18)
  corners, counts = np.unique(corner, return_counts=True)
  assert corners.tolist() == [0, 1, 2, 6, 7, 8, 12, 13, 14] and counts.min() > 15
  flipped = np.asarray(run(images, masks, keys, AugmentOptions(flip=True))[0])[:, 0, 0, 0]
  assert 110 < (flipped > -1).sum() < 190


def test_ranges_of_scale_and_angle():
  """The scale is the length of a step in the map, the angle its direction."""
  options = AugmentOptions(scale_min=0.5, scale_max=2.0, rotate_degrees=30.0)
  keys = jax.random.split(jax.random.key(1), 400)
  place = np.asarray(places(keys, (8, 8), options), np.float64)
  step = place[:, :, 0, 1] - place[:, :, 0, 0]
  scale, angle = 1 / np.linalg.norm(step, axis=1), np.rad2deg(np.arctan2(step[:, 0], step[:, 1]))
  assert 0.5 <= scale.min() + 1e-5 < 0.53 and 1.9 < scale.max() <= 2.0001
  assert abs(np.log(scale).mean()) < 0.1
  assert -30.001 < angle.min() < -28 and 28 < angle.max() < 30.001 and abs(angle.mean()) < 3
  # What is shown of an enlarged image lies inside of it, and a smaller one lies in the middle.
  still = AugmentOptions(scale_min=2.0, scale_max=2.0)
  place = np.asarray(places(keys, (8, 8), still))
  assert place.min() >= -0.5 and place.max() <= 7.5 and place.min() < 0.5 and place.max() > 6.5
  small = AugmentOptions(scale_min=0.5, scale_max=0.5)
  np.testing.assert_allclose(places(keys[:1], (4, 4), small)[0, 0, :, 0], [-1.5, 0.5, 2.5, 4.5], atol=1e-5)


def test_elastic_is_a_cubic_through_the_grid():
  for number in (5, 12):
    weights = augment.cubic_weights(number)
    values = np.array([0.3, -1.2, 2.0])
    slopes = [values[1] - values[0], (values[2] - values[0]) / 2, values[2] - values[1]]
    spline = interpolate.CubicHermiteSpline([0, 1, 2], values, slopes)
    assert weights @ values == pytest.approx(spline(np.linspace(0, 2, number)), abs=1e-6)
  keys = jax.random.split(jax.random.key(0), 500)
  options = AugmentOptions(elastic_sigma=3.0)
  shifts = np.asarray(places(keys, (9, 9), options)) - np.mgrid[:9, :9]
  corners = shifts[:, :, ::4, ::4]
  assert corners.std() == pytest.approx(3, abs=0.1) and abs(corners.mean()) < 0.1
  together = np.corrcoef(corners.reshape(500, -1).T) - np.eye(18)
  assert np.abs(together).max() < 0.2


def test_keys_are_all_that_matters():
  images, masks, keys = batch()
  options = dataclasses.replace(ALL, brightness=0.2, hue=0.2)
  whole = run(images, masks, keys, options)
  turned = run(images[::-1], masks[::-1], keys[::-1], options)
  np.testing.assert_allclose(whole[0], turned[0][::-1], atol=1e-5)
  np.testing.assert_array_equal(whole[1], turned[1][::-1])
  other = run(images, masks, jax.random.split(jax.random.key(4), 4), options)
  assert np.abs(np.asarray(whole[0] - other[0])).max() > 0.1
  # Another field draws from a stream of its own.
  np.testing.assert_array_equal(run(images, masks, keys, ALL)[1], whole[1])


def test_brightness_and_contrast():
  images, masks, keys = batch(8)
  images = np.asarray(images * 0.3)
  bright = np.asarray(run(images, masks, keys, AugmentOptions(brightness=0.2))[0])
  shift = (bright - images).mean(axis=(1, 2, 3))
  assert bright - images == pytest.approx(np.broadcast_to(shift[:, None, None, None], images.shape), abs=1e-5)
  assert 0.1 < np.abs(shift).max() <= 0.4
  sharp = np.asarray(run(images, masks, keys, AugmentOptions(contrast=0.5))[0])
  luma = images @ np.array([0.299, 0.587, 0.114], np.float32)
  ratio = sharp.std(axis=(1, 2, 3)) / images.std(axis=(1, 2, 3))
  mean = luma.mean(axis=(1, 2))[:, None, None, None]
  assert sharp == pytest.approx(mean + (images - mean) * ratio[:, None, None, None], abs=1e-3)
  assert 0.5 <= ratio.min() < 1 < ratio.max() <= 1.5


def test_saturation_and_hue_keep_the_luma_and_greys():
  images, masks, keys = batch(8)
  images = images * 0.3
  weights = np.array([0.299, 0.587, 0.114])
  for options in (AugmentOptions(saturation=0.8), AugmentOptions(hue=0.5)):
    changed = np.asarray(run(images, masks, keys, options)[0])
    assert changed @ weights == pytest.approx(np.asarray(images) @ weights, abs=1e-5)
    assert np.abs(changed - images).max() > 0.05
    grey = jnp.repeat(images[..., :1], 3, -1)
    assert np.asarray(run(grey, masks, keys, options)[0]) == pytest.approx(np.asarray(grey), abs=1e-5)


def test_levels_are_clipped_and_types_kept():
  images, masks, keys = batch()
  changed, moved = run(
    images.astype(jnp.bfloat16),
    masks.astype(jnp.uint8),
    keys,
    AugmentOptions(scale_max=1.3, brightness=1.0, contrast=1.0),
  )
  assert changed.dtype == jnp.bfloat16 and moved.dtype == jnp.uint8
  assert float(jnp.abs(changed).max()) <= 1


@pytest.mark.parametrize(
  'fields',
  [
    dict(scale_min=0.0),
    dict(scale_min=1.5),
    dict(rotate_degrees=-1.0),
    dict(rotate_degrees=200.0),
    dict(crop=-1),
    dict(elastic_sigma=-1.0),
    dict(brightness=2.0),
    dict(contrast=1.5),
    dict(saturation=-0.1),
    dict(hue=0.7),
  ],
)
def test_values_that_mean_nothing(fields):
  with pytest.raises(UserError, match=f'augment.{next(iter(fields))}'):
    AugmentOptions(**fields)


def test_what_the_images_do_not_allow():
  with pytest.raises(UserError, match='augment.crop is 13, larger than the images .14x10'):
    augment.augment(*batch(), AugmentOptions(crop=13))
  with pytest.raises(UserError, match='need colours'):
    augment.augment(*batch(channels=1), AugmentOptions(hue=0.1))
