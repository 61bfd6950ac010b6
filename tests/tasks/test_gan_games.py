"""Every objective and penalty in the step: three steps of each pair, clipped critics, running means, labels."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from deconv.errors import UserError
from deconv.objectives.penalties import PENALTIES
from deconv.options import Experiment, ParallelOptions
from deconv.options.objectives.gan import LOSSES
from deconv.tasks.gan import Gan
from deconv.training import experiment
from deconv.training.parallel import Parallel

KEY = jax.random.key(0)
IMAGES = {'image': np.random.default_rng(0).integers(0, 256, (8, 4, 4, 1), dtype=np.uint8)}


def make_options(**sections):
  sections = {'model': {'name': 'mlp_gan', 'hidden': 6, 'depth': 1, 'latent_size': 3}, **sections}
  return Experiment.from_config({'task': 'gan', 'data': {'image_size': 4}, 'train': {'batch_size': 8}, **sections})


def make(**objective):
  return Gan(make_options(objective=objective), lambda scale: optax.sgd(0.1 * scale), None)


@functools.cache
def steps(name, penalty, num=3, **fields):
  task = make(name=name, penalty=penalty, **fields)
  state, step, found = task.init(KEY, IMAGES), jax.jit(task.train_step), []
  for i in range(num):
    state, scalars = step(state, IMAGES, jax.random.fold_in(KEY, i))
    found.append(jax.tree.map(float, scalars))
  return task, state, found


@pytest.mark.parametrize('penalty', ['none', *PENALTIES])
@pytest.mark.parametrize('name', LOSSES)
def test_three_steps_of_every_pair(name, penalty):
  task, state, found = steps(name, penalty)
  assert state.step == 3
  assert all(np.isfinite(value) for scalars in found for value in scalars.values())
  names = {key for key in found[0] if key.startswith('penalty')}
  assert names == ({f'penalty_{penalty}'} if penalty != 'none' else set())
  start = task.init(KEY, IMAGES)
  for network in ('gen', 'disc'):
    moved = jax.tree.map(lambda a, b: float(np.abs(a - b).max()), state.networks[network], start.networks[network])
    assert max(jax.tree.leaves(moved.params)) > 0
  if penalty != 'none':
    assert any(scalars[f'penalty_{penalty}'] > 0 for scalars in found[1:])
    # The penalty moved the discriminator: it is in the gradient, not only in the log.
    _, plain, _ = steps(name, 'none')
    ours = state.networks['disc'].params
    assert max(
      jax.tree.leaves(jax.tree.map(lambda a, b: float(np.abs(a - b).max()), ours, plain.networks['disc'].params))
    )


def test_a_clipped_critic():
  _, state, _ = steps('wasserstein', 'none')
  largest = max(float(np.abs(x).max()) for x in jax.tree.leaves(state.networks['disc'].params))
  assert largest == pytest.approx(0.01)
  assert max(float(np.abs(x).max()) for x in jax.tree.leaves(state.networks['gen'].params)) > 0.01
  for fields in ({'weight_clip': 0.0}, {'penalty': 'wgan_gp'}):
    assert not make(name='wasserstein', **fields).game.clips


def test_running_means_of_the_logits_and_their_evaluation():
  task, state, _ = steps('ragan', 'none', num=1)
  start = task.init(KEY, IMAGES)
  batch = {**task.random_inputs(IMAGES, jax.random.fold_in(KEY, 0)), **IMAGES}
  gen, disc = start.networks['gen'], start.networks['disc']
  fakes = task.generator.apply(gen.variables, batch['latent'], train=True)
  real, fake = (
    np.asarray(task.discriminator.apply(disc.variables, x, train=True))
    for x in (np.float32(IMAGES['image'] / 127.5 - 1), fakes)
  )
  # The first decay is (1 + 0) / (10 + 0).
  kept = state.networks['disc'].memory['logits']
  np.testing.assert_allclose([kept['real'], kept['fake']], [0.9 * real.mean(), 0.9 * fake.mean()], rtol=1e-4)

  evaluate = jax.jit(task.eval_step)
  batch = {**IMAGES, **task.random_inputs(IMAGES, KEY), 'weight': np.ones(8, np.float32)}
  whole = evaluate(state, batch, KEY)
  half = [evaluate(state, {**batch, 'weight': np.float32(np.arange(8) // 4 == i)}, KEY) for i in (0, 1)]
  for name, value in whole.items():
    assert float(half[0][name] + half[1][name]) == pytest.approx(float(value), rel=1e-5), name
  assert make().init(KEY, IMAGES).networks['disc'].memory is None  # nothing where the game needs none


def test_instance_noise_falls_to_nothing():
  task = make(instance_noise=0.5, instance_noise_steps=10)
  batch = {**IMAGES, **task.random_inputs(IMAGES, KEY), 'image': jnp.zeros((8, 4, 4, 1))}
  deviations = [float(jnp.std(task._shown(batch['image'], batch, step, 'real'))) for step in (0, 5, 10, 20)]
  assert deviations == pytest.approx([0.5, 0.25, 0, 0], rel=0.2)
  real, fake = (task._shown(batch['image'], batch, 0, name) for name in ('real', 'fake'))
  assert np.abs(real - fake).max() > 0.1


def test_augmentation_stands_before_both_kinds_and_in_both_updates():
  task = make(diff_augment=('cutout',))
  batch = {**task.random_inputs(IMAGES, KEY), 'image': jnp.ones((8, 4, 4, 1))}
  for name in ('real', 'fake', 'gen'):
    shown = np.asarray(task._shown(batch['image'], batch, 0, name))
    assert np.all(np.isin(shown, (0, 1))) and all(np.sum(image == 0) >= 1 for image in shown)
  shown, judged, show, judge = {}, [], task._shown, task._judge

  def showing(images, batch, step, name):
    shown[name] = show(images, batch, step, name)
    return shown[name]

  def judging(params, collections, images, *args):
    judged.append(images)
    return judge(params, collections, images, *args)

  task._shown, task._judge = showing, judging
  jax.eval_shape(task.train_step, jax.eval_shape(task.init, KEY, IMAGES), IMAGES, KEY)
  assert [images is shown[name] for images, name in zip(judged, ('real', 'fake', 'gen'))] == [True] * 3


@pytest.mark.parametrize('mode', ['jit', 'pmap'])
@pytest.mark.parametrize('name, penalty', [('ragan', 'none'), ('wasserstein', 'dragan'), ('hinge', 'lecam,r1')])
def test_four_devices_equal_one(mode, name, penalty):
  """Means over the batch are those of all devices."""
  options = make_options(objective={'name': name, 'penalty': penalty, 'diff_augment': ('translation',)})
  found = []
  for parallel in (Parallel(devices=jax.devices()[:1]), Parallel(ParallelOptions(mode))):
    task = experiment.build_task(options, parallel, 3)
    state = parallel.put_state(jax.jit(task.init)(KEY, IMAGES))
    step = parallel.train_step(task)
    for i in range(3):
      batch = {**IMAGES, **jax.tree.map(np.asarray, task.random_inputs(IMAGES, jax.random.key(i)))}
      state, scalars = step(state, parallel.put_batch(batch), KEY)
    found.append((parallel.get_state(state), parallel.fetch(scalars)))

  def compare(a, b):
    # A relativistic game has no gradient for the bias of the logit: Adam makes steps of the rounding errors, which the
    # running means of the logits show.
    if name != 'ragan' or np.size(a) > 1:
      np.testing.assert_allclose(a, b, atol=1e-5)

  jax.tree.map(compare, *found)


def test_what_warns_by_hand():
  """The spread of the samples beside that of the data, and the norm of an image's gradient."""
  task = make()
  batch = {**IMAGES, **task.random_inputs(IMAGES, KEY)}
  state = task.init(KEY, batch)
  new, scalars = jax.jit(task.train_step)(state, batch, KEY)
  fakes = np.asarray(task.generator.apply(state.networks['gen'].variables, batch['latent'], train=True))
  reals = IMAGES['image'] / 127.5 - 1
  assert float(scalars['diversity']) == pytest.approx(fakes.std(0).mean() / reals.std(0).mean(), rel=1e-4)
  judge = lambda image: task.objective.gen(
    task.discriminator.apply(new.networks['disc'].variables, image[None], train=True)
  )[0]
  norms = [np.linalg.norm(jax.grad(judge)(image)) for image in fakes]
  assert float(scalars['gradient_gen']) == pytest.approx(np.mean(norms), rel=1e-4)


