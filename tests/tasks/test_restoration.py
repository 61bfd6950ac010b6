"""The restoration task: what a step minimises, sums that do not depend on batches, devices, holes, whole pictures."""
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import base
from deconv import data
from deconv.errors import UserError
from deconv.metrics import image_quality
from deconv.ops.resample import downsample, upsample_bicubic
from deconv.tasks import TASKS, whole_pictures
from deconv.training import optimizers
from deconv.training.parallel import Parallel

KEY = jax.random.key(0)
RNG = np.random.default_rng(0)


def smooth(number, side, channels):
  """Random pictures without pixel noise: a few waves in each channel."""
  at = np.arange(side) / side
  waves = [np.cos(2 * np.pi * (f * at[:, None] + g * at + p)) for f, g, p in RNG.uniform(0, 3, (5, 3))]
  mix = RNG.normal(size=(number, channels, len(waves))) / 3
  return np.clip(127.5 + 90 * np.einsum('nck,khw->nhwc', mix, waves), 0, 255).astype(np.uint8)


def config_of(model='fsrcnn', colour='grey', side=16, **fields):
  config = base.get_config(model=model, task='restoration')
  config.objective.colour = colour
  config.data.channels = 1 if colour == 'grey' else 3
  config.data.image_size = side
  small = {'fsrcnn': dict(width=6, shrunk=4, depth=1), 'rednet': dict(depth=6, width=6),
           'context_encoder': dict(width=4, bottleneck=8), 'autoencoder': dict(width=4, depth=2)}
  config.model.update(small.get(model, {}))
  config.update_from_flattened_dict({name.replace('__', '.'): value for name, value in fields.items()})
  return config


def build(*args, parallel=None, **fields):
  config = config_of(*args, **fields)
  options = optimizers.OptimizerOptions(**config.optimizer)
  wrap = parallel.wrap_optimizer if parallel else lambda x: x
  return TASKS['restoration'](config, lambda scale=1.0: wrap(optimizers.make_optimizer(options, 10, scale)),
                              batch_norm_axis=parallel.batch_norm_axis if parallel else None)


SUPERRES = dict(degrade__scale=2, model__residual='bicubic', optimizer__learning_rate=3e-3)
INPAINT = dict(model='context_encoder', degrade__hole='box', objective__outside=0., objective__ring=1,
               objective__adversarial=0.01, objective__disc_width=4, objective__l2=0.99)


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
    error = np.mean((levels - batch['image'][0, 2:-2, 2:-2])**2)
    assert sums[name] == pytest.approx(10 * np.log10(255**2 / error), abs=1e-3)


def test_degraded_and_baseline_are_aligned():
  """A picture that is shifted by a pixel would lose decibels: the centre of mass of a spot stays where it is."""
  task = build(**SUPERRES)
  image = np.zeros((1, 16, 16, 1), np.uint8)
  image[0, 4:8, 6:12] = 255
  batch = {'image': image}
  inputs, _, targets = jax.jit(task.observe)({**batch, **task.draw(batch, KEY)})
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
  batch.update(task.draw(batch, KEY))
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
  task = build('rednet', degrade__noise_sigma=20., degrade__noise_sigma_max=30.)
  found = check_sums(task, smooth(8, 16, 1))
  assert found['psnr_baseline'] == pytest.approx(20 * np.log10(255 / 25), abs=1.) and 'l1_hole' not in found


def test_pmap_equals_jit():
  """With batch norm, holes of many sizes and a discriminator."""
  fields = dict(INPAINT, degrade__hole='strokes', train__ema_decay=0.9)
  batch = {'image': smooth(8, 16, 1)}
  fields.update(optimizer__name='sgd', optimizer__learning_rate=0.1)
  plain, found = build(**fields), []
  start = plain.init(KEY, batch)
  batch.update(plain.draw(batch, KEY))
  batch['weight'] = np.array([1, 1, 1, 0, 1, 1, 1, 1], np.float32)
  for mode in ('jit', 'pmap'):
    parallel = Parallel(mode, devices=jax.devices()[:2])
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
  batch.update(task.draw(batch, KEY))
  return task, task.init(KEY, batch), batch


def test_result_is_the_input_outside_of_the_hole(inpaint):
  task, state, batch = inpaint
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
  judge = jax.jit(lambda images: task._judge(disc.params, disc.batch_stats, images, hole)[0])
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
  inputs, _, targets = jax.jit(task.observe)({**batch, **task.draw(batch, KEY)})
  r, g, b = np.moveaxis(batch['image'] / 255., -1, 0)
  wanted = 16 + 65.481 * r + 128.553 * g + 24.966 * b
  np.testing.assert_allclose((np.asarray(targets)[..., 0] + 1) * 127.5, wanted, atol=1e-3)
  assert inputs.shape == (2, 8, 8, 1) and task.channels == 1


