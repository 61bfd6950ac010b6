"""The segmentation task: its sums against scikit-learn and over devices, whole pictures, and that it learns."""
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from sklearn.metrics import confusion_matrix

from configs import base
from deconv import data
from deconv.data.source import ArraySource
from deconv.errors import UserError
from deconv.objectives import segmentation as objectives
from deconv.tasks import TASKS
from deconv.training.parallel import Parallel

KEY = jax.random.key(0)
NAMES = ('black', 'red', 'green')
RNG = np.random.default_rng(0)


def make_config(**overrides):
  config = base.get_config(model='unet', task='segmentation')
  config.data.image_size, config.data.channels, config.data.class_names = 16, 3, NAMES
  config.model.depth, config.model.width, config.model.batch_norm = 1, 4, False
  config.update_from_flattened_dict(overrides)
  return config


def make_task(parallel=None, **overrides):
  wrap = parallel.wrap_optimizer if parallel else lambda tx: tx
  return TASKS['segmentation'](make_config(**overrides), lambda scale=1.: wrap(optax.adam(1e-2 * scale)))


def make_batch(number, side=16):
  """Blocks of 4x4 pixels whose colour says the class; a tenth of the blocks has no truth."""
  blocks = RNG.integers(0, 3, (number, side // 4, side // 4))
  masks = np.repeat(np.repeat(blocks, 4, axis=1), 4, axis=2).astype(np.uint8)
  images = np.array([(20, 20, 20), (200, 30, 40), (40, 180, 60)], np.uint8)[masks]
  unknown = np.repeat(np.repeat(RNG.uniform(size=blocks.shape) < 0.1, 4, axis=1), 4, axis=2)
  noisy = np.clip(images + RNG.normal(0, 20, images.shape), 0, 255).astype(np.uint8)
  return {'image': noisy, 'mask': np.where(unknown, data.IGNORE, masks).astype(np.uint8)}


def test_it_learns_what_the_colours_mean():
  task = make_task(**{'model.width': 8, 'model.batch_norm': True})
  state = task.init(KEY, make_batch(1))
  step = jax.jit(task.train_step)
  for i in range(100):
    state, scalars = step(state, make_batch(8), jax.random.fold_in(KEY, i))
  assert scalars['pixel_accuracy'] > 0.97 and state.step == 100
  sums = task.eval_step(state, make_batch(8), KEY)
  assert task.summarize(jax.tree.map(np.asarray, sums))['miou'] > 0.9


def test_the_sums_are_those_of_scikit_learn():
  task, batch = make_task(), make_batch(5)
  state = task.init(KEY, batch)
  batch['weight'] = np.array([1, 1, 0, 1, 1], np.float32)
  sums = task.eval_step(state, batch, KEY)
  logits = task.eval_network.apply(state.networks['net'].variables, data.to_signed(batch['image']), train=False)
  counted = (batch['mask'] != data.IGNORE) & (batch['weight'] > 0)[:, None, None]
  truth, logits = batch['mask'][counted], np.asarray(logits, np.float64)[counted]
  np.testing.assert_array_equal(sums['confusion'], confusion_matrix(truth, logits.argmax(-1), labels=range(3)))
  log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
  np.testing.assert_allclose(sums['nats'], -log_p[np.arange(len(truth)), truth].sum(), rtol=1e-5)
  assert sums['pixels'] == counted.sum() and jnp.issubdtype(sums['confusion'].dtype, jnp.integer)


@functools.cache
def held_out():
  batch = make_batch(10)
  options = data.DataOptions(image_size=16, channels=3, class_names=NAMES)
  return ArraySource('blocks', batch['image'], None, options, masks=batch['mask'], mask_names=NAMES)


def counts(parallel, batch_size):
  """Integer sums over the ten images; the last batch is not full."""
  task = make_task(parallel)
  state = parallel.put_state(task.init(KEY, make_batch(1)))
  step, total = parallel.eval_step(task), None
  for batch in data.EvalBatches(held_out(), batch_size):
    sums = parallel.fetch(step(state, parallel.put_batch(batch), KEY))
    total = sums if total is None else jax.tree.map(np.add, total, sums)
  return total


@pytest.mark.parametrize('mode', ['jit', 'pmap'])
def test_evaluation_over_devices_is_that_of_one_exactly(mode):
  alone = counts(Parallel('jit', 'sync', jax.devices()[:1]), 10)
  shared = counts(Parallel(mode, 'sync'), 4)
  for name in ('confusion', 'boundary', 'pixels'):
    np.testing.assert_array_equal(shared[name], alone[name])
  np.testing.assert_allclose(shared['nats'], alone['nats'], rtol=1e-5)


def test_pmap_trains_as_jit_does():
  batch = make_batch(8)
  batch['mask'] = np.where(batch['mask'] == data.IGNORE, 0, batch['mask'])  # devices that count as many pixels each
  batch['noise_key'] = np.asarray(jax.random.key_data(jax.random.split(KEY, 8)))
  states = []
  for mode in ('jit', 'pmap'):
    parallel = Parallel(mode, 'sync')
    task = make_task(parallel, **{'augment.flip': True, 'augment.rotate_degrees': 0.})
    state = parallel.put_state(task.init(KEY, batch))
    step = parallel.train_step(task)
    for _ in range(2):
      state, scalars = step(state, parallel.put_batch(batch), KEY)
    states.append((parallel.get_state(state).networks['net'].params, parallel.fetch(scalars)['loss']))
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-4), *states)


