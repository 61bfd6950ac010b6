"""FactorVAE: two networks, the one's estimate in the other's loss."""
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from configs import base, beta_vae_shapes
from deconv.data import DataOptions, open_source
from deconv.errors import UserError
from deconv.models import AUTOENCODERS
from deconv.models.latent_discriminator import LatentDiscriminator
from deconv.objectives.likelihoods import LIKELIHOODS
from deconv.tasks import TASKS
from deconv.tasks.factor_vae import FactorVae
from deconv.tasks.vae import Vae

KEY = jax.random.key(0)
BATCH = {'image': np.random.default_rng(0).integers(0, 256, (32, 4, 4, 1), dtype=np.uint8)}


def make_task(kind=FactorVae, **options):
  likelihood = LIKELIHOODS['bernoulli'](binarization='grey')
  networks = AUTOENCODERS['vae_mlp'](image_shape=(4, 4, 1), outputs=likelihood.outputs(1), hidden=8, latent_size=3)
  if kind is FactorVae:
    options = dict(discriminator=LatentDiscriminator(16, 2), disc_optimizer=optax.adam(1e-2), tc_weight=5., **options)
  return kind(networks, latent_size=3, likelihood=likelihood, image_shape=(4, 4, 1), optimizer=optax.sgd(1e-2),
              **options)


@functools.lru_cache
def one_step(tc_weight):
  task = make_task(regularizer=None)
  task.tc_weight = tc_weight
  state = task.init(KEY, BATCH)
  return task, state, *jax.jit(task.train_step)(state, BATCH, KEY)


def test_the_paper_s_discriminator():
  shapes = jax.eval_shape(LatentDiscriminator().init, KEY, jnp.zeros((2, 10)))['params']
  assert [shapes[f'hidden_{i + 1}']['kernel'].shape for i in range(6)] == [(10, 1000)] + 5 * [(1000, 1000)]


def test_a_step_moves_both_networks():
  _, before, after, scalars = one_step(5.)
  assert int(after.step) == 1 and set(after.networks) == {'vae', 'disc'}
  for name in ('vae', 'disc'):
    for old, new in zip(jax.tree.leaves(before.networks[name].params), jax.tree.leaves(after.networks[name].params)):
      assert not np.array_equal(old, new) or not np.any(old)
  expected = scalars['neg_elbo'] + 5 * scalars['total_correlation']
  assert float(scalars['loss']) == pytest.approx(float(expected), rel=1e-5)
  assert float(scalars['loss_disc']) == pytest.approx(np.log(2), abs=0.3)


def test_without_weight_it_is_the_plain_vae():
  _, _, after, scalars = one_step(0.)
  from deconv.objectives.regularizers import REGULARIZERS
  plain = make_task(Vae, regularizer=REGULARIZERS['elbo']())
  state, expected = jax.jit(plain.train_step)(plain.init(KEY, BATCH), BATCH, KEY)
  assert float(scalars['loss']) == pytest.approx(float(expected['loss']), rel=1e-6)
  for a, b in zip(jax.tree.leaves(after.networks['vae'].params), jax.tree.leaves(state.networks['vae'].params)):
    assert np.asarray(a) == pytest.approx(np.asarray(b), abs=1e-6)
  _, _, weighted, _ = one_step(5.)
  assert not np.allclose(weighted.networks['vae'].params['encoder']['posterior']['kernel'],
                         after.networks['vae'].params['encoder']['posterior']['kernel'], atol=1e-6)


def test_the_discriminator_learns_the_total_correlation():
  """Codes that do not change, of two equal coordinates: it comes to tell them from shuffled ones."""
  task = make_task(regularizer=None)
  task.tc_weight = 0.
  def correlated(params, disc_params, batch):
    z = jax.random.normal(jax.random.wrap_key_data(batch['noise_key'])[0], (256, 3))
    z = z.at[:, 1].set(0.8 * z[:, 0] + 0.6 * z[:, 1])
    tc = jnp.mean(task.judge(disc_params, z))
    return 0. * jax.tree.reduce(lambda a, b: a + jnp.sum(b), params, 0.), ({'total_correlation': tc}, z)
  task.penalized_loss = correlated
  def step(state, _):
    return task.train_step(state, BATCH, jax.random.fold_in(KEY, state.step))
  _, scalars = jax.jit(lambda state: jax.lax.scan(step, state, None, 600))(task.init(KEY, BATCH))
  assert np.mean(scalars['total_correlation'][-200:]) == pytest.approx(-0.5 * np.log(1 - 0.8**2), abs=0.12)
  assert np.mean(scalars['disc_accuracy'][-200:]) > 0.58


def test_scores_where_the_factors_are_known():
  task, state, *_ = one_step(5.)
  source = open_source(DataOptions(source='shapes', image_size=4))
  numbers, pictures, protocol = task.evaluate_samples(state, source, KEY, 300)
  assert {'mig', 'sap', 'factor_score', 'dci_disentanglement'} <= set(numbers) and not pictures
  assert all(0 <= value <= 1 for value in numbers.values()) and protocol['n'] == 300
  assert task.evaluate_samples(state, open_source(DataOptions()), KEY, 300) == ({}, {}, {})


@pytest.mark.parametrize('changes, message', [
    ({'objective.name': 'beta_tc'}, 'set it to elbo'), ({'objective.tc_weight': -1.}, 'objective.tc_weight'),
    ({'objective.disc_depth': 0}, 'objective.disc_depth')])
def test_mistakes(changes, message):
  config = base.get_config(model='vae_conv', task='factor_vae')
  config.update_from_flattened_dict(changes)
  with pytest.raises(UserError, match=message):
    TASKS['factor_vae'](config, lambda scale=1.: optax.adam(1e-3))


def test_build_scales_the_discriminator_s_learning_rate():
  scales = []
  config = base.get_config(model='vae_conv', task='factor_vae')
  config.objective.disc_learning_rate_scale = 0.25
  task = TASKS['factor_vae'](config, lambda scale=1.: scales.append(scale) or optax.adam(1e-3))
  assert sorted(scales) == [0.25, 1.] and task.discriminator.hidden == 1000 and task.tc_weight == 35.


@pytest.mark.parametrize('variant', ['', 'vae', 'beta_tc', 'factor', 'dip_i', 'dip_ii', 'capacity', 'full,beta_tc',
                                     'full,factor'])
def test_variants_of_the_shapes_config(variant):
  config = beta_vae_shapes.get_config(variant)
  task = TASKS[config.task](config, lambda scale=1.: optax.adam(1e-3))
  assert isinstance(task, FactorVae if 'factor' in variant else Vae)
  assert config.data.image_size == (64 if 'full' in variant else 32)
