"""Penalties against closed forms, and their second derivatives on a transposed-convolution critic in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deconv import ops
from deconv.errors import UserError
from deconv.objectives import penalties
from deconv.options import Experiment
from deconv.options.objectives import gan as options
from deconv.options.objectives.gan import GanObjective

KEYS = jax.random.split(jax.random.key(0), 3)


def make_seen(seed=0, shape=(3, 4, 4, 2), dtype=np.float32, running=(0.5, -1.0), critic=None):
  rng = np.random.default_rng(seed)
  reals, fakes = (jnp.asarray(rng.normal(size=shape).astype(dtype)) for _ in range(2))
  logits = (critic(reals), critic(fakes)) if critic else (None, None)
  return penalties.Minibatch(reals, fakes, *logits, running, KEYS, jnp.mean)


def quadratic(images):
  """|x|^2 / 2, whose gradient is x."""
  return 0.5 * jnp.sum(jnp.square(images), axis=(1, 2, 3))


def value(name, critic, seen, **fields):
  return np.asarray(penalties.PENALTIES[name].value(critic, seen, GanObjective(penalty=name, **fields)))


def test_the_names_are_those_of_the_options():
  assert tuple(penalties.PENALTIES) == options.PENALTIES
  assert tuple(n for n, p in penalties.PENALTIES.items() if p.of_gradient) == options.GRADIENT_PENALTIES
  assert {f for p in penalties.PENALTIES.values() for f in [p.weight]} <= set(GanObjective.__dataclass_fields__)


def test_r1_and_r2_by_hand():
  seen = make_seen()
  for name, images in (('r1', seen.reals), ('r2', seen.fakes)):
    expected = 0.5 * np.sum(np.square(images), axis=(1, 2, 3))
    np.testing.assert_allclose(value(name, quadratic, seen), expected, rtol=1e-6)


def test_wgan_gp_lies_between_the_images():
  """With x a constant image c and G(z) one of d, the norm of the gradient is |x^| 's: its share can be read off."""
  seen = make_seen()._replace(reals=jnp.full((3, 4, 4, 2), 1.0), fakes=jnp.full((3, 4, 4, 2), 3.0))
  found = value('wgan_gp', quadratic, seen)
  places = (1 + np.sqrt(found)) / np.sqrt(32)  # |x^| = place * sqrt(32), all of them above 1
  assert np.all((places > 1) & (places < 3)) and np.std(places) > 0.05
  other = value('wgan_gp', quadratic, seen._replace(keys=KEYS[::-1]))
  np.testing.assert_allclose(other, found[::-1], rtol=1e-5)  # each image by its own key


def test_a_critic_without_slope_costs_one_and_has_a_finite_gradient():
  seen = make_seen()

  def loss(weight):
    return jnp.mean(penalties.wgan_gp(lambda x: weight * jnp.sum(x, axis=(1, 2, 3)), seen, None))

  cost, slope = jax.value_and_grad(loss)(0.0)
  assert cost == pytest.approx(1, abs=1e-5) and np.isfinite(slope)


def test_dragan_stays_near_the_reals():
  seen = make_seen()._replace(fakes=None)
  deviation = np.std(np.asarray(seen.reals))
  moved = []

  def critic(images):
    moved.append(np.asarray(images))
    return quadratic(images)

  with jax.disable_jit():
    penalties.squared_norm(lambda images: critic(jax.lax.stop_gradient(images)), seen.reals)
    value('dragan', lambda images: critic(jax.lax.stop_gradient(images)) + 0 * jnp.sum(images, axis=(1, 2, 3)), seen)
  shift = moved[-1] - np.asarray(seen.reals)
  assert shift.min() >= 0 and 0.05 * deviation < shift.max() <= 0.5 * deviation
  whole = seen._replace(mean=lambda x: jnp.mean(x) * 0 + 4.0 * (jnp.ndim(x) == 4))  # another mean of the whole batch
  assert not np.allclose(value('dragan', quadratic, whole), value('dragan', quadratic, seen))


def test_lecam_by_hand():
  seen = make_seen()._replace(real_logits=jnp.array([1.0, 2.0]), fake_logits=jnp.array([0.0, -1.0]))
  # (D(x) + 1)^2 + (D(G(z)) - 0.5)^2
  np.testing.assert_allclose(value('lecam', None, seen), [4 + 0.25, 9 + 2.25], rtol=1e-6)


def test_consistency_compares_with_the_moved_reals():
  seen = make_seen(critic=quadratic)
  assert np.all(value('consistency', quadratic, seen, consistency_augment=('flip',)) < 1e-9)  # |x|^2 does not turn
  assert np.any(value('consistency', quadratic, seen, consistency_augment=('cutout',)) > 0.1)


