"""The adversarial step: update orders by hand, one generator forward, EMA, statistics, sampling options."""

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from deconv import ops
from deconv.data import TrainBatches, open_source, to_signed
from deconv.errors import UserError
from deconv.models.latent import Latent
from deconv.objectives.gan import OBJECTIVES, Objective
from deconv.options import Experiment
from deconv.rng import stream
from deconv.tasks import TASKS
from deconv.tasks.gan import Gan

KEY = jax.random.key(0)
RATE = 0.1


class Scale(nn.Module):
  """Generator x = w z, w = 2 at the start; sinh(z) - sinh(z) marks a forward: no derivative holds a sinh."""

  @nn.compact
  def __call__(self, z, train):
    w = self.param('w', nn.initializers.constant(2.0), ())
    return (w * (z + 0 * jnp.sinh(w * z)))[:, :, None, None]


class Slope(nn.Module):
  """Discriminator: logit = v x, v = 3 at the start; the objective below makes the game bilinear."""

  @nn.compact
  def __call__(self, x, train):
    return self.param('v', nn.initializers.constant(3.0), ()) * x[:, 0, 0, 0]


# D minimises -D(x) + D(G(z)), G minimises -D(G(z)): all gradients are products.
LINEAR = Objective(disc=lambda real, fake: fake - real, gen=lambda fake: -fake)
# One real pixel: uint8 255 is x = 1. z = 0.5, and u = 0.25 where the discriminator has latents of its own.
BATCH = {
  'image': np.full((2, 1, 1, 1), 255, np.uint8),
  'latent': np.full((2, 1), 0.5, np.float32),
  'latent_disc': np.full((2, 1), 0.25, np.float32),
}


class LinearGan(Gan):
  """The game of `LINEAR`."""

  def __init__(self, options, make_optimizer, batch_norm_axis):
    super().__init__(options, make_optimizer, batch_norm_axis)
    self.objective = LINEAR

  def make_networks(self, batch_norm_axis):
    return Scale(), Slope(), Latent(1, 'uniform')


def make_options(**sections):
  return Experiment.from_config({'task': 'gan', **sections})


def sgd(scale):
  return optax.sgd(scale * RATE)


def linear_gan(order, ema_decay=0.0):
  return LinearGan(make_options(objective={'update_order': order}, train={'ema_decay': ema_decay}), sgd, None)


@pytest.mark.parametrize(
  'order, w, v',
  [
    # D sees G(z) = 2 * .5 = 1: dv = G(z) - x = 0, so v = 3; then dw = -v z = -1.5: w = 2.15.
    ('disc_then_gen', 2.15, 3.0),
    ('simultaneous', 2.15, 3.0),
    # G first: w = 2 + .1 * 3 * .5 = 2.15; D sees 2.15 * .25 = .5375: dv = .5375 - 1, v = 3.04625.
    ('alternate', 2.15, 3.04625),
  ],
)
def test_first_step_by_hand(order, w, v):
  task = linear_gan(order)
  state, scalars = task.train_step(task.init(KEY, BATCH), BATCH, KEY)
  assert state.networks['gen'].params['w'] == pytest.approx(w)
  assert state.networks['disc'].params['v'] == pytest.approx(v)
  assert state.step == 1
  assert scalars['loss_gen'] == pytest.approx(-3.0)


@pytest.mark.parametrize(
  'order, w, v',
  [
    # From w = 2, v = 3 with reals x = -1: dv = 1 - (-1) = 2, v = 2.8; G answers the new v: w = 2 + .1 * 2.8 * .5.
    ('disc_then_gen', 2.14, 2.8),
    # ... G answers the old v = 3.
    ('simultaneous', 2.15, 2.8),
    # G first, against v = 3; then D sees 2.15 * .25 = .5375: dv = 1.5375.
    ('alternate', 2.15, 2.84625),
  ],
)
def test_orders_differ_by_hand(order, w, v):
  task = linear_gan(order)
  batch = dict(BATCH, image=np.zeros((2, 1, 1, 1), np.uint8))
  state, _ = task.train_step(task.init(KEY, batch), batch, KEY)
  assert state.networks['gen'].params['w'] == pytest.approx(w)
  assert state.networks['disc'].params['v'] == pytest.approx(v)