# Labels.


def conditional(**fields):
  model = {'name': 'dcgan28', 'width': 2, 'hidden': 8, 'num_classes': 3, 'gen_label': 'concat', 'disc_label': 'concat'}
  options = Experiment.from_config({'task': 'gan', 'data': {'image_size': 28}, 'model': model, **fields})
  return Gan(options, lambda scale: optax.sgd(0.1 * scale), None)


LABELLED = {
  'image': np.random.default_rng(0).integers(0, 256, (6, 28, 28, 1), dtype=np.uint8),
  'label': np.array([0, 1, 2, 0, 1, 2], np.int32),
}


def test_labels_reach_both_networks_and_their_samples():
  task = conditional(samples={'num': 7}, eval={'batch_size': 4})
  state = task.init(KEY, LABELLED)
  step = jax.jit(task.train_step)
  latents = task.random_inputs(LABELLED, KEY)['latent']
  np.testing.assert_array_equal(task.latent.labels(latents), LABELLED['label'])
  new, scalars = step(state, LABELLED, KEY)
  assert np.isfinite(float(scalars['loss_disc']))
  other, _ = step(state, {**LABELLED, 'label': LABELLED['label'][::-1].copy(), 'latent': latents}, KEY)
  for name in ('gen', 'disc'):  # with the same latents, only the discriminator's labels differ: both notice
    moved = jax.tree.map(lambda a, b: np.abs(a - b).max(), new.networks[name].params, other.networks[name].params)
    assert max(jax.tree.leaves(moved)) > 0
  sums = jax.jit(task.eval_step)(new, LABELLED, KEY)
  assert sums['count'] == 6
  # Samples draw the classes in turn; one class is the same z with another label.
  assert task.sample(new, KEY, 5).shape == (5, 28, 28, 1)
  twos = task.sample_class(new, KEY, 3, 2)
  z = task.latent.sample(jax.random.key(1), 3, np.full(3, 2))
  assert np.all(np.asarray(z[:, -1]) == 1)
  assert np.abs(twos - task.sample_class(new, KEY, 3, 1)).max() > 0
  (grid,) = task.pictures(new, LABELLED, KEY).values()
  assert grid.shape == (3 * 30 + 2, 2 * 30 + 2, 1)  # seven images: a row of two for each of three classes
  for label in (-1, 3):
    with pytest.raises(UserError, match='classes 0 to 2'):
      task.sample_class(new, KEY, 3, label)
  with pytest.raises(UserError, match='knows no classes'):
    make().sample_class(None, KEY, 3, 0)


