"""Adversarial losses against hand-computed values, where probabilities would have overflowed too."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

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


@pytest.mark.parametrize('name', sorted(OBJECTIVES))
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