@pytest.mark.parametrize('order, forwards', [('disc_then_gen', 1), ('simultaneous', 1), ('alternate', 2)])
def test_generator_forwards_in_the_traced_step(order, forwards):
  task = linear_gan(order)
  jaxpr = str(jax.make_jaxpr(task.train_step)(task.init(KEY, BATCH), BATCH, KEY))
  assert jaxpr.count(' sinh ') == forwards


def test_average_by_hand():
  task = linear_gan('simultaneous', ema_decay=0.15)
  state = task.init(KEY, BATCH)
  state, _ = task.train_step(state, BATCH, KEY)
  # The first decays are (1 + step) / (10 + step) = 1/10, then 2/11 > 0.15.
  average = 0.1 * 2 + 0.9 * 2.15
  assert state.networks['gen'].ema['params']['w'] == pytest.approx(average)
  state, _ = task.train_step(state, BATCH, KEY)
  average = 0.15 * average + 0.85 * float(state.networks['gen'].params['w'])
  assert state.networks['gen'].ema['params']['w'] == pytest.approx(average)
  assert state.networks['disc'].ema is None


def test_discriminator_has_its_own_learning_rate():
  options = make_options(objective={'disc_learning_rate_scale': 0.25})
  task = TASKS['gan'](options, optax.sgd, None)
  for name, rate in (('gen', 1.0), ('disc', 0.25)):
    updates, _ = task.optimizers[name].update({'p': 1.0}, task.optimizers[name].init({'p': 0.0}))
    assert updates['p'] == -rate


# A real network, small.


def dcgan_task(order='disc_then_gen', objective='non_saturating', ema_decay=0.0, num=64, **evaluation):
  return Gan(
    make_options(
      data={'image_size': 8},
      model={'name': 'dcgan', 'width': 4, 'kernel_size': 4, 'latent_size': 6},
      objective={'name': objective, 'update_order': order},
      train={'ema_decay': ema_decay},
      samples={'num': num},
      eval=evaluation,
    ),
    sgd,
    None,
  )


@pytest.fixture(scope='module')
def images():
  return {'image': np.random.default_rng(0).integers(0, 256, (6, 8, 8, 1), dtype=np.uint8)}


@pytest.fixture(scope='module')
def trained(images):
  """An averaging task and its state after two steps."""
  task = dcgan_task(ema_decay=0.9, num=5, batch_size=4)
  step = jax.jit(task.train_step)
  state = task.init(KEY, images)
  for i in range(2):
    state, scalars = step(state, images, jax.random.fold_in(KEY, i))
  return task, state, scalars


def plain_step(task, state, batch, order):
  """The same step by plain gradients of whole losses, a forward for each, one network at a time."""
  generator, discriminator, _ = task.make_networks(None)
  objective = task.objective
  gen, disc = state.networks['gen'], state.networks['disc']
  reals = to_signed(batch['image'])

  def generate(params, stats, z):
    return generator.apply({'params': params, 'batch_stats': stats}, z, train=True, mutable=['batch_stats'])

  def judge(params, stats, x):
    return discriminator.apply({'params': params, 'batch_stats': stats}, x, train=True, mutable=['batch_stats'])

  def disc_loss(params, gen_params, stats, z):
    real, new = judge(params, disc.batch_stats, reals)
    fake, new = judge(params, new['batch_stats'] if new else {}, generate(gen_params, stats, z)[0])
    return jnp.mean(objective.disc(real, fake)), new

  def gen_loss(params, disc_params):
    fakes, new = generate(params, gen.batch_stats, batch['latent'])
    return jnp.mean(objective.gen(judge(disc_params, disc.batch_stats, fakes)[0])), new

  def descend(params, grads):
    return jax.tree.map(lambda p, g: p - RATE * g, params, grads)

  if order == 'alternate':
    grads, gen_new = jax.grad(gen_loss, has_aux=True)(gen.params, disc.params)
    gen_params = descend(gen.params, grads)
    z = batch['latent_disc']
    grads, disc_new = jax.grad(disc_loss, has_aux=True)(disc.params, gen_params, gen_new['batch_stats'], z)
    gen_new = generate(gen_params, gen_new['batch_stats'], z)[1]
    disc_params = descend(disc.params, grads)
  else:
    grads, disc_new = jax.grad(disc_loss, has_aux=True)(disc.params, gen.params, gen.batch_stats, batch['latent'])
    disc_params = descend(disc.params, grads)
    opponent = disc_params if order == 'disc_then_gen' else disc.params
    grads, gen_new = jax.grad(gen_loss, has_aux=True)(gen.params, opponent)
    gen_params = descend(gen.params, grads)
  return {'gen': {'params': gen_params, **gen_new}, 'disc': {'params': disc_params, 'batch_stats': {}, **disc_new}}


