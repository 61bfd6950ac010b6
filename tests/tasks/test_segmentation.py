"""The segmentation task: its sums against scikit-learn and over devices, whole pictures, and that it learns."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from sklearn.metrics import confusion_matrix

from deconv import data
from deconv.data.source import ArraySource
from deconv.errors import UserError
from deconv.metrics import segmentation as metrics
from deconv.models import vgg_weights
from deconv.objectives import segmentation as objectives
from deconv.options import Experiment, ParallelOptions
from deconv.options.models.segmenters import VGG16
from deconv.rng import noise_keys
from deconv.tasks import TASKS, tiling
from deconv.tasks.state import State
from deconv.training.parallel import Parallel

KEY = jax.random.key(0)
NAMES = ('black', 'red', 'green')
RNG = np.random.default_rng(0)
DATA = {'image_size': 16, 'channels': 3, 'class_names': NAMES}
UNET = {'name': 'unet', 'depth': 1, 'width': 4, 'batch_norm': False}


def make_options(model=None, data=None, **sections):
  """The experiment of a small U-Net with these fields; a `model` with a name is that network, with these alone."""
  model = model if model and 'name' in model else {**UNET, **(model or {})}
  return Experiment.from_config({'task': 'segmentation', 'model': model, 'data': {**DATA, **(data or {})}, **sections})


def make_task(parallel=None, **sections):
  wrap, axis = (parallel.wrap_optimizer, parallel.batch_norm_axis) if parallel else (lambda tx: tx, None)
  return TASKS['segmentation'](make_options(**sections), lambda scale: wrap(optax.adam(1e-2 * scale)), axis)


def make_batch(number, side=16):
  """Blocks of 4x4 pixels whose colour says the class; a tenth of the blocks has no truth."""
  blocks = RNG.integers(0, 3, (number, side // 4, side // 4))
  masks = np.repeat(np.repeat(blocks, 4, axis=1), 4, axis=2).astype(np.uint8)
  images = np.array([(20, 20, 20), (200, 30, 40), (40, 180, 60)], np.uint8)[masks]
  unknown = np.repeat(np.repeat(RNG.uniform(size=blocks.shape) < 0.1, 4, axis=1), 4, axis=2)
  noisy = np.clip(images + RNG.normal(0, 20, images.shape), 0, 255).astype(np.uint8)
  return {'image': noisy, 'mask': np.where(unknown, data.IGNORE, masks).astype(np.uint8)}


def test_it_learns_what_the_colours_mean():
  task = make_task(model={'width': 8, 'batch_norm': True})
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


@pytest.mark.parametrize('shape', [(1, 16, 16), (2, 9, 40)])
def test_classes_of_pictures_of_any_size_are_counted(shape):
  """What whole pictures are measured by: the sums of `eval_step` but for those of probabilities."""
  task, truth, found = make_task(), RNG.integers(0, 3, shape).astype(np.uint8), RNG.integers(0, 3, shape)
  truth[0, 2:5, 3:9] = data.IGNORE
  sums = task.count_classes(truth, found)
  seen = truth != data.IGNORE
  np.testing.assert_array_equal(sums['confusion'], confusion_matrix(truth[seen], found[seen], labels=range(3)))
  width = metrics.boundary_width(*shape[1:])
  np.testing.assert_array_equal(sums['boundary'], metrics.boundary_counts(truth, found, 3, width))
  assert 'cross_entropy' not in task.summarize(jax.tree.map(np.asarray, sums))


@functools.cache
def held_out():
  batch = make_batch(10)
  return ArraySource('blocks', batch['image'], None, data.DataOptions(**DATA), masks=batch['mask'], mask_names=NAMES)


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
  alone = counts(Parallel(ParallelOptions('jit'), jax.devices()[:1]), 10)
  shared = counts(Parallel(ParallelOptions(mode)), 4)
  for name in ('confusion', 'boundary', 'pixels'):
    np.testing.assert_array_equal(shared[name], alone[name])
  np.testing.assert_allclose(shared['nats'], alone['nats'], rtol=1e-5)


def test_pmap_trains_as_jit_does():
  batch = make_batch(8)
  batch['mask'] = np.where(batch['mask'] == data.IGNORE, 0, batch['mask'])  # devices that count as many pixels each
  batch['noise_key'] = np.asarray(jax.random.key_data(jax.random.split(KEY, 8)))
  states = []
  for mode in ('jit', 'pmap'):
    parallel = Parallel(ParallelOptions(mode))
    task = make_task(parallel, augment={'flip': True, 'rotate_degrees': 0.0})
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
  task = make_task(objective={'class_weights': 'median_frequency'})
  assert task.class_weights is None
  task.inspect_source(held_out())
  expected = objectives.median_frequency_weights(objectives.count_classes(held_out().take(range(10))['mask'], 3))
  np.testing.assert_array_equal(task.class_weights, expected)
  state = task.init(KEY, make_batch(1))
  batch = make_batch(4)
  _, scalars = jax.jit(task.train_step)(state, batch, KEY)
  logits = jax.jit(lambda v, x: task.eval_network.apply(v, x, train=False))(
    state.networks['net'].variables, data.to_signed(batch['image'])
  )
  assert scalars['loss'] == pytest.approx(float(objectives.cross_entropy(logits, batch['mask'], expected)), rel=1e-5)


def test_classes_are_not_counted_where_nothing_weighs_them():
  task = make_task()
  task.inspect_source(None)  # not looked at
  assert task.class_weights is None


def test_shapes_of_a_batch_are_those_of_the_data():
  task = make_task(augment={'crop': 8})
  shapes = task.batch_shapes(4)
  batch = next(iter(data.EvalBatches(held_out(), 4)))
  assert {name: (x.shape, x.dtype) for name, x in shapes.items()} == {
    name: (batch[name].shape, batch[name].dtype) for name in ('image', 'mask')
  }
  state = jax.eval_shape(task.init, KEY, shapes)
  after, scalars = jax.eval_shape(task.train_step, state, shapes, KEY)
  assert jax.tree.map(lambda x: (x.shape, x.dtype), after) == jax.tree.map(lambda x: (x.shape, x.dtype), state)
  assert set(scalars) == {'loss', 'cross_entropy', 'pixel_accuracy'} and task.sides == (8, 8)


def test_images_that_are_not_square():
  """They train as they are, and a picture of twice the size is predicted at half of it, in one piece."""
  task = make_task(
    data={'image_width': 24, 'image_size': 16}, eval={'scales': (0.5,)}, augment={'flip': True, 'rotate_degrees': 5.0}
  )
  batch = make_batch(2, 24)
  batch = {name: array[:, :16] for name, array in batch.items()}
  assert task.sides == (16, 24) and task.margin() == 0
  assert {name: x.shape for name, x in task.batch_shapes(2).items()} == {name: x.shape for name, x in batch.items()}
  state = task.init(KEY, batch)
  state, scalars = jax.jit(task.train_step)(state, batch, KEY)
  assert np.isfinite(scalars['loss'])
  sums = jax.jit(task.eval_step)(state, batch, KEY)
  assert sums['confusion'].sum() == (batch['mask'] != data.IGNORE).sum()
  picture = batch['image'][0].repeat(2, axis=0).repeat(2, axis=1)
  found = task.predict_image(state, picture)
  assert found.shape == (32, 48, 3)
  np.testing.assert_allclose(found.sum(-1), 1, atol=1e-5)
  # Away from the border, where the antialiased halving of doubled pixels is nearly the image.
  own = np.asarray(task._probabilities(state, data.to_signed(batch['image'][:1])))[0]
  assert np.abs(found[8:-8:2, 8:-8:2] - own[4:-4, 4:-4]).mean() < 0.1


def test_a_crop_is_cut_of_images_that_are_not_square():
  task = make_task(data={'image_width': 24, 'image_size': 16}, augment={'crop': 8})
  assert task.sides == (8, 8)
  with pytest.raises(UserError, match='augment.crop=20 is larger than data.image_size=16'):
    make_options(data={'image_width': 24, 'image_size': 16}, augment={'crop': 20})
  with pytest.raises(UserError, match='augment.crop=20 is larger than data.image_width=12'):
    make_options(data={'image_width': 12, 'image_size': 32}, augment={'crop': 20})


def test_other_tasks_take_squares():
  with pytest.raises(UserError, match="data.image_width=48: only task='segmentation' takes images that are not square"):
    Experiment.from_config({'task': 'classification', 'data': {'image_width': 48}})


def test_same_keys_same_augmentation_other_keys_another():
  """An image is varied by its own key, whoever made it."""
  task, batch = make_task(augment={'rotate_degrees': 90.0}), make_batch(4)
  state, step = task.init(KEY, batch), jax.jit(task.train_step)
  drawn = task.random_inputs(batch, KEY)
  np.testing.assert_array_equal(drawn['noise_key'], noise_keys(batch, KEY)['noise_key'])
  same, again, other = (
    float(step(state, b, key)[1]['loss'])
    for b, key in ((batch, KEY), ({**batch, **drawn}, jax.random.key(1)), (batch, jax.random.key(1)))
  )
  assert same == again != other


def test_the_averaged_parameters_are_measured_where_the_options_say_so():
  batch = make_batch(2)
  averaged, plain = (make_task(train={'ema_decay': 0.9}, eval={'use_ema': use_ema}) for use_ema in (True, False))
  net = jax.jit(averaged.init)(KEY, batch).networks['net']
  net = net.replace(ema={**net.ema, 'params': jax.tree.map(lambda x: 2 * x, net.params)})
  state = State(step=0, networks={'net': net})
  images, apply = data.to_signed(batch['image']), jax.jit(lambda v, x: averaged.eval_network.apply(v, x, train=False))
  found = []
  for task, variables in ((averaged, net.ema), (plain, net.variables)):
    logits, sums = apply(variables, images), jax.jit(task.eval_step)(state, batch, KEY)
    expected = sums['pixels'] * objectives.cross_entropy(logits, batch['mask'])
    found.append(sums['nats'])
    assert found[-1] == pytest.approx(float(expected), rel=1e-5)
    np.testing.assert_allclose(task.predict_image(state, batch['image'][0]), jax.nn.softmax(logits)[0], atol=1e-6)
    assert task.protocol(state) == {**metrics.protocol(), 'ema': task is averaged}
  assert found[0] != found[1]
  without = State(step=0, networks={'net': net.replace(ema=None)})
  assert averaged.protocol(without)['ema'] is False


def test_weights_from_a_file_are_what_training_starts_from(monkeypatch):
  def filled(params, path):
    assert path == 'vgg.npz'
    return {**params, 'score': jax.tree.map(jnp.ones_like, params['score'])}

  fields = {'name': 'fcn', **VGG16, 'fc_width': 4, 'fc_kernel': 1, 'weights': 'vgg.npz'}
  task = make_task(model=fields, data={'image_size': 32})
  shapes = jax.eval_shape(task.init, KEY, task.batch_shapes(1))  # needs no file
  monkeypatch.setattr(vgg_weights, 'initialize', filled)
  params = task.init(KEY, None).networks['net'].params
  assert np.all(params['score']['kernel'] == 1)
  assert jax.tree.map(jnp.shape, params) == jax.tree.map(jnp.shape, shapes.networks['net'].params)


def test_a_picture_of_the_networks_size_is_predicted_in_one_piece():
  task = make_task()
  state = task.init(KEY, make_batch(1))
  image = make_batch(1)['image']
  logits = task.eval_network.apply(state.networks['net'].variables, data.to_signed(image), train=False)
  np.testing.assert_allclose(task.predict_image(state, image[0]), jax.nn.softmax(logits)[0], atol=1e-6)


@pytest.mark.parametrize('shape', [(16, 16, 1), (9, 40, 4), (33, 21, 3)])
def test_pictures_of_any_size(shape):
  task = make_task(eval={'flips': True, 'scales': (1.0, 1.5)})
  state = task.init(KEY, make_batch(1))
  results = task.transform_image(state, RNG.integers(0, 256, shape).astype(np.uint8))
  assert results['classes'].shape == shape[:2] and results['classes'].max() < 3 and results[''].dtype == np.uint8
  pixels = data.opaque(RNG.integers(0, 256, shape).astype(np.uint8), 3, (255, 255, 255))
  probabilities = task.predict_image(state, pixels)
  np.testing.assert_allclose(probabilities.sum(-1), 1, atol=1e-5)
  mirrored = task.predict_image(state, pixels[:, ::-1])[:, ::-1]
  np.testing.assert_allclose(mirrored, probabilities, atol=1e-5)


def test_the_options_say_how_pictures_are_predicted():
  """Their overlap, flips and scales, each of which is seen in the probabilities."""
  evaluations = [{}, {'tile_overlap': 0.5}, {'flips': True}, {'scales': (1.0, 0.75)}]
  tasks = [make_task(eval=evaluation) for evaluation in evaluations]
  state, image = tasks[0].init(KEY, None), RNG.integers(0, 256, (33, 21, 3)).astype(np.uint8)
  predict = jax.jit(lambda v, x: jax.nn.softmax(tasks[0].eval_network.apply(v, x, train=False)))
  found = []
  for task, evaluation in zip(tasks, evaluations):
    overlap = round(16 * evaluation.get('tile_overlap', 0.25))
    expected = tiling.ensemble(
      functools.partial(
        tiling.predict_tiled, functools.partial(predict, state.networks['net'].variables), tile=16, overlap=overlap
      ),
      flips=evaluation.get('flips', False),
      scales=evaluation.get('scales', (1.0,)),
    )(np.asarray(data.to_signed(image)))
    found.append(task.predict_image(state, image))
    np.testing.assert_allclose(found[-1], expected, atol=1e-6)
  assert all(np.abs(a - b).max() > 1e-4 for i, a in enumerate(found) for b in found[:i])


def test_a_network_without_padding_sees_more_than_it_names():
  task, batch = make_task(model={'padding': 'valid', 'depth': 1}, data={'image_size': 28}), make_batch(2, 28)
  state = task.init(KEY, batch)
  margin = task.margin()
  assert margin > 0
  sums = jax.jit(task.eval_step)(state, batch, KEY)
  inner = batch['mask'][:, margin : 28 - margin, margin : 28 - margin]
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
  model = {'name': name, 'depth': 2, 'width': 2}
  model.update({'blocks': 1} if name == 'linknet' else {'batch_norm': False})
  if name == 'deconvnet':
    model.update({'fc_kernel': 1, 'fc_width': 4})
  options = make_options(model=model, objective={'deep_supervision': 0.5})
  task, batch = TASKS['segmentation'](options, lambda scale: optax.sgd(scale), None), make_batch(3)
  state = task.init(KEY, batch)
  net = state.networks['net']
  whole = name in ('unet', 'linknet')
  place = net.params if whole else net.params['decoder']
  bias = np.array([1.0, 0.0, -0.5], np.float32)
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


@pytest.mark.parametrize(
  'sections, sentence',
  [
    ({'data': {'class_names': ()}}, 'data.class_names'),
    ({'augment': {'crop': 32}}, 'augment.crop=32 is larger'),
    ({'eval': {'scales': (0.0,)}}, 'eval.scales'),
    ({'model': {'name': 'vnet'}}, 'model.name'),
    ({'objective': {'deep_supervision': -1.0}}, 'objective.deep_supervision=-1.0'),
    (
      {'objective': {'deep_supervision': 1.0}, 'model': {'padding': 'valid'}, 'data': {'image_size': 28}},
      'deep_supervision=0',
    ),
    ({'objective': {'deep_supervision': 1.0}, 'model': {'name': 'fcn'}}, 'choose unet, linknet, segnet or deconvnet'),
  ],
)
def test_mistakes_are_one_sentence(sections, sentence):
  with pytest.raises(UserError, match=sentence):
    make_options(**sections)


@pytest.mark.parametrize('sections, side', [({'data': {'image_size': 15}}, 15), ({'augment': {'crop': 9}}, 9)])
def test_sizes_that_the_network_cannot_take(sections, side):
  options = make_options(**sections)
  with pytest.raises(UserError, match=f'must be multiples of 2, not {side}x{side}'):
    TASKS['segmentation'](options, optax.sgd, None)