def test_pixels_without_truth_do_not_train():
  task, batch = make_task(), make_batch(4)
  state = task.init(KEY, batch)
  batch['mask'] = np.full_like(batch['mask'], data.IGNORE)
  after, scalars = jax.jit(task.train_step)(state, batch, KEY)
  jax.tree.map(np.testing.assert_array_equal, after.networks['net'].params, state.networks['net'].params)
  assert scalars['loss'] == 0


def test_classes_are_weighed_by_the_frequencies_of_the_training_source():
  task = make_task(**{'objective.class_weights': 'median_frequency'})
  task.see(held_out())
  expected = objectives.median_frequency_weights(objectives.count_classes(held_out().take(range(10))['mask'], 3))
  np.testing.assert_array_equal(task.class_weights, expected)
  state = task.init(KEY, make_batch(1))
  _, scalars = jax.jit(task.train_step)(state, make_batch(4), KEY)
  assert np.isfinite(scalars['loss'])


def test_a_picture_of_the_networks_size_is_predicted_in_one_piece():
  task = make_task()
  state = task.init(KEY, make_batch(1))
  image = make_batch(1)['image']
  logits = task.eval_network.apply(state.networks['net'].variables, data.to_signed(image), train=False)
  np.testing.assert_allclose(task.predict_image(state, image[0]), jax.nn.softmax(logits)[0], atol=1e-6)


@pytest.mark.parametrize('shape', [(16, 16, 1), (9, 40, 4), (33, 21, 3)])
def test_pictures_of_any_size(shape):
  task = make_task(**{'eval.flips': True, 'eval.scales': (1., 1.5)})
  state = task.init(KEY, make_batch(1))
  results = task.transform_image(state, RNG.integers(0, 256, shape).astype(np.uint8))
  assert results['classes'].shape == shape[:2] and results['classes'].max() < 3 and results[''].dtype == np.uint8
  pixels = data.opaque(RNG.integers(0, 256, shape).astype(np.uint8), 3, (255, 255, 255))
  probabilities = task.predict_image(state, pixels)
  np.testing.assert_allclose(probabilities.sum(-1), 1, atol=1e-5)
  mirrored = task.predict_image(state, pixels[:, ::-1])[:, ::-1]
  np.testing.assert_allclose(mirrored, probabilities, atol=1e-5)