@pytest.mark.parametrize(
  'order, objective',
  [
    ('disc_then_gen', 'non_saturating'),
    ('simultaneous', 'non_saturating'),
    ('alternate', 'non_saturating'),
    ('disc_then_gen', 'minimax'),
  ],
)
def test_step_equals_plain_gradients(order, objective, images):
  task = dcgan_task(order, objective)
  assert task.objective == OBJECTIVES[objective]
  z = jax.random.uniform(KEY, (2, 6, 6), minval=-1.0, maxval=1.0)
  batch = dict(images, latent=z[0], latent_disc=z[1])
  state = task.init(KEY, batch)
  new, _ = jax.jit(task.train_step)(state, batch, KEY)
  expected = jax.jit(lambda state: plain_step(task, state, batch, order))(state)
  for name, network in new.networks.items():
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-6), network.variables, expected[name])


def test_one_transposed_convolution_a_layer_and_step(monkeypatch, images):
  calls = []
  plain = ops.conv_transpose
  monkeypatch.setattr(ops, 'conv_transpose', lambda *args, **kw: calls.append(args) or plain(*args, **kw))
  task = dcgan_task()
  state = jax.eval_shape(task.init, KEY, images)
  calls.clear()
  jax.eval_shape(task.train_step, state, images, KEY)
  assert len(calls) == 1  # 8x8 has one: a second generator forward would call it again


def test_losses_and_shares_are_those_of_their_names(trained, images):
  _, _, scalars = trained
  told = {'gradient_gen', 'diversity'}
  assert set(scalars) == {'loss_gen', 'loss_disc', 'accuracy_real', 'accuracy_fake'} | told
  assert all(np.isfinite(value) for value in scalars.values())
  assert 0 <= scalars['accuracy_real'] <= 1


def test_same_key_same_step_other_key_another(images):
  task = dcgan_task()
  step = jax.jit(task.train_step)
  state = task.init(KEY, images)
  same, again, other = (step(state, images, jax.random.key(i))[0] for i in (1, 1, 2))
  jax.tree.map(np.testing.assert_array_equal, same, again)
  assert not np.array_equal(*(x.networks['gen'].params['up_1']['kernel'] for x in (same, other)))
  drawn = dict(images, **task.random_inputs(images, jax.random.key(1)))
  jax.tree.map(np.testing.assert_array_equal, same, step(state, drawn, jax.random.key(3))[0])


def test_average_holds_the_statistics(trained):
  _, state, _ = trained
  gen = state.networks['gen']
  mean = gen.batch_stats['norm_0']['mean'], gen.ema['batch_stats']['norm_0']['mean']
  assert np.abs(mean[0]).max() > 0 and np.abs(mean[1]).max() > 0 and np.abs(mean[0] - mean[1]).max() > 0


def test_early_samples_are_not_flat():
  # A sample grid after a few steps shows what the generator makes, although its statistics and its average are young.
  options = make_options(model={'width': 4, 'kernel_size': 4}, data={'image_size': 16}, train={'ema_decay': 0.999})
  task = TASKS['gan'](options, lambda scale: optax.adam(2e-4, b1=0.5), None)
  batches = TrainBatches(open_source(options.data), 16, 0, options.data)
  latents = task.latent.sample(KEY, 32)
  state, step = task.init(KEY, batches.at(0)), jax.jit(task.train_step)
  for i in range(8):
    state, _ = step(state, batches.at(i), jax.random.key(i))
  gen = state.networks['gen']
  raw = jax.jit(lambda z: task.generator.apply(gen.variables, z, train=True, mutable=['batch_stats'])[0])(latents)
  assert task.sampling_protocol(state)['ema'] and task.sampling_protocol(state)['batch_stats'] == 'running'
  assert np.std(task.generate(state, latents)) > 0.8 * np.std(raw) > 0.02


