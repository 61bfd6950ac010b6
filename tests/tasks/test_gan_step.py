"""Who moves how often: counts of updates, minibatches, accumulation, spectral vectors, averages, devices, resuming."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from deconv.errors import UserError
from deconv.options import Experiment, ParallelOptions
from deconv.tasks.gan import Gan
from deconv.training import experiment
from deconv.training.parallel import Parallel

KEY = jax.random.key(0)
MLP = {'name': 'mlp_gan', 'hidden': 6, 'depth': 1, 'latent_size': 3}


def make_options(**sections):
  sections = {'model': MLP, **sections}
  sections['train'] = {'batch_size': 8, **sections.get('train', {})}
  return Experiment.from_config({'task': 'gan', 'data': {'image_size': 4}, **sections})


def images(number=8, size=4, seed=0):
  return {'image': np.random.default_rng(seed).integers(0, 256, (number, size, size, 1), dtype=np.uint8)}


def build(options, parallel=None):
  return experiment.build_task(options, parallel or Parallel(devices=jax.devices()[:1]), 10)


class Counting(Gan):
  """Its optimizers count their updates."""

  def __init__(self, options):
    def counting(scale, updates=1):
      del updates
      return optax.chain(optax.sgd(0.05 * scale), optax.scale_by_schedule(lambda count: 1.0))

    super().__init__(options, counting, None)


def count_of(network):
  return int(network.opt_state[1].count)


@pytest.mark.parametrize('number', [1, 2, 5])
@pytest.mark.parametrize('order', ['disc_then_gen', 'simultaneous', 'alternate'])
def test_counts_of_updates(order, number):
  task = Counting(make_options(objective={'disc_updates': number, 'update_order': order}))
  batch = images(8 * number)
  state, step = task.init(KEY, batch), jax.jit(task.train_step)
  for i in range(2):
    state, scalars = step(state, batch, jax.random.fold_in(KEY, i))
  assert (count_of(state.networks['gen']), count_of(state.networks['disc']), int(state.step)) == (2, 2 * number, 2)
  assert all(np.isfinite(float(x)) for x in scalars.values())


def test_each_update_has_a_minibatch_of_its_own_and_the_generator_the_last():
  """Three updates at once are three steps of which only the last moves the generator."""
  three = Counting(make_options(objective={'disc_updates': 3}))
  one = Counting(make_options())
  one.optimizers = three.optimizers
  batch = images(24)
  batch = {**batch, **jax.tree.map(np.asarray, three.random_inputs(batch, KEY))}
  state = three.init(KEY, batch)
  new, scalars = jax.jit(three.train_step)(state, batch, KEY)
  step, expected, losses = jax.jit(one.train_step), state, []
  for i in range(3):
    part = {name: x[i::3] for name, x in batch.items()}
    after, found = step(expected, part, KEY)
    gen = after.networks['gen'] if i == 2 else state.networks['gen']
    expected = after.replace(networks={'gen': gen, 'disc': after.networks['disc']})
    losses.append(float(found['loss_disc']))
  assert float(scalars['loss_disc']) == pytest.approx(np.mean(losses), rel=1e-5)
  for name in ('gen', 'disc'):
    ours, theirs = (state.networks[name].params for state in (new, expected))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), ours, theirs)


def test_the_run_feeds_so_many_images_and_the_schedules_end_together():
  options = make_options(
    objective={'disc_updates': 3},
    train={'batch_size': 8, 'epochs': 1.0},
    optimizer={'name': 'sgd', 'schedule': 'linear', 'learning_rate': 1.0},
    data={'source': 'digits', 'image_size': 4},
    eval={'batch_size': 8},
  )
  run = experiment.prepare(options)
  assert options.images_per_step == 24 and run.batches.at(0)['image'].shape[0] == 24
  assert run.total_steps == 1500 // 24  # an epoch is a pass over the images
  assert run.task.batch_shapes(8)['image'].shape == (24, 4, 4, 1)
  rates = []
  optimizer = run.task.optimizers['disc']
  opt_state = optimizer.init({'p': jnp.zeros(())})
  for _ in range(6):
    updates, opt_state = optimizer.update({'p': jnp.ones(())}, opt_state)
    rates.append(-float(updates['p']))
  total = run.total_steps
  np.testing.assert_allclose(rates, [1, 1, 1] + [1 - 1 / total] * 3, rtol=1e-5)


@pytest.mark.parametrize('order', ['disc_then_gen', 'simultaneous', 'alternate'])
@pytest.mark.parametrize('fields', [{}, {'disc_updates': 2, 'penalty': 'wgan_gp,r2', 'diff_augment': ('translation',)}])
def test_accumulation_equals_the_large_batch(order, fields):
  batch = images(8 * fields.get('disc_updates', 1))
  found = []
  for parts in (1, 4):
    task = Counting(make_options(objective={'update_order': order, **fields}, train={'accumulate': parts}))
    if parts == 1:
      batch = {**batch, **jax.tree.map(np.asarray, task.random_inputs(batch, KEY))}
    state, step = task.init(KEY, batch), jax.jit(task.train_step)
    for i in range(2):
      state, scalars = step(state, batch, jax.random.fold_in(KEY, i))
    scalars.pop('diversity')  # of a part
    found.append((state, scalars))
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=3e-6), *found)


@pytest.mark.parametrize(
  'sections, sentence',
  [
    ({'train': {'accumulate': 3}}, 'does not divide train.batch_size=8'),
    ({'train': {'accumulate': 2}, 'objective': {'name': 'ragan'}}, "'ragan' needs means over a whole minibatch"),
    ({'train': {'accumulate': 2}, 'objective': {'penalty': 'dragan'}}, "'dragan' needs means"),
    ({'train': {'ema_start': 5}}, 'train.ema_decay above 0'),
    ({'objective': {'disc_updates': 0}}, 'objective.disc_updates=0'),
    ({'eval': {'standing_batches': 4}}, 'eval.standing_batches=4 has no effect'),
  ],
)
def test_mistakes(sections, sentence):
  with pytest.raises(UserError, match=sentence):
    make_options(**sections)


def test_accumulation_is_refused_where_a_task_takes_a_batch_at_once():
  with pytest.raises(UserError, match="train.accumulate=2 has no effect on task='vae'"):
    Experiment.from_config({'task': 'vae', 'train': {'accumulate': 2}})


# Spectral norm.

CONV = {
  'name': 'dcgan',
  'width': 4,
  'kernel_size': 4,
  'latent_size': 3,
  'disc_norm': 'none',
  'disc_spectral_norm': True,
  'gen_spectral_norm': True,
}


def conv_options(**sections):
  return make_options(model=CONV, data={'image_size': 8}, **sections)


def spectral_of(state, name):
  return jax.tree.map(np.asarray, state.networks[name].memory['spectral'])


def one_iteration(params, spectral):
  """What one power iteration makes of each layer's vectors."""
  moved = {}
  for layer, vectors in spectral.items():
    matrix = np.asarray(params[layer]['kernel'])
    matrix = matrix.reshape(-1, matrix.shape[-1]).T
    v = matrix.T @ vectors['spectral_norm']['u']
    v /= np.linalg.norm(v)
    u = matrix @ v
    moved[layer] = {'spectral_norm': {'u': u / np.linalg.norm(u), 'v': v}}
  return moved