def test_colours_out_of_grey():
  task = build('rednet', colour='rgb', degrade__grey=True)
  batch = {'image': smooth(2, 16, 3)}
  state = task.init(KEY, batch)
  assert task.input_channels == 1 and state.networks['net'].params['last']['kernel'].shape[2:] == (6, 3)
  picture = RNG.integers(0, 256, (9, 11, 1), dtype=np.uint8)
  result = task.transform_image(state, picture)['']
  assert result.shape == (9, 11, 3)
  assert np.abs(result - np.int32(picture)).max() < 20  # untrained: nearly the grey picture


def test_last_layer_may_learn_slower():
  steps = []
  for scale in (1., 0.1):
    task = build(objective__last_learning_rate_scale=scale, **SUPERRES)
    batch = {'image': smooth(2, 16, 1)} if not steps else batch
    start = task.init(KEY, batch)
    new, _ = jax.jit(task.train_step)(start, batch, KEY)
    steps.append(jax.tree.map(lambda a, b: np.asarray(b - a), *(x.networks['net'].params for x in (start, new))))
  np.testing.assert_allclose(steps[1]['last']['kernel'], 0.1 * steps[0]['last']['kernel'], rtol=1e-3, atol=1e-7)
  np.testing.assert_allclose(steps[1]['conv_1']['kernel'], steps[0]['conv_1']['kernel'], rtol=1e-3, atol=1e-7)


# Whole pictures.

def test_tiled_is_untiled_in_the_interior(superres, monkeypatch):
  task, _, state, _, _ = superres
  image = np.asarray(data.to_signed(smooth(1, 40, 1)[0]))
  whole = task.predict_image(state, image)
  monkeypatch.setattr(whole_pictures, '_TILE', 24)
  task.tile_overlap = 0.75  # the receptive field reaches 2 + 1 + 2 pixels
  tiled = task.predict_image(state, image)
  np.testing.assert_allclose(tiled[8:-8, 8:-8], whole[8:-8, 8:-8], atol=1e-5)
  task.tile_overlap = 0.25


def test_self_ensemble_turns_with_the_picture(superres):
  task, _, state, _, _ = superres
  image = np.asarray(data.to_signed(smooth(1, 12, 1)[0]))
  plain = task.predict_image(state, image)
  task.flips = task.quarter_turns = True
  averaged, turned = task.predict_image(state, image), task.predict_image(state, np.rot90(image).copy())
  task.flips = task.quarter_turns = False
  np.testing.assert_allclose(np.rot90(averaged), turned, atol=1e-5)
  assert np.abs(plain - averaged).max() > 1e-4


