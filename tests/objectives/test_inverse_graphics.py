"""The training rule of DC-IGN against its own words."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deconv.objectives import inverse_graphics as rule

CODES = jnp.asarray(np.random.RandomState(0).normal(size=(5, 6)), jnp.float32)
ACTIVE = jnp.array([False, True, False, False, True, False])


@pytest.mark.parametrize(
  'varies, expected', [(0, [1, 0, 0, 0, 0, 0]), (2, [0, 0, 1, 0, 0, 0]), (3, [0, 0, 0, 1, 1, 1])]
)
def test_one_latent_a_factor_and_the_rest_for_the_last(varies, expected):
  assert rule.active_latents(varies, 4, 6).tolist() == [bool(x) for x in expected]


@pytest.mark.parametrize('kind', ['mean', 'first'])
def test_clamped_values(kind):
  found = np.asarray(rule.clamp(CODES, ACTIVE, kind))
  stand_in = {'mean': np.asarray(CODES).mean(0), 'first': np.asarray(CODES)[0]}[kind]
  for image in range(5):
    for latent in range(6):
      expected = CODES[image, latent] if ACTIVE[latent] else stand_in[latent]
      assert found[image, latent] == pytest.approx(float(expected), abs=1e-6)


@pytest.mark.parametrize('kind', ['mean', 'first'])
def test_the_gradient_rule(kind):
  """Whatever the decoder sends back: unchanged at active latents, the scaled difference from the mean at the others."""
  sent = np.random.RandomState(1).normal(size=CODES.shape)

  def loss(codes):
    return jnp.sum(sent * rule.clamp(codes, ACTIVE, kind)) / 5 + 0.01 * rule.invariance(codes, ACTIVE)

  found = np.asarray(jax.jit(jax.grad(loss))(CODES))
  codes = np.asarray(CODES)
  expected = np.where(ACTIVE, sent, 0.01 * (codes - codes.mean(axis=0))) / 5
  assert found == pytest.approx(expected, abs=1e-7)
