"""The restoration task: what a step minimises, sums that do not depend on batches, devices, holes, colours."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from deconv import data
from deconv.errors import UserError
from deconv.metrics import image_quality
from deconv.ops.resample import downsample, upsample_bicubic
from deconv.options import ParallelOptions
from deconv.tasks import TASKS
from deconv.tasks.capabilities import Reconstructs, RestoresPictures, TransformsPictures
from deconv.training.parallel import Parallel
from tests.tasks.small_restorers import INPAINT, KEY, SUPERRES, build, make_options, smooth


@pytest.fixture(scope='module')
def superres():
  """A task, its first state, the state after 60 steps, and the scalars of each."""
  task, batch = build(train__ema_decay=0.5, augment__turns=True, **SUPERRES), {'image': smooth(8, 16, 1)}
  start = state = task.init(KEY, batch)
  step, scalars = jax.jit(task.train_step), []
  for i in range(60):
    state, new = step(state, batch, jax.random.fold_in(KEY, i))
    scalars.append(new)
  return task, start, state, scalars, batch


def test_training_beats_bicubic(superres):
  task, start, state, scalars, batch = superres
  losses = [float(new['loss']) for new in scalars]
  assert state.step == 60 and np.mean(losses[-9:]) < 0.8 * np.mean(losses[:9])
  evaluate = jax.jit(task.eval_step)
  before, after = (task.summarize(evaluate(x, batch, KEY)) for x in (start, state))
  assert after['psnr'] > after['psnr_baseline'] + 0.2 and after['ssim'] > after['ssim_baseline']
  assert before['psnr'] == pytest.approx(before['psnr_baseline'], abs=0.3)  # its last layer starts near zero
  assert task.protocol(state)['baseline'] == 'bicubic' and task.protocol(state)['ema']


def test_measures_are_those_of_the_metrics(superres):
  """By hand: degraded, enlarged, clipped, rounded, the border shaved by the scale."""
  task, _, state, _, batch = superres
  targets = np.asarray(data.to_signed(batch['image']))
  inputs = jax.jit(lambda x: downsample(x, 2))(targets)
  bicubic = np.clip(np.asarray(jax.jit(lambda x: upsample_bicubic(x, 2))(inputs)), -1, 1)
  outputs = np.asarray(task.predict_image(state, np.asarray(inputs[0])))
  sums = jax.jit(task.eval_step)(state, {'image': batch['image'][:1]}, KEY)
  for name, image in (('psnr', outputs), ('psnr_baseline', bicubic[0])):
    levels = np.clip(np.round((np.float64(image) + 1) * 127.5), 0, 255)[2:-2, 2:-2]
    error = np.mean((levels - batch['image'][0, 2:-2, 2:-2]) ** 2)
    assert sums[name] == pytest.approx(10 * np.log10(255**2 / error), abs=1e-3)


def test_degraded_and_baseline_are_aligned():
  """A picture that is shifted by a pixel would lose decibels: the centre of mass of a spot stays where it is."""
  task = build(**SUPERRES)
  image = np.zeros((1, 16, 16, 1), np.uint8)
  image[0, 4:8, 6:12] = 255
  batch = {'image': image}
  inputs, _, targets = jax.jit(task.observe)({**batch, **task.random_inputs(batch, KEY)})
  state = task.init(KEY, batch)

  def centre(x):
    mass = (np.float64(x) + 1)[0, ..., 0]
    return [np.average(np.arange(16) + 0.5, weights=mass.sum(axis)) for axis in (1, 0)]

  np.testing.assert_allclose(centre(targets), [6, 9])
  np.testing.assert_allclose(centre(jax.jit(task.baseline)(inputs, None)), [6, 9], atol=0.15)  # clipped
  np.testing.assert_allclose(centre(task.predict_image(state, np.asarray(inputs[0]))[None]), [6, 9], atol=0.15)


def check_sums(task, images):
  """Eight images at once, and as 3 + 3 + 2 with padding and another key."""
  batch = {'image': images}
  batch.update(task.random_inputs(batch, KEY))
  state, evaluate = task.init(KEY, batch), jax.jit(task.eval_step)
  whole, parts = evaluate(state, batch, KEY), []
  for first in (0, 3, 6):
    rows = np.arange(first, first + 3)
    part = {name: np.asarray(value)[np.minimum(rows, 7)] for name, value in batch.items()}
    parts.append(evaluate(state, dict(part, weight=(rows < 8).astype(np.float32)), jax.random.key(9)))
  for name, value in whole.items():
    np.testing.assert_allclose(sum(np.float64(part[name]) for part in parts), value, rtol=1e-5, err_msg=name)
  return task.summarize(whole)


def test_sums_do_not_depend_on_the_batches():
  task = build('rednet', degrade__noise_sigma=20.0, degrade__noise_sigma_max=30.0)
  found = check_sums(task, smooth(8, 16, 1))
  assert found['psnr_baseline'] == pytest.approx(20 * np.log10(255 / 25), abs=1.0) and 'l1_hole' not in found


def test_pmap_equals_jit():
  """With batch norm, holes of many sizes and a discriminator."""
  fields = dict(INPAINT, degrade__hole='strokes', train__ema_decay=0.9)
  batch = {'image': smooth(8, 16, 1)}
  fields.update(optimizer__name='sgd', optimizer__learning_rate=0.1)
  plain, found = build(**fields), []
  start = plain.init(KEY, batch)
  batch.update(plain.random_inputs(batch, KEY))
  batch['weight'] = np.array([1, 1, 1, 0, 1, 1, 1, 1], np.float32)
  for mode in ('jit', 'pmap'):
    parallel = Parallel(ParallelOptions(mode), jax.devices()[:2])
    task = build(parallel=parallel, **fields)
    put = parallel.put_batch(batch)
    state, scalars = parallel.train_step(task)(parallel.put_state(start), put, KEY)
    found.append(parallel.fetch((state, scalars, parallel.eval_step(task)(state, put, KEY))))
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-4), *found)
  assert found[0][2]['count'] == 7 and set(task.loss_names) <= set(found[0][1])


# Holes.


@pytest.fixture(scope='module')
def inpaint():
  task, batch = build(**INPAINT), {'image': smooth(4, 16, 1)}
  batch.update(task.random_inputs(batch, KEY))
  return task, task.init(KEY, batch), batch


def test_result_is_the_input_outside_of_the_hole(inpaint):
  task, _, batch = inpaint
  inputs, hole, targets = jax.jit(task.observe)(batch)
  outputs = jnp.full(targets.shape, 0.25)
  result = np.asarray(task.composite(outputs, inputs, hole))
  missing = np.asarray(hole) > 0
  assert np.all(result[missing] == 0.25) and np.array_equal(result[~missing], np.asarray(targets)[~missing])
  found = jax.jit(task.measure)(outputs, inputs, hole, targets)
  for i in range(4):
    inside = missing[i, ..., 0]
    truth = np.asarray(targets)[i][inside]
    assert found['l1_hole'][i] == pytest.approx(np.abs(truth - 0.25).mean() / 2, rel=1e-5)
    mean = np.asarray(targets)[i][~inside].mean()
    assert found['l1_hole_baseline'][i] == pytest.approx(np.abs(truth - mean).mean() / 2, rel=1e-4)


def test_discriminator_sees_the_hole_alone(inpaint):
  task, state, batch = inpaint
  _, hole, targets = jax.jit(task.observe)(batch)
  disc = state.networks['disc']
  judge = jax.jit(lambda images: task._judge(disc.params, {'batch_stats': disc.batch_stats}, images, hole)[0])
  other = jnp.where(hole > 0, targets, 0.7)
  np.testing.assert_array_equal(judge(targets), judge(other))
  assert np.abs(judge(targets) - judge(jnp.where(hole > 0, 0.7, targets))).max() > 1e-6


def test_adversarial_step_moves_both_networks(inpaint):
  task, state, batch = inpaint
  new, scalars = jax.jit(task.train_step)(state, batch, KEY)
  for name in ('net', 'disc'):
    params = new.networks[name].params, state.networks[name].params
    moved = jax.tree.map(lambda a, b: float(np.abs(a - b).max()), *params)
    assert all(value > 0 for value in jax.tree.leaves(moved))
  assert scalars['loss'] == pytest.approx(0.99 * float(scalars['l2']) + 0.01 * float(scalars['loss_gen']), rel=1e-5)


# Colours.


def test_luminance_network_restores_matlabs_y():
  task = build(colour='y', **SUPERRES)
  batch = {'image': smooth(2, 16, 3)}
  inputs, _, targets = jax.jit(task.observe)({**batch, **task.random_inputs(batch, KEY)})
  r, g, b = np.moveaxis(batch['image'] / 255.0, -1, 0)
  wanted = np.round(16 + 65.481 * r + 128.553 * g + 24.966 * b)
  np.testing.assert_allclose((np.asarray(targets)[..., 0] + 1) * 127.5, wanted, atol=1e-3)
  assert inputs.shape == (2, 8, 8, 1) and task.channels == 1


def test_colours_out_of_grey():
  task = build('rednet', colour='rgb', degrade__grey=True)
  state = jax.eval_shape(task.init, KEY, None)
  assert task.input_channels == 1 and state.networks['net'].params['last']['kernel'].shape[2:] == (6, 3)
  batch = {'image': smooth(2, 16, 3)}
  inputs, _, targets = jax.jit(task.observe)({**batch, **task.random_inputs(batch, KEY)})
  luma = batch['image'] @ np.array([0.299, 0.587, 0.114])
  np.testing.assert_allclose((np.asarray(inputs)[..., 0] + 1) * 127.5, luma, atol=1e-3)
  assert inputs.shape == (2, 16, 16, 1) and targets.shape == (2, 16, 16, 3)
  assert jax.eval_shape(task.baseline, inputs, None).shape == (2, 16, 16, 3)


def test_last_layer_may_learn_slower():
  steps, batch = [], {'image': smooth(2, 16, 1)}
  for scale in (1.0, 0.1):
    task = build(objective__last_learning_rate_scale=scale, **SUPERRES)
    start = task.init(KEY, batch)
    new, _ = jax.jit(task.train_step)(start, batch, KEY)
    steps.append(jax.tree.map(lambda a, b: np.asarray(b - a), *(x.networks['net'].params for x in (start, new))))
  np.testing.assert_allclose(steps[1]['last']['kernel'], 0.1 * steps[0]['last']['kernel'], rtol=1e-3, atol=1e-7)
  np.testing.assert_allclose(steps[1]['conv_1']['kernel'], steps[0]['conv_1']['kernel'], rtol=1e-3, atol=1e-7)


# Pictures and mistakes.


def test_pictures_show_input_baseline_result_truth(superres):
  task, _, state, _, batch = superres
  grid = task.pictures(state, batch, KEY)['restored']
  assert grid.shape == (6 * 18 + 2, 4 * 18 + 2, 1)
  np.testing.assert_array_equal(grid[2:18, 3 * 18 + 2 : 4 * 18], batch['image'][0])
  np.testing.assert_array_equal(grid, task.pictures(state, batch, KEY)['restored'])


@pytest.mark.parametrize(
  'fields, part',
  [
    (dict(colour='y', data__channels=1, degrade__scale=2), "objective.colour='y' needs data.channels=3"),
    (dict(model='rednet', data__channels=3), "objective.colour='grey' needs data.channels=1"),
    (dict(degrade__scale=3), 'multiple of 3'),
    (
      dict(degrade__scale=4, side=8),
      'data.image_size=8 leaves no pixel to measure, because a border of degrade.scale=4 pixels is left out; '
      'make it more than 8',
    ),
    (
      dict(model='rednet', objective__shave=8),
      'objective.shave=8 leaves 0 pixels of data.image_size=16, and the loss needs 1; change one of them',
    ),
    (
      dict(model='rednet', objective__shave=3, objective__ssim=1.0),
      'objective.shave=3 leaves 10 pixels of data.image_size=16, and the loss needs 11; change one of them',
    ),
    (
      dict(degrade__scale=2, model__depth=1, objective__adversarial=1.0),
      'objective.adversarial=1.0 has no effect, because',
    ),
    (
      dict(degrade__scale=2, objective__ring=2),
      'objective.ring=2 has no effect, because degrade.hole makes no hole; leave it at 0',
    ),
    (
      dict(degrade__scale=2, objective__outside=0.5),
      'objective.outside=0.5 has no effect, because degrade.hole makes no hole; leave it at 1',
    ),
    (dict(model='rednet', colour='rgb', degrade__grey=True, degrade__hole='box'), 'degrade.hole cannot be combined'),
    (dict(model='rednet', degrade__scale=2, degrade__hole='box'), 'degrade.hole cannot be combined'),
    (
      dict(model='rednet', degrade__noise_sigma=9.0, objective__adversarial_name='wgan'),
      "objective.adversarial_name is 'wgan'",
    ),
  ],
  ids=str,
)
def test_mistakes_are_one_sentence(fields, part):
  with pytest.raises(UserError) as error:
    make_options(**fields)
  assert part in str(error.value) and '\n' not in str(error.value)


def test_sizes_that_just_do_are_measured():
  """What the options let through has a loss and a quality."""
  for fields in (
    dict(degrade__scale=4, side=12),
    dict(model='rednet', objective__shave=8, side=17),
    dict(model='rednet', objective__shave=3, objective__ssim=1.0, side=17),
  ):
    task = build(**fields)
    state, batch = jax.eval_shape(task.init, KEY, None), task.batch_shapes(2)
    jax.eval_shape(task.train_step, state, batch, KEY)
    assert 'psnr' in jax.eval_shape(task.eval_step, state, batch, KEY)


def test_size_that_the_network_cannot_take():
  with pytest.raises(UserError, match='data.image_size=18 must be a multiple of 4'):
    build('autoencoder', side=18)


def test_nothing_degraded_has_no_baseline():
  task = build('autoencoder')
  batch = {'image': smooth(2, 16, 1)}
  sums = jax.eval_shape(task.eval_step, jax.eval_shape(task.init, KEY, batch), batch, KEY)
  assert set(sums) == {'count', 'psnr', 'ssim'} and task.baseline_name == ''


# What the task takes from its options.


def test_each_optimizer_has_its_learning_rate():
  scales = []

  def make_optimizer(scale):
    scales.append(scale)
    return optax.sgd(scale)

  options = make_options(**INPAINT, objective__disc_learning_rate_scale=0.1)
  task = TASKS['restoration'](options, make_optimizer, None)
  assert scales == [1.0, 0.1]
  for optimizer, rate in ((task.optimizer, 1.0), (task.disc_optimizer, 0.1)):
    updates, _ = optimizer.update({'p': 1.0}, optimizer.init({'p': 0.0}))
    assert updates['p'] == -rate


def test_networks_have_the_type_and_the_axis():
  """The network that evaluates has no mapped axis: it is run on one device."""
  task = TASKS['restoration'](make_options(**INPAINT, train__dtype='bfloat16'), optax.sgd, 'batch')
  assert task.network.dtype == task.eval_network.dtype == task.discriminator.dtype == jnp.bfloat16
  assert task.network.axis_name == task.discriminator.axis_name == 'batch' and task.eval_network.axis_name is None
  assert task.discriminator.options.width == 4


@pytest.mark.parametrize('decay, use_ema, averaged', [(0.5, True, True), (0.5, False, False), (0.0, True, False)])
def test_average_is_evaluated_where_there_is_one_and_it_is_wanted(decay, use_ema, averaged):
  task = build('autoencoder', train__ema_decay=decay, eval__use_ema=use_ema)
  state = jax.eval_shape(task.init, KEY, None)
  assert (state.networks['net'].ema is None) == (not decay)
  constant = lambda tree, value: jax.tree.map(lambda x: np.full(x.shape, value, x.dtype), tree)
  params, average = constant(state.networks['net'].params, 0.05), constant(state.networks['net'].ema, 0.06)
  state = state.replace(networks={'net': state.networks['net'].replace(params=params, ema=average)})
  image = np.asarray(data.to_signed(smooth(1, 16, 1)[0]))
  variables = average if averaged else {'params': params}
  wanted = jax.jit(task.eval_network.apply)(variables, image[None])[0]
  np.testing.assert_allclose(task.predict_image(state, image), wanted, rtol=1e-5)
  assert task.protocol(state)['ema'] is averaged


def test_protocol_says_how_decibels_are_measured():
  for fields, wanted in (
    (dict(colour='y', **SUPERRES), {'baseline': 'bicubic', 'colour': 'y', 'scale': 2, 'ema': False}),
    (dict(model='rednet', degrade__noise_sigma=9.0), {'baseline': 'input', 'colour': 'grey', 'scale': 1, 'ema': False}),
    (INPAINT, {'baseline': 'mean of the pixels around the hole', 'colour': 'grey', 'scale': 1, 'ema': False}),
  ):
    task = build(**fields)
    protocol = task.protocol(jax.eval_shape(task.init, KEY, None))
    shave = 2 if task.scale == 2 else 0
    quality = image_quality.protocol('y' if task.objective.colour == 'y' else 'rgb', shave)
    assert protocol == {**quality, 'input_levels': 'raw', **wanted}
    assert json.loads(json.dumps(protocol)) == protocol


def test_it_restores_whole_pictures_and_ones_own():
  assert issubclass(TASKS['restoration'], RestoresPictures) and issubclass(TASKS['restoration'], TransformsPictures)


def test_images_made_again_do_not_depend_on_the_batches():
  """They are what the network restores, of the same noise whatever the size of a batch."""
  task, few = (build('rednet', degrade__noise_sigma=25.0, eval__batch_size=size) for size in (256, 2))
  state, images = task.init(KEY, None), smooth(5, 16, 1)
  whole = task.remake(state, images, KEY)
  inputs, _, _ = task.observe_whole({'image': images, **task.random_inputs({'image': images}, KEY)})
  outputs = np.stack([task.predict_image(state, np.asarray(x)) for x in inputs])
  np.testing.assert_allclose(whole, np.clip(outputs, -1, 1), atol=1e-4)
  assert whole.shape == images.shape and whole.dtype == np.float32 and np.ptp(whole) > 0.1
  np.testing.assert_allclose(few.remake(state, images, KEY), whole, atol=1e-5)
  assert isinstance(task, Reconstructs) and task.remaking_protocol(state) == {'ema': False, 'images': 'restored'}