@pytest.mark.parametrize('name', list(penalties.PENALTIES))
def test_second_order_through_the_operators_in_float64(name):
  """The gradient of each penalty with respect to a critic with a strided and a transposed convolution."""
  with jax.enable_x64():
    rng = np.random.default_rng(1)
    params = {
      'up': jnp.asarray(0.3 * rng.normal(size=(4, 4, 2, 3))),
      'down': jnp.asarray(0.3 * rng.normal(size=(3, 3, 3, 2))),
    }

    def critic(params, images):
      x = ops.conv_transpose(images, params['up'], strides=2, padding=1)
      x = ops.conv(jnp.tanh(x), params['down'], strides=2, padding=1)
      return jnp.sum(jnp.sin(x), axis=(1, 2, 3))

    seen = make_seen(dtype=np.float64)

    def loss(params):
      judge = lambda images: critic(params, images)
      look = seen._replace(real_logits=judge(seen.reals), fake_logits=judge(seen.fakes))
      return jnp.mean(penalties.PENALTIES[name].value(judge, look, GanObjective(penalty=name)))

    loss = jax.jit(loss)
    grads = jax.jit(jax.grad(loss))(params)
    for layer, kernel in params.items():
      direction = rng.normal(size=kernel.shape)
      moved = [loss({**params, layer: kernel + sign * 1e-5 * direction}) for sign in (1, -1)]
      slope = float(moved[0] - moved[1]) / 2e-5
      assert abs(slope) > 1e-3
      assert slope == pytest.approx(float(np.sum(np.asarray(grads[layer]) * direction)), rel=1e-6)


def test_lazy_penalties_are_scaled_by_their_interval():
  seen = make_seen(critic=quadratic)
  every = GanObjective(penalty=('r1', 'lecam'), r1_weight=4.0)
  lazy = GanObjective(penalty='r1,lecam', r1_weight=4.0, penalty_interval=4)
  assert every.penalties == lazy.penalties == ('r1', 'lecam')
  plain = penalties.penalise(quadratic, seen, every, 1)
  assert plain['penalty_r1'] == pytest.approx(4 * float(jnp.mean(penalties.r1(quadratic, seen, None))), rel=1e-6)
  found = [penalties.penalise(quadratic, seen, lazy, jnp.int32(update)) for update in range(8)]
  expected = [4 * plain['penalty_r1'], 0, 0, 0] * 2
  np.testing.assert_allclose([x['penalty_r1'] for x in found], expected, rtol=1e-6)
  np.testing.assert_allclose([x['penalty_lecam'] for x in found], plain['penalty_lecam'], rtol=1e-6)


@pytest.mark.parametrize(
  'fields, sentence',
  [
    (dict(penalty='wgan-gp'), "objective.penalty has 'wgan-gp' (did you mean 'wgan_gp'?)"),
    (dict(penalty='r1,r1'), 'twice'),
    (dict(penalty='none,r1'), "has 'none'"),
    (dict(r1_weight=3.0), 'objective.r1_weight=3.0 has no effect'),
    (dict(penalty='lecam', penalty_interval=4), 'objective.penalty_interval=4 has no effect'),
    (dict(penalty='r1', r1_weight=-1.0), 'must not be negative'),
    (dict(label_smoothing=0.1, name='hinge'), 'objective.label_smoothing=0.1 has no effect'),
    (dict(weight_clip=0.1), 'objective.weight_clip=0.1 has no effect'),
    (dict(instance_noise_steps=10), 'instance_noise above 0'),
    (dict(diff_augment=('color',)), "objective.diff_augment has 'color' (did you mean 'colour'?)"),
    (dict(penalty='consistency', consistency_augment=('turn',)), "consistency_augment has 'turn'"),
  ],
)
def test_mistakes(fields, sentence):
  with pytest.raises(UserError) as error:
    GanObjective(**fields)
  assert sentence in str(error.value) and '\n' not in str(error.value)


@pytest.mark.parametrize('name', options.GRADIENT_PENALTIES)
def test_batch_norm_in_a_critic_is_refused_and_a_flag_allows_it(name):
  config = {'task': 'gan', 'objective': {'penalty': name}}
  with pytest.raises(UserError, match="batch norm in the discriminator of 'dcgan'.*whole batch.*disc_norm=layer"):
    Experiment.from_config(config)
  for norm in ('layer', 'instance', 'none'):
    Experiment.from_config({**config, 'model': {'disc_norm': norm}})
  Experiment.from_config({'task': 'gan', 'objective': {'penalty': name, 'penalty_with_batch_norm': True}})
  Experiment.from_config({'task': 'gan', 'objective': {'penalty': 'lecam,consistency'}})