def test_dropout_has_a_stream_and_bfloat16_keeps_float32_state():
  options = make_options(model={'name': 'gan28', 'width': 2}, data={'image_size': 28}, train={'dtype': 'bfloat16'})
  task = TASKS['gan'](options, optax.adam, None)
  assert task.generator.dtype == task.discriminator.dtype == jnp.bfloat16
  batch = {'image': np.zeros((2, 28, 28, 1), np.uint8)}
  state = jax.eval_shape(task.init, KEY, batch)
  new, scalars = jax.eval_shape(task.train_step, state, batch, KEY)
  assert jax.tree.map(lambda x: (x.shape, x.dtype), new) == jax.tree.map(lambda x: (x.shape, x.dtype), state)
  assert scalars['loss_gen'].dtype == jnp.float32
  assert {x.dtype for x in jax.tree.leaves(new.networks['gen'].params)} == {jnp.dtype('float32')}


def test_sums_add_up_over_uneven_batches(trained, images):
  task, state, _ = trained
  evaluate = jax.jit(task.eval_step)
  batch = dict(images, latent=jax.random.uniform(KEY, (6, 6)), weight=np.ones(6, np.float32))
  whole = evaluate(state, batch, KEY)
  parts = []
  for start, weight in ((0, [1, 1, 1, 1, 0, 0]), (4, [1, 1, 0, 0, 0, 0])):
    rows = np.minimum(np.arange(start, start + 6), 5)
    part = {name: np.asarray(value)[rows] for name, value in batch.items()}
    parts.append(evaluate(state, dict(part, weight=np.array(weight, np.float32)), KEY))
  for name, value in whole.items():
    assert parts[0][name] + parts[1][name] == pytest.approx(float(value), rel=1e-5), name
  metrics = task.summarize(whole)
  assert set(metrics) == {'loss_gen', 'loss_disc', 'accuracy_real', 'accuracy_fake'}
  assert metrics['loss_disc'] == pytest.approx(float(whole['loss_disc']) / 6)


def test_samples_do_not_depend_on_the_batches_they_are_made_in(trained):
  task, state, _ = trained
  seven = task.sample(state, KEY, 7)
  assert seven.shape == (7, 8, 8, 1) and seven.dtype == np.float32 and np.abs(seven).max() <= 1
  latents = task.latent.sample(stream(KEY, 'latent'), 7)
  np.testing.assert_allclose(seven[5], task.generate(state, latents[5:6])[0], atol=1e-6)


def test_sampling_options_choose_parameters_and_statistics(trained):
  task, state, _ = trained
  latents = task.latent.sample(KEY, 4)
  outputs = {}
  for use_ema in (True, False):
    for stats in ('running', 'batch'):
      other = dcgan_task(ema_decay=0.9, use_ema=use_ema, batch_stats=stats)
      assert other.sampling_protocol(state) == {
        'ema': use_ema,
        'batch_stats': stats,
        'sample_batch_size': 256,
        'truncation': 0,
      }
      outputs[use_ema, stats] = other.generate(state, latents)
      gen = state.networks['gen']
      variables = gen.ema if use_ema else gen.variables
      expected = other.generator.apply(variables, latents, train=stats == 'batch', mutable=['batch_stats'])[0]
      np.testing.assert_allclose(outputs[use_ema, stats], expected, atol=1e-5)
  values = list(outputs.values())
  assert all(np.abs(a - b).max() > 1e-4 for i, a in enumerate(values) for b in values[:i])


