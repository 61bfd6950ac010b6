"""Adversarial losses against hand-computed values, where probabilities would have overflowed too."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deconv.errors import UserError
from deconv.objectives.gan import OBJECTIVES
from deconv.options.objectives.gan import LOSSES

LOG2 = math.log(2)


def test_every_pair_of_losses_can_be_named():
  assert tuple(OBJECTIVES) == LOSSES


@pytest.mark.parametrize(
  'name, gen',
  [
    # logits:          0       log 3: D = 3/4    -log 3: D = 1/4
    ('non_saturating', [LOG2, math.log(4 / 3), math.log(4)]),
    ('minimax', [-LOG2, math.log(1 / 4), math.log(3 / 4)]),
  ],
)
def test_by_hand(name, gen):
  logits = jnp.array([0.0, math.log(3), -math.log(3)])
  np.testing.assert_allclose(OBJECTIVES[name].gen(logits), gen, rtol=1e-6)
  # Reals at D = 3/4, fakes at each: -log(3/4) - log(1 - D).
  real = jnp.full(3, math.log(3))
  expected = math.log(4 / 3) + np.array([LOG2, math.log(4), math.log(4 / 3)])
  np.testing.assert_allclose(OBJECTIVES[name].disc(real, logits), expected, rtol=1e-6)


def test_priors_by_hand():
  logits, means = jnp.array([0.0, math.log(3), -math.log(3), 200.0]), (0.5, -1.0)
  expected = [-LOG2, math.log(1 / 4), math.log(3 / 4), -200.0]  # log(1 - D), also where D rounds to 1
  for name in ('non_saturating', 'minimax'):
    np.testing.assert_allclose(OBJECTIVES[name].prior(logits, means), expected, rtol=1e-6)
    np.testing.assert_allclose(OBJECTIVES[name].smoothed(0.1).prior(logits, means), expected, rtol=1e-6)
  for name in ('wasserstein', 'hinge'):
    np.testing.assert_allclose(OBJECTIVES[name].prior(logits, means), -logits)
  np.testing.assert_allclose(OBJECTIVES['lsgan'].prior(logits, means), 0.5 * (logits - 1) ** 2)
  # The reals are their mean: (C~(x) + 1)^2 with C~(x) = 0.5 + 1, (C~(G(z)) - 1)^2 with C~(G(z)) = l - 0.5.
  np.testing.assert_allclose(OBJECTIVES['ralsgan'].prior(logits, means), (logits - 1.5) ** 2 + 2.5**2, rtol=1e-6)


PLAIN = ['non_saturating', 'minimax']


@pytest.mark.parametrize('name', PLAIN)
def test_extreme_logits_stay_finite_and_right(name):
  extreme = jnp.array([-1e4, -100.0, 100.0, 1e4])
  gen = OBJECTIVES[name].gen(extreme)
  expected = {'non_saturating': [1e4, 100, 0, 0], 'minimax': [0, 0, -100, -1e4]}[name]
  np.testing.assert_allclose(gen, expected, atol=1e-6)
  np.testing.assert_allclose(OBJECTIVES[name].disc(extreme, -extreme), [2e4, 200, 0, 0], atol=1e-6)
  slope = jax.vmap(jax.grad(OBJECTIVES[name].gen))(extreme)
  # Where D is sure that the image is a fake, only the non-saturating loss has a gradient.
  np.testing.assert_allclose(slope, {'non_saturating': [-1, -1, 0, 0], 'minimax': [0, 0, -1, -1]}[name], atol=1e-6)


def test_slopes_by_hand():
  """d/dl of softplus is the sigmoid: -1/4 at D = 3/4 for the one, -3/4 for the other."""
  logit = math.log(3)
  assert jax.grad(OBJECTIVES['non_saturating'].gen)(logit) == pytest.approx(-1 / 4)
  assert jax.grad(OBJECTIVES['minimax'].gen)(logit) == pytest.approx(-3 / 4)
  assert jax.grad(OBJECTIVES['minimax'].disc, argnums=(0, 1))(logit, logit) == pytest.approx((-1 / 4, 3 / 4))


# Reals at 2 and -0.5, fakes at 1 and -3: the centred logits are 2 + 1 = 3 and 0.5, and 1 - 0.75 = 0.25 and -3.75.
REAL, FAKE = np.array([2.0, -0.5]), np.array([1.0, -3.0])
MEANS = REAL.mean(), FAKE.mean()
REAL_C, FAKE_C = np.array([3.0, 0.5]), np.array([0.25, -3.75])


def softplus(x):
  return np.log1p(np.exp(x))


@pytest.mark.parametrize(
  'name, disc, gen',
  [
    ('wasserstein', [-1.0, -2.5], [-1.0, 3.0]),
    ('lsgan', [0.5 * (1 + 1), 0.5 * (2.25 + 9)], [0.0, 8.0]),
    ('hinge', [0 + 2.0, 1.5 + 0], [-1.0, 3.0]),
    ('ragan', softplus(-REAL_C) + softplus(FAKE_C), softplus(REAL_C) + softplus(-FAKE_C)),
    ('ralsgan', (REAL_C - 1) ** 2 + (FAKE_C + 1) ** 2, (FAKE_C - 1) ** 2 + (REAL_C + 1) ** 2),
    ('rahinge', [0 + 1.25, 0.5 + 0], [4 + 0.75, 1.5 + 4.75]),
  ],
)
def test_games_of_scores_by_hand(name, disc, gen):
  objective = OBJECTIVES[name]
  np.testing.assert_allclose(objective.disc_loss(REAL, FAKE, MEANS), disc, rtol=1e-6)
  np.testing.assert_allclose(objective.gen_loss(REAL, FAKE, MEANS), gen, rtol=1e-6)


def test_generator_of_a_relativistic_game_exchanges_the_sides():
  for name, objective in OBJECTIVES.items():
    swapped = objective.disc_loss(FAKE, REAL, MEANS[::-1])
    same = np.allclose(objective.gen_loss(REAL, FAKE, MEANS), swapped)
    assert same == objective.relativistic, name


def test_the_gradient_goes_through_the_means():
  """RaGAN in closed form: d/df of the mean loss has the term of every real that the mean of the fakes moves."""
  objective = OBJECTIVES['ragan']
  with jax.enable_x64():
    real, fake = jnp.array(REAL), jnp.array(FAKE)

    def loss(fake):
      return jnp.mean(objective.gen_loss(real, fake, (jnp.mean(real), jnp.mean(fake))))

    def sigmoid(x):
      return 1 / (1 + np.exp(-x))

    # Each softplus(real - mean fake) falls by sigmoid / 2 with a fake, each softplus(mean real - fake) by its own.
    expected = (-0.5 * sigmoid(REAL_C).sum() - sigmoid(-FAKE_C)) / 2
    np.testing.assert_allclose(jax.grad(loss)(fake), expected, rtol=1e-12)


@pytest.mark.parametrize('name', sorted(OBJECTIVES))
def test_slopes_against_finite_differences_in_float64(name):
  objective = OBJECTIVES[name]
  with jax.enable_x64():
    real, fake = (jnp.array(np.random.default_rng(seed).normal(size=5)) for seed in (0, 1))
    for side in ('disc_loss', 'gen_loss'):

      def loss(real, fake, side=side):
        return jnp.mean(getattr(objective, side)(real, fake, (jnp.mean(real), jnp.mean(fake))))

      for argument in (0, 1):
        grad = np.asarray(jax.grad(loss, argnums=argument)(real, fake))
        for i in range(5):
          step = np.zeros((2, 5))
          step[argument, i] = 1e-6
          difference = loss(real + step[0], fake + step[1]) - loss(real - step[0], fake - step[1])
          assert float(difference) / 2e-6 == pytest.approx(grad[i], abs=1e-8)


@pytest.mark.parametrize('name', ['non_saturating', 'minimax', 'lsgan', 'ragan'])
def test_label_smoothing_is_that_of_the_reals_alone(name):
  plain, smooth = OBJECTIVES[name], OBJECTIVES[name].smoothed(0.1)
  for logits in (REAL, -REAL):
    if name == 'lsgan':
      expected = 0.5 * ((logits - 0.9) ** 2 + FAKE**2)
    else:
      centred = plain.centred(logits, FAKE, MEANS)
      expected = 0.9 * softplus(-centred[0]) + 0.1 * softplus(centred[0]) + softplus(centred[1])
    np.testing.assert_allclose(smooth.disc_loss(logits, FAKE, MEANS), expected, rtol=1e-6)
  np.testing.assert_array_equal(smooth.gen_loss(REAL, FAKE, MEANS), plain.gen_loss(REAL, FAKE, MEANS))
  assert plain.smoothed(0.0) is plain
  with pytest.raises(UserError, match='no label'):
    OBJECTIVES['hinge'].smoothed(0.1)


def test_the_boundary_is_where_both_are_as_likely():
  assert OBJECTIVES['hinge'].middle(MEANS) == 0
  assert OBJECTIVES['lsgan'].middle(MEANS) == 0.5
  assert OBJECTIVES['wasserstein'].middle(MEANS) == pytest.approx((0.75 - 1) / 2)
