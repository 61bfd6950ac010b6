"""The discriminator's step against its closed form for a discriminator of one weight."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from deconv.objectives.gan import OBJECTIVES
from deconv.tasks.adversary import apart, gradient, update_discriminator
from deconv.tasks.state import NetworkState


def test_one_step_of_a_linear_discriminator():
  rng = np.random.default_rng(0)
  reals, fakes = rng.normal(size=(2, 3, 4, 4, 1))
  seen = []

  def judge(params, collections, images):
    seen.append(('real' if images is reals else 'fake', batches := int(collections['batch_stats']['batches'])))
    return params['w'] * images.mean(axis=(1, 2, 3)), {'batch_stats': {'batches': batches + len(seen)}}

  optimizer = optax.sgd(0.5)
  weight = 0.7
  disc = NetworkState.create({'params': {'w': jnp.float32(weight)}, 'batch_stats': {'batches': 10}}, optimizer)
  before = disc

  def look(params):
    seen.clear()
    return apart(judge, params, before.collections, reals, fakes)

  disc, scalars = update_discriminator(before, look, OBJECTIVES['non_saturating'], optimizer)

  x, z = reals.mean(axis=(1, 2, 3)), fakes.mean(axis=(1, 2, 3))
  p, q = 1 / (1 + np.exp(-weight * x)), 1 / (1 + np.exp(-weight * z))  # called real
  loss = -np.mean(np.log(p)) - np.mean(np.log(1 - q))
  slope = np.mean((p - 1) * x) + np.mean(q * z)
  assert float(scalars['loss_disc']) == pytest.approx(loss, rel=1e-5)
  assert float(disc.params['w']) == pytest.approx(weight - 0.5 * slope, rel=1e-5)
  assert float(scalars['accuracy_real']) == pytest.approx(np.mean(weight * x > 0))
  assert float(scalars['accuracy_fake']) == pytest.approx(np.mean(weight * z < 0))
  assert seen == [('real', 10), ('fake', 11)] and disc.batch_stats['batches'] == 13  # one after the other

  penalised = gradient(
    before.params, look, OBJECTIVES['non_saturating'], extra=lambda params, seen: {'penalty': 0.25 * params['w'] ** 2}
  )
  assert float(penalised.grads['w']) == pytest.approx(slope + 0.5 * weight, rel=1e-5)
  assert float(penalised.scalars['penalty']) == pytest.approx(0.25 * weight**2)
  assert float(penalised.scalars['loss_disc']) == pytest.approx(loss, rel=1e-5)
  np.testing.assert_allclose(penalised.seen.real, weight * x, rtol=1e-5)