@pytest.mark.parametrize('joint', [False, True])
@pytest.mark.parametrize('order', ['disc_then_gen', 'alternate'])
def test_spectral_vectors_move_once_an_update(order, joint):
  """One iteration at the parameters of before, though the discriminator runs three or more times in the step."""
  task = build(conv_options(objective={'update_order': order, 'joint_batches': joint, 'penalty': 'r1'}))
  batch = images(size=8)
  state = task.init(KEY, batch)
  new, _ = jax.jit(task.train_step)(state, batch, KEY)
  for name in ('gen', 'disc'):
    network = state.networks[name]
    expected = one_iteration(network.params, spectral_of(state, name))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), spectral_of(new, name), expected)
    assert np.abs(new.networks[name].params['logit' if name == 'disc' else 'project']['kernel']).max() > 0


def test_both_halves_see_the_same_kernels_and_evaluation_moves_nothing():
  task = build(conv_options())
  batch = images(size=8)
  state = task.init(KEY, batch)
  new, scalars = jax.jit(task.train_step)(state, batch, KEY)
  # The loss at the iterated vectors, of a plain forward.
  disc = state.networks['disc'].with_collections({'batch_stats': {}, 'spectral': spectral_of(new, 'disc')})
  inputs = task.random_inputs(batch, KEY)
  gen = state.networks['gen'].with_collections(
    {**state.networks['gen'].collections, 'spectral': spectral_of(new, 'gen')}
  )
  fakes = task.generator.apply(gen.variables, inputs['latent'], train=True, mutable=['batch_stats'])[0]
  reals = np.float32(batch['image'] / 127.5 - 1)
  real, fake = (task.discriminator.apply(disc.variables, x, train=True) for x in (reals, fakes))
  assert float(scalars['loss_disc']) == pytest.approx(float(jnp.mean(task.objective.disc(real, fake))), rel=1e-4)
  jax.jit(task.eval_step)(new, {**batch, **inputs}, KEY)
  task.sample(new, KEY, 3)


