"""FactorVAE: two networks, the one's estimate in the other's loss."""
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from configs import beta_vae_shapes
from deconv.errors import UserError
from deconv.options import Experiment
from deconv.tasks import TASKS
from deconv.tasks.factor_vae import FactorVae
from deconv.tasks.vae import Vae

KEY = jax.random.key(0)
BATCH = {'image': np.random.default_rng(0).integers(0, 256, (32, 4, 4, 1), dtype=np.uint8)}


def make_options(task, objective=(), model=(), **sections):
  """A perceptron of a few units on 4x4 images."""
  model = {'name': 'vae_mlp', 'hidden': 8, 'latent_size': 3, **dict(model)}
  return Experiment.from_config({'task': task, 'model': model, 'data': {'image_size': 4},
                                 'objective': {'binarization': 'grey', **dict(objective)}, **sections})


def factor_options(tc_weight, **sections):
  return make_options('factor_vae', {'tc_weight': tc_weight, 'disc_hidden': 16, 'disc_depth': 2}, **sections)


def make_optimizer(scale):
  return optax.sgd(1e-2 * scale)


@functools.lru_cache
def one_step(tc_weight):
  task = FactorVae(factor_options(tc_weight), make_optimizer, None)
  state = task.init(KEY, BATCH)
  return task, state, *jax.jit(task.train_step)(state, BATCH, KEY)


def test_the_paper_s_discriminator():
  task = FactorVae(make_options('factor_vae', model={'latent_size': 10}), make_optimizer, None)
  shapes = jax.eval_shape(task.init, KEY, BATCH).networks['disc'].params
  assert [shapes[f'hidden_{i + 1}']['kernel'].shape for i in range(6)] == [(10, 1000)] + 5 * [(1000, 1000)]
  assert set(shapes) == {*(f'hidden_{i + 1}' for i in range(6)), 'logit'} and task.discriminator.leak == 0.2


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
  plain = Vae(make_options('vae'), make_optimizer, None)
  state, expected = jax.jit(plain.train_step)(plain.init(KEY, BATCH), BATCH, KEY)
  assert float(scalars['loss']) == pytest.approx(float(expected['loss']), rel=1e-6)
  for a, b in zip(jax.tree.leaves(after.networks['vae'].params), jax.tree.leaves(state.networks['vae'].params)):
    assert np.asarray(a) == pytest.approx(np.asarray(b), abs=1e-6)
  _, _, weighted, _ = one_step(5.)
  assert not np.allclose(weighted.networks['vae'].params['encoder']['posterior']['kernel'],
                         after.networks['vae'].params['encoder']['posterior']['kernel'], atol=1e-6)


def test_the_discriminator_learns_the_total_correlation():
  """Codes that do not change, of two equal coordinates: it comes to tell them from shuffled ones."""
  class Correlated(FactorVae):
    def penalized_loss(self, params, disc_params, batch):
      z = jax.random.normal(jax.random.wrap_key_data(batch['noise_key'])[0], (256, 3))
      z = z.at[:, 1].set(0.8 * z[:, 0] + 0.6 * z[:, 1])
      tc = jnp.mean(self.judge(disc_params, z))
      return 0. * jax.tree.reduce(lambda a, b: a + jnp.sum(b), params, 0.), ({'total_correlation': tc}, z)
  task = Correlated(factor_options(0.), lambda scale: optax.adam(1e-2), None)
  def step(state, _):
    return task.train_step(state, BATCH, jax.random.fold_in(KEY, state.step))
  _, scalars = jax.jit(lambda state: jax.lax.scan(step, state, None, 600))(task.init(KEY, BATCH))
  assert np.mean(scalars['total_correlation'][-200:]) == pytest.approx(-0.5 * np.log(1 - 0.8**2), abs=0.12)
  assert np.mean(scalars['disc_accuracy'][-200:]) > 0.58


@pytest.mark.parametrize('objective, message', [
    ({'name': 'beta_tc'}, "objective.name='beta_tc' is not for task='factor_vae'; set it to elbo"),
    ({'tc_weight': -1.}, 'objective.tc_weight=-1.0'), ({'disc_depth': 0}, 'objective.disc_depth=0'),
    ({'disc_hidden': 0}, 'objective.disc_hidden=0'), ({'mixtures': 3}, 'objective.mixtures=3 has no effect')], ids=str)
def test_mistakes(objective, message):
  with pytest.raises(UserError) as error:
    make_options('factor_vae', objective)
  assert message in str(error.value)


def test_the_discriminator_s_learning_rate_is_scaled():
  scales = []
  options = make_options('factor_vae', {'disc_learning_rate_scale': 0.25})
  task = FactorVae(options, lambda scale: scales.append(scale) or make_optimizer(scale), None)
  assert scales == [1., 0.25] and task.discriminator.hidden == 1000
  assert options.objective.tc_weight == 35.


def test_the_autoencoder_is_averaged_and_the_discriminator_is_not():
  task = FactorVae(factor_options(5., train={'ema_decay': 0.5}), make_optimizer, None)
  before = task.init(KEY, BATCH)
  after, _ = jax.jit(task.train_step)(before, BATCH, KEY)
  vae = after.networks['vae']
  for average, old, new in zip(*map(jax.tree.leaves, (vae.ema['params'], before.networks['vae'].params, vae.params))):
    np.testing.assert_allclose(average, 0.1 * old + 0.9 * new, atol=1e-6)  # decay (1 + 0) / (10 + 0) at first
  assert after.networks['disc'].ema is None and task.protocol(after)['ema']


@pytest.mark.parametrize('variant', ['', 'vae', 'beta_tc', 'factor', 'dip_i', 'dip_ii', 'capacity', 'full,beta_tc',
                                     'full,factor'])
def test_variants_of_the_shapes_config(variant):
  options = Experiment.from_config(beta_vae_shapes.get_config(variant))
  task = TASKS[options.task](options, make_optimizer, None)
  assert type(task) is (FactorVae if 'factor' in variant else Vae)
  assert options.data.image_size == (64 if 'full' in variant else 32)