def test_the_classes_are_those_of_the_source():
  class Source:
    name, num_classes = 'digits', 10

  with pytest.raises(UserError, match=r'model.num_classes=3 .*source digits has 10'):
    conditional().inspect_source(Source)
  Source.num_classes = None
  with pytest.raises(UserError, match='has no labels'):
    conditional().inspect_source(Source)
  make().inspect_source(Source)


def test_interpolation_keeps_the_label():
  latent = conditional().latent
  start, end = latent.sample(KEY, 2, np.array([1, 2]))
  path = latent.interpolate(start, end, 4)
  np.testing.assert_array_equal(latent.labels(path), [1, 1, 1, 1])
  np.testing.assert_allclose(path[-1, :100], end[:100], atol=1e-6)


# Other answers of the discriminator.


def other_game(**model):
  sections = {'model': {'name': 'mlp_gan', 'hidden': 6, 'depth': 1, 'latent_size': 3, **model}}
  options = make_options(**sections, objective={'auxiliary_gen_weight': 0.5} if 'num_classes' in model else {})
  return Gan(options, lambda scale: optax.sgd(0.1 * scale), None)


def test_an_auxiliary_classifier_is_trained_on_both_halves():
  task = other_game(num_classes=3, gen_label='concat', disc_label='auxiliary')
  batch = {**IMAGES, 'label': np.arange(8, dtype=np.int32) % 3}
  state = task.init(KEY, batch)
  batch = {**batch, **task.random_inputs(batch, KEY)}
  new, scalars = jax.jit(task.train_step)(state, batch, KEY)
  gen, disc = (state.networks[name] for name in ('gen', 'disc'))
  fakes = task.generator.apply(gen.variables, batch['latent'], train=True)
  reals = np.float32(IMAGES['image'] / 127.5 - 1)

  def cost(params, images):
    _, others = task.discriminator.apply({'params': params}, images, train=True, labels=batch['label'])
    return -jnp.mean(jax.nn.log_softmax(others['classes'])[np.arange(8), batch['label']])

  expected = cost(disc.params, reals) + cost(disc.params, fakes)
  assert float(scalars['loss_class']) == pytest.approx(float(expected), rel=1e-5)
  after = 0.5 * cost(new.networks['disc'].params, fakes)  # the generator answers the updated discriminator
  assert float(scalars['loss_class_gen']) == pytest.approx(float(after), rel=1e-5)


