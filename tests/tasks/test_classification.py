"""The classification task: its sums against scikit-learn and over devices, that it learns, what others ask of it."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from sklearn.metrics import confusion_matrix, log_loss

from deconv import data
from deconv.data.source import ArraySource
from deconv.errors import UserError
from deconv.options import Experiment, ParallelOptions
from deconv.tasks import TASKS
from deconv.training.parallel import Parallel

KEY = jax.random.key(0)
RNG = np.random.default_rng(0)
NAMES = ('left', 'right', 'both')
CNN = {'num_classes': 3, 'widths': (4,), 'convs': 1, 'hidden': (8,)}


def make_task(parallel=None, model=None, **sections):
  wrap, axis = (parallel.wrap_optimizer, parallel.batch_norm_axis) if parallel else (lambda tx: tx, None)
  config = {'task': 'classification', 'model': {**CNN, **(model or {})}, 'data': {'image_size': 8}, **sections}
  return TASKS['classification'](Experiment.from_config(config), lambda scale: wrap(optax.adam(1e-2 * scale)), axis)


def make_batch(number):
  """Noise; brighter in the half, or the halves, that the label says."""
  labels = RNG.integers(0, 3, number).astype(np.int32)
  images = RNG.normal(60, 20, (number, 8, 8, 1))
  images[labels != 1, :, :4] += 60
  images[labels != 0, :, 4:] += 60
  return {'image': np.clip(images, 0, 255).astype(np.uint8), 'label': labels}


def source_of(batch):
  return ArraySource('halves', batch['image'], batch['label'], data.DataOptions(image_size=8), NAMES)


def test_it_learns_where_the_light_is():
  task = make_task(augment={'shift': 1}, train={'ema_decay': 0.9})
  state = task.init(KEY, make_batch(1))
  step = jax.jit(task.train_step)
  for i in range(60):
    state, scalars = step(state, make_batch(16), jax.random.fold_in(KEY, i))
  assert state.step == 60 and scalars['accuracy'] > 0.9
  found = task.summarize(jax.tree.map(np.asarray, task.eval_step(state, make_batch(100), KEY)))
  assert found['accuracy'] > 0.97 and found['cross_entropy'] < 0.2


def test_the_average_begins_after_its_start():
  task, batch = make_task(train={'ema_decay': 0.9, 'ema_start': 1}), make_batch(8)
  state, step = task.init(KEY, batch), jax.jit(task.train_step)
  for follows in (True, False):
    state, _ = step(state, batch, KEY)
    net = state.networks['net']
    pairs = zip(jax.tree.leaves(net.ema['params']), jax.tree.leaves(net.params))
    assert all(np.array_equal(a, b) for a, b in pairs) == follows


def test_the_sums_are_those_of_scikit_learn():
  task, batch = make_task(), make_batch(7)
  state = task.init(KEY, batch)
  batch['weight'] = np.array([1, 1, 0, 1, 1, 0, 1], np.float32)
  sums = jax.tree.map(np.asarray, task.eval_step(state, batch, KEY))
  counted = batch['weight'] > 0
  logits = task.outputs(state, batch['image'])[0][counted].astype(np.float64)
  truth = batch['label'][counted]
  np.testing.assert_array_equal(sums['confusion'], confusion_matrix(truth, logits.argmax(-1), labels=range(3)))
  shares = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
  assert task.summarize(sums)['cross_entropy'] == pytest.approx(log_loss(truth, shares, labels=range(3)), rel=1e-5)
  assert sums['count'] == 5


@pytest.mark.parametrize('mode', ['jit', 'pmap'])
def test_evaluation_over_devices_is_that_of_one_exactly(mode):
  batch, found = make_batch(10), []
  for parallel, size in (
    (Parallel(ParallelOptions('jit'), jax.devices()[:1]), 10),
    (Parallel(ParallelOptions(mode)), 4),
  ):
    task = make_task(parallel)
    state = parallel.put_state(task.init(KEY, batch))
    step, total = parallel.eval_step(task), None
    for part in data.EvalBatches(source_of(batch), size):
      sums = parallel.fetch(step(state, parallel.put_batch(part), KEY))
      total = sums if total is None else jax.tree.map(np.add, total, sums)
    found.append(total)
  np.testing.assert_array_equal(found[0]['confusion'], found[1]['confusion'])
  np.testing.assert_allclose(found[0]['nats'], found[1]['nats'], rtol=1e-5)


def test_pmap_trains_as_jit_does():
  batch, states = make_batch(8), []
  batch['noise_key'] = np.asarray(jax.random.key_data(jax.random.split(KEY, 8)))
  for mode in ('jit', 'pmap'):
    parallel = Parallel(ParallelOptions(mode))
    task = make_task(parallel, augment={'flip': True, 'shift': 2})
    state = parallel.put_state(task.init(KEY, batch))
    step = parallel.train_step(task)
    for _ in range(2):
      state, scalars = step(state, parallel.put_batch(batch), KEY)
    states.append((parallel.get_state(state).networks['net'].params, parallel.fetch(scalars)['loss']))
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-4), *states)


def test_outputs_do_not_depend_on_how_images_are_batched():
  batch = make_batch(11)
  tasks = [make_task(eval={'batch_size': size}) for size in (4, 64)]
  state = tasks[0].init(KEY, batch)
  (logits, features), (whole, _) = (task.outputs(state, batch['image']) for task in tasks)
  assert logits.shape == (11, 3) and features.shape == (11, 8)
  np.testing.assert_allclose(logits, whole, atol=1e-5)


def test_smoothing_changes_the_loss_and_not_the_evaluation():
  batch, found = make_batch(6), []
  for smoothing in (0.0, 0.5):
    task = make_task(objective={'label_smoothing': smoothing})
    state = task.init(KEY, batch)
    found.append((jax.jit(task.train_step)(state, batch, KEY)[1]['loss'], task.eval_step(state, batch, KEY)['nats']))
  assert found[0][0] != found[1][0] and found[0][1] == found[1][1]


def test_names_come_from_the_source_and_numbers_have_to_agree():
  task, batch = make_task(), make_batch(3)
  assert task.class_names == ('0', '1', '2')
  task.inspect_source(source_of(batch))
  assert task.class_names == NAMES
  assert task.describe(np.array([0, 2]), np.array([[2.0, 0, 0], [0, 1, 0]])) == ['left', 'both -> right']
  with pytest.raises(UserError, match='model.num_classes=4: halves has 3 classes; set model.num_classes'):
    make_task(model={'num_classes': 4}).inspect_source(source_of(batch))
  unlabelled = ArraySource('noise', batch['image'], None, data.DataOptions(image_size=8))
  with pytest.raises(UserError, match='noise has no labels; choose a source with labels'):
    task.inspect_source(unlabelled)


def test_a_picture_of_ones_own_and_pictures_of_a_run():
  task, batch = make_task(), make_batch(5)
  state = task.init(KEY, batch)
  own = RNG.integers(0, 256, (30, 41, 4)).astype(np.uint8)
  (picture,) = task.transform_image(state, own).values()
  assert picture.dtype == np.uint8 and picture.shape[0] > 256 + 3 * 10 and picture.shape[1] == 256
  drawn = task.pictures(state, batch, KEY)
  assert set(drawn) == {'predictions'} and drawn['predictions'].dtype == np.uint8
  assert task.batch_shapes(4)['label'] == jax.ShapeDtypeStruct((4,), jnp.int32)


def test_a_crop_has_no_place_here():
  with pytest.raises(UserError, match='augment.crop=4 has no effect'):
    make_task(augment={'crop': 4})
