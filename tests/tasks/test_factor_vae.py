"""FactorVAE: two networks, the one's estimate in the other's loss."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from deconv.configs import base, beta_vae_shapes
from deconv.errors import UserError
from deconv.options import Experiment
from deconv.tasks import TASKS
from deconv.tasks.factor_vae import FactorVae
from deconv.tasks.vae import Vae

KEY = jax.random.key(0)
BATCH = {'image': np.random.default_rng(0).integers(0, 256, (32, 4, 4, 1), dtype=np.uint8)}


def make_task(name, kind, **objective):
  """A perceptron of a few units, trained by gradient descent; the discriminator, which is small too, by Adam."""
  options = Experiment.from_config(
    {
      'task': name,
      'model': {'name': 'vae_mlp', 'hidden': 8, 'latent_size': 3},
      'data': {'image_size': 4},
      'objective': {'binarization': 'grey', **objective},
    }
  )
  return kind(options, lambda scale: optax.sgd(1e-2) if scale == 1 else optax.adam(1e-2), None)


def factor_task(kind=FactorVae, **objective):
  return make_task('factor_vae', kind, disc_hidden=16, disc_depth=2, disc_learning_rate_scale=2.0, **objective)


@functools.lru_cache
def one_step(tc_weight):
  task = factor_task(tc_weight=tc_weight)
  state = task.init(KEY, BATCH)
  return task, state, *jax.jit(task.train_step)(state, BATCH, KEY)


def test_the_paper_s_discriminator():
  """Six layers of 1000 units whose negative side passes a fifth on."""
  options = Experiment.from_config({'task': 'factor_vae', 'model': {'name': 'vae_conv', 'latent_size': 10}})
  discriminator = FactorVae(options, optax.sgd, None).discriminator
  shapes = jax.eval_shape(discriminator.init, KEY, jnp.zeros((2, 10)))['params']
  assert [shapes[f'hidden_{i + 1}']['kernel'].shape for i in range(6)] == [(10, 1000)] + 5 * [(1000, 1000)]
  assert shapes['logit']['kernel'].shape == (1000, 1) and len(shapes) == 7 and discriminator.leak == 0.2


def test_a_step_moves_both_networks():
  _, before, after, scalars = one_step(5.0)
  assert int(after.step) == 1 and set(after.networks) == {'vae', 'disc'}
  for name in ('vae', 'disc'):
    for old, new in zip(jax.tree.leaves(before.networks[name].params), jax.tree.leaves(after.networks[name].params)):
      assert not np.array_equal(old, new) or not np.any(old)
  expected = scalars['neg_elbo'] + 5 * scalars['total_correlation']
  assert float(scalars['loss']) == pytest.approx(float(expected), rel=1e-5)
  assert float(scalars['loss_disc']) == pytest.approx(np.log(2), abs=0.3)


def test_without_weight_it_is_the_plain_vae():
  _, _, after, scalars = one_step(0.0)
  plain = make_task('vae', Vae)
  state, expected = jax.jit(plain.train_step)(plain.init(KEY, BATCH), BATCH, KEY)
  assert float(scalars['loss']) == pytest.approx(float(expected['loss']), rel=1e-6)
  for a, b in zip(jax.tree.leaves(after.networks['vae'].params), jax.tree.leaves(state.networks['vae'].params)):
    assert np.asarray(a) == pytest.approx(np.asarray(b), abs=1e-6)
  _, _, weighted, _ = one_step(5.0)
  assert not np.allclose(
    weighted.networks['vae'].params['encoder']['posterior']['kernel'],
    after.networks['vae'].params['encoder']['posterior']['kernel'],
    atol=1e-6,
  )


def test_the_discriminator_learns_the_total_correlation():
  """Codes whose distribution does not change, of two like coordinates: it comes to tell them from shuffled ones."""

  class Correlated(FactorVae):
    def penalized_loss(self, params, disc_params, batch):
      z = jax.random.normal(jax.random.wrap_key_data(batch['noise_key'])[0], (256, 3))
      z = z.at[:, 1].set(0.8 * z[:, 0] + 0.6 * z[:, 1])
      tc = jnp.mean(self.judge(disc_params, z))
      return 0.0 * jax.tree.reduce(lambda a, b: a + jnp.sum(b), params, 0.0), ({'total_correlation': tc}, z)

  task = factor_task(Correlated)

  def step(state, _):
    return task.train_step(state, BATCH, jax.random.fold_in(KEY, state.step))

  _, scalars = jax.jit(lambda state: jax.lax.scan(step, state, None, 600))(task.init(KEY, BATCH))
  assert np.mean(scalars['total_correlation'][-200:]) == pytest.approx(-0.5 * np.log(1 - 0.8**2), abs=0.12)
  assert np.mean(scalars['disc_accuracy'][-200:]) > 0.58


def test_a_step_is_traced_by_the_shapes_of_a_batch():
  task, state, after, scalars = one_step(5.0)
  new = jax.eval_shape(task.train_step, state, task.batch_shapes(8), KEY)
  assert jax.tree.map(lambda x: (x.shape, x.dtype), new) == jax.tree.map(lambda x: (x.shape, x.dtype), (after, scalars))


@pytest.mark.parametrize(
  'changes, message',
  [
    ({'objective.name': 'beta_tc'}, 'set it to elbo'),
    ({'objective.tc_weight': -1.0}, 'objective.tc_weight'),
    ({'objective.disc_depth': 0}, 'objective.disc_depth'),
  ],
)
def test_mistakes(changes, message):
  config = base.get_config(model='vae_conv', task='factor_vae')
  config.update_from_flattened_dict(changes)
  with pytest.raises(UserError, match=message):
    Experiment.from_config(config)


def test_discriminator_has_its_own_learning_rate():
  config = base.get_config(model='vae_conv', task='factor_vae')
  config.objective.disc_learning_rate_scale = 0.25
  task = TASKS['factor_vae'](Experiment.from_config(config), optax.sgd, None)
  for optimizer, rate in ((task.optimizer, 1.0), (task.disc_optimizer, 0.25)):
    updates, _ = optimizer.update({'p': 1.0}, optimizer.init({'p': 0.0}))
    assert updates['p'] == -rate
  assert task.discriminator.hidden == 1000 and task.options.objective.tc_weight == 35.0


@pytest.mark.parametrize(
  'variant', ['', 'vae', 'beta_tc', 'factor', 'dip_i', 'dip_ii', 'capacity', 'full,beta_tc', 'full,factor']
)
def test_variants_of_the_shapes_config(variant):
  config = beta_vae_shapes.get_config(variant)
  task = TASKS[config.task](Experiment.from_config(config), optax.adam, None)
  assert type(task) is (FactorVae if 'factor' in variant else Vae)
  assert config.data.image_size == (64 if 'full' in variant else 32)