@pytest.mark.parametrize('dtype, channels', [(np.uint8, 4), (np.uint16, 2), (np.uint16, 3)])
def test_own_picture_keeps_type_and_alpha(superres, dtype, channels):
  task, _, state, _, _ = superres
  peak = np.iinfo(dtype).max
  picture = np.repeat(np.repeat(smooth(1, 5, channels)[0], 2, 0), 3, 1).astype(dtype) * dtype(peak // 255)
  if channels in (2, 4):
    picture[..., -1] = peak
    picture[:, 8:, -1] = 0
  result = task.transform_image(state, picture)['']
  assert result.shape == (20, 30, channels) and result.dtype == dtype
  small = result.reshape(10, 2, 15, 2, channels).mean((1, 3))
  assert np.abs(small - picture)[2:-2, 2:-2].mean() < 0.05 * peak
  if channels in (2, 4):
    assert np.all(result[:, :12, -1] == peak) and np.all(result[:, 20:, -1] == 0)


def test_luminance_network_keeps_the_colours_of_a_picture():
  """An untrained residual network is bicubic, in every channel."""
  task = build(colour='y', **SUPERRES)
  picture = smooth(1, 12, 3)[0]
  state = task.init(KEY, {'image': picture[None]})
  result = task.transform_image(state, picture)['']
  bicubic = data.to_uint8(np.asarray(jax.jit(lambda x: upsample_bicubic(x, 2))(data.to_signed(picture[None]))[0]))
  assert np.abs(result - np.int32(bicubic)).max() <= 12


def test_transparent_pixels_are_the_hole(inpaint):
  task, state, _ = inpaint
  picture = np.concatenate([smooth(1, 16, 1)[0], np.full((16, 16, 1), 255, np.uint8)], axis=-1)
  with pytest.raises(UserError, match='make what is missing transparent'):
    task.transform_image(state, picture)
  picture[3:7, 4:9, 1] = 0
  result = task.transform_image(state, picture)['']
  kept = picture[..., 1] > 0
  assert result.shape == (16, 16, 1) and np.array_equal(result[kept], picture[kept][:, :1])
  other = picture.copy()
  other[3:7, 4:9, 0] = 99  # what is under the hole does not matter
  np.testing.assert_array_equal(task.transform_image(state, other)[''], result)


def test_whole_pictures_are_measured_and_drawn(superres):
  task, _, state, _, _ = superres
  images = [smooth(1, 21, 1)[0][:, :18], smooth(1, 26, 1)[0]]
  class Source:
    def __len__(self):
      return 2
    def load_full(self, i):
      return {'image': images[i]}
  task.whole_images = 5
  numbers, pictures, protocol = whole_pictures.evaluate(task, state, Source(), KEY)
  task.whole_images = 0
  assert protocol['whole_images'] == 2 and set(pictures) == {'whole_0', 'whole_1'}
  found = []
  for image in images:
    target = np.asarray(data.to_signed(image[None, :image.shape[0] // 2 * 2]))
    output = task.predict_image(state, np.asarray(jax.jit(lambda x: downsample(x, 2))(target)[0]))[None]
    found.append(float(image_quality.psnr(output, target, shave=2)[0]))
  assert numbers['whole_psnr'] == pytest.approx(np.mean(found), abs=1e-2)
  assert all(picture.dtype == np.uint8 and picture.std() > 0 for picture in pictures.values())


def test_pictures_show_input_baseline_result_truth(superres):
  task, _, state, _, batch = superres
  grid = task.pictures(state, batch, KEY)['restored']
  assert grid.shape == (6 * 18 + 2, 4 * 18 + 2, 1)
  np.testing.assert_array_equal(grid[2:18, 3 * 18 + 2:4 * 18], batch['image'][0])
  np.testing.assert_array_equal(grid, task.pictures(state, batch, KEY)['restored'])


@pytest.mark.parametrize('fields, part', [
    (dict(colour='y', data__channels=1), "objective.colour='y' needs data.channels=3"),
    (dict(degrade__scale=3), 'multiple of 3'),
    (dict(degrade__scale=2, model__depth=1, objective__adversarial=1.), 'objective.adversarial=1.0 is for holes'),
    (dict(degrade__scale=2, objective__ring=2), 'objective.ring=2 is for holes'),
    (dict(model='rednet', colour='rgb', degrade__grey=True, degrade__hole='box'), 'degrade.hole cannot be had'),
    (dict(model='rednet', degrade__noise_sigma=9., objective__adversarial_name='wgan'), 'objective.adversarial_name'),
], ids=str)
def test_mistakes_are_one_sentence(fields, part):
  with pytest.raises(UserError) as error:
    build(**fields)
  assert part in str(error.value)


def test_classical_methods_stand_beside():
  pytest.importorskip('skimage')
  noisy = build('rednet', degrade__noise_sigma=25.)
  noise = RNG.normal(size=(1, 24, 24, 1)).astype(np.float32) * 25 / 127.5
  found = whole_pictures.classical(noisy.degradation, noise, None)
  assert set(found) == {'median', 'nlm', 'nlm_default'}
  assert all(image.std() < 0.6 * noise.std() for image in found.values())
  assert set(whole_pictures.classical(build('rednet', degrade__noise_sigma=5., degrade__noise_sigma_max=9.).degradation,
                                      noise, None)) == {'median', 'nlm_default'}
  assert not whole_pictures.classical(build(**SUPERRES).degradation, noise, None)
  hole = np.zeros((1, 24, 24, 1), np.float32)
  hole[:, 8:12, 8:12] = 1
  ramp = np.broadcast_to(np.linspace(-1, 1, 24, dtype=np.float32)[:, None], (1, 24, 24))[..., None]
  filled = whole_pictures.classical(build(**INPAINT).degradation, ramp * (1 - hole), hole)['biharmonic']
  np.testing.assert_allclose(filled, ramp, atol=1e-3)


def test_hole_elsewhere_than_in_the_middle_is_refused():
  task = build(**{**INPAINT, 'degrade__hole': 'centre', 'model__output': 'centre', 'objective__ring': 0})
  picture = np.full((16, 16, 2), 255, np.uint8)
  picture[2, 2, 1] = 0
  with pytest.raises(UserError, match='the middle 8 pixels each way of pictures of 16x16'):
    task.transform_image(None, picture)


def test_nothing_degraded_has_no_baseline():
  task = build('autoencoder')
  batch = {'image': smooth(2, 16, 1)}
  sums = jax.eval_shape(task.eval_step, jax.eval_shape(task.init, KEY, batch), batch, KEY)
  assert set(sums) == {'count', 'psnr', 'ssim'}