def test_the_average_keeps_the_present_vectors():
  task = build(conv_options(train={'ema_decay': 0.9}))
  state = task.init(KEY, images(size=8))
  gen = jax.jit(task.train_step)(state, images(size=8), KEY)[0].networks['gen']
  assert set(gen.ema) == {'params', 'batch_stats'}
  assert gen.evaluated(True)['spectral'] is gen.memory['spectral']


# Averages and statistics.


def test_the_average_begins_after_its_start():
  task = build(make_options(train={'ema_decay': 0.5, 'ema_start': 2}))
  state, step = task.init(KEY, images()), jax.jit(task.train_step)
  for i in range(4):
    before = state.networks['gen'].ema['params']
    state, _ = step(state, images(), jax.random.fold_in(KEY, i))
    gen = state.networks['gen']
    decay = 0 if i < 2 else min(0.5, (1 + i) / (10 + i))
    expected = jax.tree.map(lambda a, b, d=decay: d * a + (1 - d) * b, before, gen.params)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), gen.ema['params'], expected)


@pytest.mark.parametrize('truncation', [0.0, 0.3])
def test_standing_statistics_are_those_of_many_batches(truncation):
  sections = {'model': {**CONV, 'gen_spectral_norm': False, 'disc_spectral_norm': False}, 'data': {'image_size': 8}}
  evaluation = {'batch_stats': 'standing', 'standing_batches': 3, 'batch_size': 5, 'truncation': truncation}
  task = build(make_options(**sections, eval=evaluation))
  state = task.init(KEY, images(size=8))
  z = task.latent.sample(KEY, 4)
  means = []
  for key in jax.random.split(jax.random.key(0), 3):
    x = task.drawn.sample(key, 5) @ state.networks['gen'].params['project']['kernel']
    x = np.asarray(x).reshape(-1, 4)
    means.append((x.mean(0), x.var(0)))
  stats = task._with_standing(state).networks['gen'].batch_stats['norm_0']
  np.testing.assert_allclose(stats['mean'], np.mean([m for m, _ in means], axis=0), atol=1e-6)
  np.testing.assert_allclose(stats['var'], np.mean([v for _, v in means], axis=0), rtol=1e-4)
  running = build(make_options(**sections))
  assert np.abs(task.generate(state, z) - running.generate(state, z)).max() > 1e-4
  assert task.sampling_protocol(state)['batch_stats'] == 'standing'
  perceptron = build(make_options(eval={'batch_stats': 'standing'}))  # without batch norm there is nothing to do
  assert perceptron.sample(perceptron.init(KEY, images()), KEY, 2).shape == (2, 4, 4, 1)