def test_a_network_without_padding_sees_more_than_it_names():
  config = {'model.padding': 'valid', 'model.depth': 1, 'data.image_size': 28}
  task, batch = make_task(**config), make_batch(2, 28)
  state = task.init(KEY, batch)
  margin = task.margin()
  assert margin > 0
  sums = jax.jit(task.eval_step)(state, batch, KEY)
  inner = batch['mask'][:, margin:28 - margin, margin:28 - margin]
  assert sums['pixels'] == (inner != data.IGNORE).sum()
  logits = task.eval_network.apply(state.networks['net'].variables, data.to_signed(batch['image']), train=False)
  whole = task.predict_image(state, batch['image'][0])
  assert whole.shape == (28, 28, 3)
  jax.jit(task.train_step)(state, batch, KEY)
  # Tiles start elsewhere than the image does, so what is compared is a picture whose middle is one whole tile.
  np.testing.assert_allclose(whole.sum(-1), 1, atol=1e-5)
  assert logits.shape[1] == 28 - 2 * margin


@pytest.mark.parametrize('name', ['unet', 'linknet', 'segnet', 'deconvnet'])
def test_deep_supervision_is_the_cross_entropy_of_every_coarser_map(name):
  """Scores made constant by hand: what a map costs that says the same of all pixels follows from their classes."""
  model = {'model.name': name, 'model.depth': 2, 'model.width': 2}
  model.update({'model.blocks': 1} if name == 'linknet' else {'model.batch_norm': False})
  if name == 'deconvnet':
    model.update({'model.fc_kernel': 1, 'model.fc_width': 4})
  config = base.get_config(model=name, task='segmentation')
  config.data.image_size, config.data.channels, config.data.class_names = 16, 3, NAMES
  config.update_from_flattened_dict({**model, 'objective.deep_supervision': 0.5})
  task, batch = TASKS['segmentation'](config, lambda scale=1.: optax.sgd(1.)), make_batch(3)
  state = task.init(KEY, batch)
  net = state.networks['net']
  whole = name in ('unet', 'linknet')
  place = net.params if whole else net.params['decoder']
  bias = np.array([1., 0., -0.5], np.float32)
  for level in (1, 2):
    kernel = place[f'side_score{level}']['kernel']
    place[f'side_score{level}'] = {'kernel': jnp.zeros_like(kernel), 'bias': jnp.asarray(level * bias)}
  seen = batch['mask'][batch['mask'] != data.IGNORE]
  expected = [-np.mean((level * bias - np.log(np.exp(level * bias).sum()))[seen]) for level in (1, 2)]
  after, scalars = jax.jit(task.train_step)(state, batch, KEY)
  assert scalars['deep_supervision'] == pytest.approx(np.mean(expected), rel=1e-5)
  assert scalars['loss'] == pytest.approx(float(scalars['cross_entropy']) + 0.5 * np.mean(expected), rel=1e-5)
  place = after.networks['net'].params if whole else after.networks['net'].params['decoder']
  assert all(np.abs(place[f'side_score{level}']['bias'] - level * bias).max() > 1e-3 for level in (1, 2))
  assert np.abs(place['side_score2']['kernel']).max() > 0


def test_crop_centre():
  x = np.arange(36).reshape(1, 6, 6)
  np.testing.assert_array_equal(objectives.crop_to(x, np.zeros((1, 2, 4))), x[:, 2:4, 1:5])


@pytest.mark.parametrize('overrides, sentence', [
    ({'data.class_names': ()}, 'data.class_names'),
    ({'augment.crop': 32}, 'augment.crop=32 is larger'),
    ({'eval.scales': (0.,)}, 'eval.scales'),
    ({'model.name': 'vnet'}, 'model.name'),
    ({'objective.deep_supervision': -1.}, 'objective.deep_supervision=-1.0'),
    ({'objective.deep_supervision': 1., 'model.padding': 'valid', 'data.image_size': 28}, 'deep_supervision=0'),
])
def test_mistakes_are_one_sentence(overrides, sentence):
  with pytest.raises(UserError, match=sentence):
    make_task(**overrides)


def test_deep_supervision_needs_a_decoder_with_coarser_maps():
  config = base.get_config(model='fcn', task='segmentation')
  config.data.channels, config.data.class_names, config.objective.deep_supervision = 3, NAMES, 1.
  with pytest.raises(UserError, match='choose unet, linknet, segnet or deconvnet'):
    TASKS['segmentation'](config, lambda scale=1.: optax.adam(scale))
