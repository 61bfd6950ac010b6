"""Differentiable augmentation: what each policy may do, its gradient, and that an image's draws are its own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deconv.data.transforms import diff_augment
from deconv.options.objectives.gan import AUGMENTATIONS

KEYS = jax.random.split(jax.random.key(0), 64)
IMAGES = np.random.default_rng(0).uniform(-1, 1, (64, 16, 16, 3)).astype(np.float32)


def run(*policies, images=IMAGES, keys=KEYS):
  return np.asarray(jax.jit(lambda x, k: diff_augment.augment(x, k, policies))(images, keys))


def test_the_names_are_those_of_the_options():
  assert tuple(diff_augment.POLICIES) == AUGMENTATIONS


def test_nothing_changes_nothing():
  np.testing.assert_array_equal(run(), IMAGES)


def test_translation_moves_by_up_to_an_eighth_and_fills_with_zero():
  seen = set()
  for moved, image in zip(run('translation'), IMAGES):
    padded = np.pad(image, ((2, 2), (2, 2), (0, 0)))
    places = [(y, x) for y in range(5) for x in range(5) if np.array_equal(padded[y : y + 16, x : x + 16], moved)]
    assert len(places) == 1
    seen.update(places)
  assert len(seen) > 15  # of 25


def test_cutout_is_a_square_of_half_the_side():
  holes = run('cutout', images=np.ones_like(IMAGES)) == 0
  assert np.all(holes == holes[..., :1])
  rows, columns = holes[..., 0].any(2), holes[..., 0].any(1)
  np.testing.assert_array_equal(holes[..., 0], rows[:, :, None] & columns[:, None])
  assert rows.sum(1).max() == columns.sum(1).max() == 8 and rows.sum(1).min() >= 4  # cut off at the border


def test_colour_keeps_what_it_must():
  grey = np.full((64, 16, 16, 3), 0.25, np.float32)
  brightness = run('colour', images=grey) - grey  # saturation and contrast leave a flat grey as it is
  assert np.all(np.abs(brightness - brightness[:, :1, :1, :1]) < 1e-6)
  assert -0.5 <= brightness.min() < -0.3 and 0.3 < brightness.max() <= 0.5
  changed = run('colour')
  grey, before = changed.mean(-1), IMAGES.mean(-1)
  contrast = grey.std((1, 2)) / before.std((1, 2))
  assert contrast.min() + 1e-4 >= 0.5 and contrast.max() <= 1.5 + 1e-4 and contrast.std() > 0.1


def test_flip_mirrors_half():
  mirrored = np.array([np.array_equal(x, y[:, ::-1]) for x, y in zip(run('flip'), IMAGES)])
  assert 16 < mirrored.sum() < 48
  np.testing.assert_array_equal(run('flip')[~mirrored], IMAGES[~mirrored])


@pytest.mark.parametrize('policies', [('colour', 'translation', 'cutout'), ('flip',)])
def test_draws_belong_to_the_image(policies):
  order = np.random.default_rng(1).permutation(64)
  np.testing.assert_array_equal(run(*policies)[order], run(*policies, images=IMAGES[order], keys=KEYS[order]))


def test_the_gradient_goes_through():
  """The sum of squares after an augmentation, against a finite difference in float64."""
  with jax.enable_x64():
    images = jnp.asarray(IMAGES[:4], jnp.float64)
    direction = np.random.default_rng(2).normal(size=images.shape)

    def loss(x):
      return jnp.sum(jnp.square(diff_augment.augment(x, KEYS[:4], ('colour', 'translation', 'cutout', 'flip'))))

    slope = float(loss(images + 1e-6 * direction) - loss(images - 1e-6 * direction)) / 2e-6
    assert slope == pytest.approx(float(np.sum(np.asarray(jax.grad(loss)(images)) * direction)), rel=1e-6)
