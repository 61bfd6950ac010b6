"""The search of latents: it finds the latent that an image came from, and its losses are those of the paper."""

import functools

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from deconv.data.transforms.degrade import draw_hole
from deconv.models.latent import Latent
from deconv.options import Experiment
from deconv.options.completion import CompletionOptions
from deconv.tasks import completion
from deconv.tasks.gan import Gan
from tests.objectives.test_completion import weights_by_loop

KEY = jax.random.key(0)
SIDE = 8


class Waves(nn.Module):
  """Generator: each number of the latent has a smooth wave of its own."""

  @nn.compact
  def __call__(self, z, train):
    line = np.linspace(0, 1, SIDE)
    waves = [
      np.outer(np.cos(np.pi * i * line), np.cos(np.pi * j * line)) for i in range(4) for j in range(4) if i + j > 0
    ]
    waves = self.param('waves', lambda _: jnp.asarray(np.stack(waves[: z.shape[-1]]), jnp.float32))
    return jnp.tanh(jnp.einsum('nl,lhw->nhw', z, waves))[..., None]


class Brightness(nn.Module):
  """Discriminator: the brighter an image, the more real."""

  @nn.compact
  def __call__(self, x, train, labels=None):
    slope = self.param('slope', nn.initializers.constant(2.0), ())
    return slope * jnp.mean(x, axis=(1, 2, 3)) + (0 if labels is None else 0.5 * labels)


class Small(Gan):
  """A GAN of these two, whose latent `make` chooses."""

  def make_networks(self, batch_norm_axis):
    return Waves(), Brightness(), self.wanted


@functools.cache
def make(latent=Latent(6, 'uniform'), objective='non_saturating'):
  options = Experiment.from_config({'task': 'gan', 'data': {'image_size': SIDE}, 'objective': {'name': objective}})
  task = type('Wanted', (Small,), {'wanted': latent})(options, lambda *_: optax.sgd(0.1), None)
  return task, task.init(KEY, {'image': np.zeros((2, SIDE, SIDE, 1), np.uint8)})


def centre(number):
  return np.repeat(np.asarray(draw_hole(KEY, SIDE, SIDE, 'centre', 0.25))[None], number, axis=0)


def search(task, state, images, key=KEY, labels=None, batch=256, **options):
  options = CompletionOptions(**{'restarts': 3, 'iterations': 20, 'learning_rate': 0.05, **options})
  return completion.search(task, state, images, centre(len(images)), key, options, labels, batch)


def test_the_latent_that_an_image_came_from_is_found():
  task, state = make()
  truth = task.latent.sample(jax.random.key(7), 3)
  images = np.asarray(task.image_of_each(state, truth))
  hidden = np.where(centre(3) > 0, np.nan, images)  # what is in the hole is not looked at
  found = search(task, state, hidden, iterations=400, learning_rate=0.01)
  np.testing.assert_allclose(found.latents, truth, atol=0.03)
  fills = completion.compared(found, images, centre(3))
  quality = completion.quality(fills, images, centre(3))
  assert quality['l1_hole'].max() < 0.01 < quality['l1_hole_mean'].min()
  assert quality['psnr_hole'].min() > 35 and quality['psnr_hole_blended'].min() > 35
  for fill in fills.values():
    np.testing.assert_array_equal(np.where(centre(3) > 0, 0, fill), np.where(centre(3) > 0, 0, images))


def test_losses_and_the_choice_by_hand():
  task, state = make()
  images = np.random.default_rng(0).uniform(-1, 1, (2, SIDE, SIDE, 1))
  found = search(task, state, images, iterations=5, prior_weight=0.5, window=5)
  assert {name: values.shape for name, values in found.losses.items()} == dict.fromkeys(
    ('total', 'context', 'prior'), (2, 3)
  )
  weights = weights_by_loop(centre(1)[0, :, :, 0] > 0, 5)
  for i in range(2):
    made = np.asarray(task.image_of_each(state, found.latents[i : i + 1]), np.float64)[0, ..., 0]
    np.testing.assert_allclose(found.images[i, ..., 0], made, atol=1e-6)
    context = np.sum(weights * np.abs(made - images[i, ..., 0]))
    prior = np.log(1 - 1 / (1 + np.exp(-2 * made.mean())))
    kept = {name: values[i, found.kept[i]] for name, values in found.losses.items()}
    np.testing.assert_allclose(kept['context'], context, rtol=1e-5)
    np.testing.assert_allclose(kept['prior'], prior, rtol=1e-5)
    np.testing.assert_allclose(kept['total'], context + 0.5 * prior, rtol=1e-5)
    assert kept['total'] == found.losses['total'][i].min() < found.losses['total'][i].max()


@pytest.mark.parametrize('objective', ['minimax', 'hinge', 'ragan'])
def test_the_prior_pulls_towards_what_the_discriminator_takes_for_real(objective):
  task, state = make(objective=objective)
  grey = np.zeros((1, SIDE, SIDE, 1))
  faithful, bright = (search(task, state, grey, iterations=60, prior_weight=weight) for weight in (0.0, 1000.0))
  assert abs(faithful.images.mean()) < 0.02 and bright.images.mean() > 0.05
  assert np.abs(bright.latents).max() == 1  # as far as the latents reach


def test_a_seed_is_a_result_and_neighbours_change_nothing():
  task, state = make()
  images = np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE, 1), dtype=np.uint8)
  first, again, other = (search(task, state, images, key) for key in (KEY, KEY, jax.random.key(1)))
  jax.tree.map(np.testing.assert_array_equal, first, again)
  assert np.abs(first.latents - other.latents).max() > 0.01
  for batch in (3, 7):  # one image at a time; two and then one
    parts = search(task, state, images, batch=batch)
    np.testing.assert_allclose(parts.latents, first.latents, atol=1e-5)
    np.testing.assert_array_equal(parts.kept, first.kept)


def test_label_and_codes_stay_as_they_are():
  latent = Latent(4 + 2 + 1 + 3, 'uniform', classes=3, categorical=(2,), continuous=1)
  task, state = make(latent)
  images = np.zeros((2, SIDE, SIDE, 1))
  found = search(task, state, images, labels=np.array([2, 0]))
  np.testing.assert_array_equal(found.latents[:, -3:], [[0, 0, 1], [1, 0, 0]])
  assert np.all(np.sort(found.latents[:, 4:6], axis=1) == [0, 1])
  start = search(task, state, images, labels=np.array([2, 0]), iterations=1)
  assert np.all(np.abs(found.latents - start.latents)[:, [0, 1, 2, 3, 6]].max(axis=0) > 0.01)
  # The discriminator hears of the label: its logit has half of it.
  one = np.log(1 - 1 / (1 + np.exp(-2 * found.images[0].astype(np.float64).mean() - 1.0)))
  assert found.losses['prior'][0, found.kept[0]] == pytest.approx(one, rel=1e-5)


def test_a_search_that_failed_is_not_kept(monkeypatch):
  task, state = make()

  def prior(state, images, labels):  # of the second restart of each image
    return jnp.where(jnp.arange(len(images)) % 3 == 1, jnp.nan, 0.0)

  monkeypatch.setattr(task, 'prior', prior)
  found = search(task, state, np.zeros((2, SIDE, SIDE, 1)), iterations=2)
  assert np.isnan(found.losses['total'][:, 1]).all() and 1 not in found.kept and np.isfinite(found.images).all()