def test_joint_batches_have_common_statistics():
  model = {**CONV, 'disc_norm': 'batch', 'disc_spectral_norm': False, 'gen_spectral_norm': False}
  batch = images(size=16)
  means = []
  for joint in (False, True):
    options = make_options(model=model, data={'image_size': 16}, objective={'joint_batches': joint})
    task = build(options)
    state = task.init(KEY, batch)
    new, scalars = jax.jit(task.train_step)(state, batch, KEY)
    assert np.isfinite(float(scalars['loss_gen']))
    means.append(np.asarray(new.networks['disc'].batch_stats['norm_2']['mean']))
    disc = state.networks['disc']
    inputs = task.random_inputs(batch, KEY)
    gen = state.networks['gen']
    fakes = task.generator.apply(gen.variables, inputs['latent'], train=True, mutable=['batch_stats'])[0]
    reals = np.float32(batch['image'] / 127.5 - 1)
    judge = functools.partial(task.discriminator.apply, disc.variables, train=True, mutable=['batch_stats'])
    if joint:
      expected = judge(jnp.concatenate([reals, fakes]))[1]['batch_stats']['norm_2']['mean']
      np.testing.assert_allclose(means[1], expected, atol=1e-6)
  assert np.abs(means[0] - means[1]).max() > 1e-4


# Devices, several steps a call.

GAMES = {
  'spectral': dict(model=CONV, data={'image_size': 8}, objective={'name': 'hinge', 'disc_updates': 2}),
  'accumulated': dict(
    objective={'name': 'wasserstein', 'penalty': 'wgan_gp', 'disc_updates': 2},
    train={'accumulate': 2, 'ema_decay': 0.9},
  ),
  'joint': dict(objective={'joint_batches': True, 'name': 'rahinge', 'penalty': 'lecam'}),
}


def run(options, parallel, per_call=1, steps=4):
  task = build(options, parallel)
  size = options.data.image_size
  batches = []
  for i in range(steps):
    batch = images(options.images_per_step, size, i)
    batches.append({**batch, **jax.tree.map(np.asarray, task.random_inputs(batch, jax.random.key(i)))})
  state = parallel.put_state(jax.jit(task.init)(KEY, batches[0]))
  step, found = parallel.train_step(task, per_call), []
  for i in range(0, steps, per_call):
    if per_call > 1:
      stacked = {name: np.stack([b[name] for b in batches[i : i + per_call]]) for name in batches[0]}
      state, scalars = step(state, parallel.put_batch(stacked, stacked=True), KEY)
      found += [jax.tree.map(lambda x, j=j: x[j], parallel.fetch(scalars)) for j in range(per_call)]
    else:
      state, scalars = step(state, parallel.put_batch(batches[i]), KEY)
      found.append(parallel.fetch(scalars))
  for scalars in found:
    if options.train.accumulate > 1:
      scalars.pop('diversity')  # of a part
  return parallel.get_state(state), found


@functools.cache
def reference(game):
  return run(make_options(**GAMES[game]), Parallel(devices=jax.devices()[:1]))


@pytest.mark.parametrize('game', GAMES)
@pytest.mark.parametrize('mode, per_call', [('jit', 1), ('pmap', 1), ('jit', 2), ('pmap', 4)])
def test_devices_and_calls_change_nothing(game, mode, per_call):
  ours = run(make_options(**GAMES[game]), Parallel(ParallelOptions(mode)), per_call)
  # Parts are summed in another order, and Adam divides by the root of a gradient near 0.
  atol = 2e-4 if game == 'accumulated' else 2e-5
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=atol), ours, reference(game))


def test_a_state_without_memory_has_the_leaves_of_before():
  """So that a checkpoint from before there was one fits; with one, it is a part of the state."""
  state = build(make_options()).init(KEY, images())
  paths = [path for path, _ in jax.tree_util.tree_leaves_with_path(state.networks, is_leaf=lambda x: x is None)]
  assert {str(path[1]) for path in paths} == {'.params', '.opt_state', '.ema'}  # empty statistics have no leaves
  network = state.networks['disc'].replace(memory={'logits': {'real': 1.0, 'fake': 2.0}})
  doubled = jax.tree.map(lambda x: 2 * x, network)
  assert doubled.memory == {'logits': {'real': 2.0, 'fake': 4.0}} and doubled.ema is None
  assert doubled.params.keys() == network.params.keys()