def test_infogan_learns_its_codes():
  task = other_game(categorical_codes=(4,), continuous_codes=1)
  state = task.init(KEY, IMAGES)
  step, found = jax.jit(task.train_step), []
  for i in range(60):
    state, scalars = step(state, IMAGES, jax.random.fold_in(KEY, i))
    found.append(float(scalars['loss_codes_gen']))
  assert np.mean(found[:5]) > np.log(4) - 0.3 and np.mean(found[-5:]) < 0.8 * np.mean(found[:5])
  sums = jax.jit(task.eval_step)(state, IMAGES, KEY)
  assert np.isfinite(float(sums['loss_disc']))
  # The code that is told is that of the logits by the running statistics; so it is in a last batch that is not full.
  disc = state.networks['disc']
  images = np.concatenate([IMAGES['image']] * 3)[:-1]
  _, said = task.eval_discriminator.apply(disc.variables, images / np.float32(127.5) - 1, train=False)
  np.testing.assert_array_equal(task.codes(state, images), np.argmax(said['codes'][:, :4], -1))
  assert task.num_codes == 4
  # A row for each code, the rest of the latent the same.
  turned = task.traverse(state, KEY, 2, 5)
  assert turned.shape == (10, 4, 4, 1)
  np.testing.assert_array_equal(turned[0], turned[4])  # four values in turn
  assert np.abs(turned[5] - turned[9]).max() > 0
  pictures = task.pictures(state, IMAGES, KEY)
  assert pictures['codes'].shape == (2 * 6 + 2, 10 * 6 + 2, 1)


def test_traversals_of_z():
  task = make()
  state = task.init(KEY, IMAGES)
  assert task.traverse(state, KEY, 9, 4).shape == (3 * 4, 4, 4, 1)
  with pytest.raises(UserError, match='this GAN has 3'):
    task.manifold(state, 3)
  two = other_game(latent_size=2)
  plane = two.manifold(two.init(KEY, IMAGES), 3)
  assert plane.shape == (9, 4, 4, 1) and np.abs(plane[0] - plane[1]).max() > 0 and np.abs(plane[0] - plane[3]).max() > 0


@pytest.mark.parametrize(
  'objective, sentence',
  [
    ({'auxiliary_weight': 2.0}, 'no effect without model.disc_label=auxiliary'),
    ({'info_weight': 2.0}, 'no effect without model.categorical_codes'),
    ({'info_continuous_weight': 2.0}, 'no effect without model.continuous_codes'),
  ],
)
def test_weights_of_what_is_not_there(objective, sentence):
  with pytest.raises(UserError, match=sentence):
    make_options(objective=objective)


# Alarms.

FINE = {'accuracy_real': 0.8, 'accuracy_fake': 0.9, 'diversity': 0.9, 'gradient_gen': 1.0, 'loss_disc': 0.5}


@pytest.mark.parametrize(
  'name, numbers, objective, neutral',
  [
    ('saturated', {'accuracy_real': 1.0, 'accuracy_fake': 1.0}, {}, {'alarm_accuracy': 1.0}),
    ('collapsed', {'diversity': 0.01}, {}, {'alarm_diversity': 0.0}),
    ('no_gradient', {'gradient_gen': 1e-9}, {}, {'alarm_gradient': 0.0}),
    ('constant', {'loss_disc': 2 * np.log(2)}, {}, {'alarm_constant': 0.0}),
    ('constant', {'loss_disc': 0.0}, {'name': 'hinge'}, {'alarm_constant': 0.0}),
    ('constant', {'loss_disc': 0.25}, {'name': 'lsgan'}, {'alarm_constant': 0.0}),
  ],
)
def test_alarms_and_their_thresholds(name, numbers, objective, neutral):
  task = make(**objective)
  assert task.alarms(FINE) == {}
  found = task.alarms({**FINE, **numbers})
  assert list(found) == [name] and 'objective.alarm_' in found[name]
  assert make(**objective, **neutral).alarms({**FINE, **numbers}) == {}


def test_constants_are_those_of_a_discriminator_that_says_the_same_of_all():
  for name, objective in make_objectives():
    logit = {'lsgan': 0.5}.get(name, 0.0)
    same = jnp.full(4, logit)
    assert float(jnp.mean(objective.disc_loss(same, same, (logit, logit)))) == pytest.approx(objective.constants[-1]), (
      name
    )


def make_objectives():
  from deconv.objectives.gan import OBJECTIVES

  return OBJECTIVES.items()