def test_an_image_of_a_search_depends_on_its_latent_alone(trained):
  _, state, _ = trained
  latents = dcgan_task().latent.sample(KEY, 4)
  running = dcgan_task(ema_decay=0.9).generate(state, latents)
  for stats in ('running', 'batch', 'standing'):
    task = dcgan_task(ema_decay=0.9, batch_stats=stats)
    settled = task.settled(state)
    four, one = (task.image_of_each(settled, part) for part in (latents, latents[1:2]))
    np.testing.assert_allclose(one[0], four[1], atol=1e-6)
    np.testing.assert_allclose(four, task.generate(state, latents) if stats == 'standing' else running, atol=1e-6)
    judged = task.prior(settled, four, None)
    np.testing.assert_allclose(judged[1:2], task.prior(settled, one, None), atol=1e-6)


def test_truncation_is_of_samples_and_not_of_the_training(trained):
  task, state, _ = trained
  cut = dcgan_task(ema_decay=0.9, truncation=0.1)
  latents = cut.drawn.sample(stream(KEY, 'latent'), 5)
  assert np.abs(latents).max() <= 0.1
  np.testing.assert_allclose(cut.sample(state, KEY, 5), task.generate(state, latents), atol=1e-6)
  ends = cut.interpolate(state, KEY, 2, 2)
  np.testing.assert_allclose(ends, task.generate(state, cut.drawn.sample(stream(KEY, 'latent'), 4)), atol=1e-6)
  assert cut.sampling_protocol(state)['truncation'] == 0.1
  batch = {'image': np.zeros((5, 8, 8, 1), np.uint8)}
  assert np.abs(cut.random_inputs(batch, KEY)['latent']).max() > 0.5
  with pytest.raises(UserError, match='eval.truncation=2 has no effect'):
    dcgan_task(truncation=2.0)


def test_grid_has_fixed_latents(trained, images):
  task, state, _ = trained
  grid = task.pictures(state, images, KEY)['samples']
  assert grid.dtype == np.uint8 and grid.shape == (2 * 10 + 2, 3 * 10 + 2, 1)  # five images in three columns
  np.testing.assert_array_equal(grid, task.pictures(state, {'image': images['image'][:1]}, KEY)['samples'])


def test_interpolation_runs_from_latent_to_latent(trained):
  task, state, _ = trained
  rows = task.interpolate(state, KEY, 2, 3).reshape(2, 3, 8, 8, 1)
  ends = task.latent.sample(stream(KEY, 'latent'), 4)
  np.testing.assert_allclose(rows[:, [0, 2]].reshape(4, 8, 8, 1), task.generate(state, ends), atol=1e-6)


def test_without_an_average_the_protocol_says_so(images):
  task = dcgan_task()
  state = jax.eval_shape(task.init, KEY, images)
  assert task.sampling_protocol(state)['ema'] is False


def test_batch_statistics_are_those_of_a_full_batch(trained):
  """Six samples in batches of four: the second is filled up with the first latents, not left at two."""
  _, state, _ = trained
  task = dcgan_task(ema_decay=0.9, batch_stats='batch', batch_size=4)
  latents = task.latent.sample(KEY, 6)
  filled = np.concatenate([latents[4:], latents[:2]])
  images = task.generate(state, latents)
  assert images.shape == (6, 8, 8, 1)
  np.testing.assert_array_equal(images[4:], task.generate(state, filled)[:2])
  assert np.abs(images[4:] - task.generate(state, latents[4:])).max() > 1e-4


@pytest.mark.parametrize(
  'section, field, value',
  [
    ('model', 'name', 'gan'),
    ('objective', 'name', 'wgan'),
    ('objective', 'update_order', 'gen_first'),
    ('eval', 'batch_stats', 'none'),
  ],
)
def test_unknown_names_are_one_sentence(section, field, value):
  with pytest.raises(UserError, match=f"{section}.{field} is '{value}'.*; choose one of"):
    make_options(**{section: {field: value}})


def test_size_that_the_network_cannot_make():
  with pytest.raises(UserError, match='33x33'):
    TASKS['gan'](make_options(data={'image_size': 33}), sgd, None)


@pytest.mark.parametrize('name', ['dcgan', 'gan28'])
def test_unpooling_needs_poolings(name):
  with pytest.raises(UserError, match=f"{name} cannot upsample by 'unpool'"):
    make_options(model={'name': name, 'upsample': 'unpool'})
