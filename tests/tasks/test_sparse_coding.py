"""The task sparse_coding: it learns, layer after layer; maps are kept; devices, resumption and refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from deconv import data
from deconv.configs import base
from deconv.data.source import ArraySource
from deconv.data.transforms.contrast import normalize_contrast
from deconv.errors import UserError
from deconv.metrics import image_quality
from deconv.models.deconvolutional_network import filter_step
from deconv.options import Experiment, ParallelOptions
from deconv.tasks import TASKS
from deconv.tasks.sparse_coding import decibels
from deconv.training import experiment, loop
from deconv.training.parallel import Parallel
from tests.training.test_loop import read

KEY = jax.random.key(0)
RNG = np.random.default_rng(0)
TWO = {
  'model': {'maps': (2, 3), 'kernel_sizes': (3, 3), 'connectivity': ('full', 'singles_and_doubles')},
  'objective': {'num_images': 8, 'contrast': 'global', 'data_weight': (5.0,), 'layer_steps': (3,)},
}


def make_task(parallel=None, model=None, objective=None, **sections):
  wrap, axis = (parallel.wrap_optimizer, parallel.batch_norm_axis) if parallel else (lambda tx: tx, None)
  config = {
    'task': 'sparse_coding',
    'data': {'image_size': 12},
    'model': {**TWO['model'], **(model or {})},
    'objective': {**TWO['objective'], **(objective or {})},
    **sections,
  }
  task = TASKS['sparse_coding'](Experiment.from_config(config), lambda scale: wrap(optax.sgd(scale)), axis)
  task.data_axis = parallel.data_axis if parallel else None
  return task


def make_batch(number=8):
  """Edges of several directions in noise."""
  rows, columns = np.mgrid[:12, :12] - 5.5
  images = [np.cos(a) * rows + np.sin(a) * columns > 0 for a in np.linspace(0, np.pi, number, endpoint=False)]
  images = 90 + 80 * np.array(images)[..., None] + np.random.default_rng(1).normal(0, 5, (number, 12, 12, 1))
  return {'image': images.astype(np.uint8), 'index': np.arange(number, dtype=np.int32)}


def maps_of(state, name):
  return np.asarray(state.networks['net'].memory['maps'][name])


def test_layers_are_trained_one_after_the_other():
  task, batch = make_task(), make_batch()
  state, lines = task.init(KEY, batch), []
  states, step = [state], jax.jit(task.train_step)
  for _ in range(6):
    state, scalars = step(state, batch, KEY)
    states.append(state)
    lines.append({name: float(value) for name, value in scalars.items()})
  assert [line['layer'] for line in lines] == [1, 1, 1, 2, 2, 2]
  for layer, (first, last) in enumerate([(0, 2), (3, 5)]):
    assert lines[last]['loss'] < lines[first]['loss'] and 0 < lines[last]['nonzero'] < 1
    name, other = ('layer1', 'layer2')[:: 1 - 2 * layer]
    params = [state.networks['net'].params for state in (states[first], states[last + 1])]
    assert not np.array_equal(params[0][name], params[1][name])
    np.testing.assert_array_equal(params[0][other], params[1][other])
    np.testing.assert_array_equal(maps_of(states[first], other), maps_of(states[last + 1], other))
  assert lines[2]['psnr'] > lines[0]['psnr']


def test_maps_are_kept_by_the_number_of_the_image():
  task, batch = make_task(), make_batch()
  state = task.init(KEY, batch)
  step = jax.jit(task.train_step)
  some = {name: x[[5, 2]] for name, x in batch.items()}
  state, _ = step(state, some, KEY)
  kept = maps_of(state, 'layer1')
  used = np.abs(kept).sum(axis=(1, 2, 3)) > 0
  np.testing.assert_array_equal(used, np.isin(np.arange(8), [2, 5]))
  # The next step begins with them: another start, other maps.
  again, _ = step(state, some, KEY)
  forgetful = state.networks['net'].replace(memory=task.init(KEY, batch).networks['net'].memory)
  cold, _ = step(state.replace(networks={'net': forgetful}), some, KEY)
  assert not np.array_equal(maps_of(again, 'layer1'), maps_of(cold, 'layer1'))


def test_pmap_trains_as_jit_does():
  batch, states = make_batch(), []
  for mode in ('jit', 'pmap'):
    parallel = Parallel(ParallelOptions(mode))
    task = make_task(parallel, objective={'layer_steps': (1,)})
    state = parallel.put_state(task.init(KEY, batch))
    step = parallel.train_step(task)
    for _ in range(2):
      state, scalars = step(state, parallel.put_batch(batch), KEY)
    states.append((parallel.get_state(state), parallel.fetch(scalars)['loss']))
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-3), *states)


def test_evaluation_is_what_explain_says():
  task, batch = make_task(eval={'batch_size': 4}), make_batch(6)
  state = task.init(KEY, batch)
  images = data.to_signed(batch['image'])
  pixels, maps = task.explain(state, images)
  assert maps['layer2'].shape == (6, 16, 16, 3) and pixels['layer1'].shape == (6, 12, 12, 1)
  batch['weight'] = np.float32([1, 1, 0, 1, 1, 1])
  sums = jax.tree.map(np.asarray, jax.jit(task.eval_step)(state, batch, KEY))
  found = task.summarize(sums)
  counted = batch['weight'] > 0
  for layer in ('layer1', 'layer2'):
    want = float(np.mean(np.asarray(image_quality.psnr(pixels[layer], images))[counted]))
    assert found[f'psnr_{layer}'] == pytest.approx(want, abs=1e-2)
  assert found['psnr'] == found['psnr_layer2'] and found['psnr_layer1'] > 10
  assert found['nonzero'] == pytest.approx(
    np.mean([np.mean(np.abs(one) > 1e-3 * np.abs(one).max()) for one in maps['layer1'][counted]]), abs=2e-3
  )


def test_missing_pixels_tell_nothing():
  task, batch = make_task(objective={'contrast': 'local'}), make_batch(2)
  state, images = task.init(KEY, batch), np.asarray(data.to_signed(batch['image']))
  weights = (RNG.uniform(size=(2, 12, 12, 1)) < 0.7).astype(np.float32)
  found, _ = task.explain(state, images, weights)
  other, _ = task.explain(state, np.where(weights > 0, images, 1.0), weights)
  np.testing.assert_allclose(found['layer1'], other['layer1'], atol=1e-3)


def test_decibels_of_stretched_images():
  """By hand; scale and level of a reconstruction do not matter there."""
  images = make_batch(2)['image']
  normalized = normalize_contrast(data.to_signed(images), 'global')
  found = decibels(3 * normalized.values + 1, normalized, images)
  np.testing.assert_allclose(found['psnr_stretched'], 100, atol=1e-2)
  assert np.all(np.asarray(found['psnr']) < 30) and np.all(np.asarray(found['snr']) < 0)
  values = np.float32([0, 1, 2, 4]).reshape(1, 2, 2, 1)
  other = np.float32([0, 2, 2, 4]).reshape(1, 2, 2, 1)  # 0 0.5 0.5 1 beside 0 0.25 0.5 1
  found = decibels(other, normalize_contrast(values, 'none'), np.zeros((1, 2, 2, 1), np.uint8))
  np.testing.assert_allclose(found['psnr_stretched'], -10 * np.log10(0.25**2 / 4), rtol=1e-4)
  np.testing.assert_allclose(found['snr'], 10 * np.log10(21 / 1), rtol=1e-4)


def test_hidden_pixels_are_learned_from_by_nobody():
  """Which are hidden is a function of the image. Maps and filters are those of images with anything else there."""
  task, batch = make_task(objective={'hidden': 0.5, 'contrast': 'none'}), make_batch()
  known = np.asarray(task._known(batch['image']))
  assert known.shape == (8, 12, 12, 1) and set(np.unique(known)) == {0, 1} and 0.4 < known.mean() < 0.6
  np.testing.assert_array_equal(task._known(batch['image'][[5, 2]]), known[[5, 2]])
  assert not np.array_equal(known[0], known[1])
  state = task.init(KEY, batch)
  new, scalars = jax.jit(task.train_step)(state, batch, KEY)
  filters = state.networks['net'].params
  other = jnp.where(known > 0, data.to_signed(batch['image']), 7.0)
  start = {name: jnp.zeros_like(maps) for name, maps in state.networks['net'].memory['maps'].items()}
  maps = task.network.improve(filters, 0, other, known, task.objective, start)['layer1']
  np.testing.assert_allclose(maps_of(new, 'layer1'), maps, atol=1e-3)
  want, _ = filter_step(filters['layer1'], maps, other, task.objective.filter_steps, weights=known)
  np.testing.assert_allclose(new.networks['net'].params['layer1'], want, atol=1e-2)
  assert scalars['psnr_stretched'] > 0 and task.protocol(state)['hidden'] == 0.5


def test_a_smooth_map_explains_what_changes_slowly():
  """A ramp costs the sparse maps much, and the smooth map nothing but its slope; it is put back to the pixels."""
  rows, columns = np.mgrid[:12, :12]
  ramps = np.stack([20 * rows, 10 * rows + 10 * columns])[..., None].astype(np.uint8)
  batch = {'image': ramps, 'index': np.arange(2, dtype=np.int32)}
  one_layer = {'maps': (2,), 'kernel_sizes': (3,), 'connectivity': ('full',)}
  fields = {'num_images': 2, 'inference': 'fista', 'iterations': 20, 'layer_steps': ()}
  found = []
  for more in ({}, {'smooth': True, 'smooth_weight': 0.1}):
    task = make_task(model=one_layer, objective={**fields, **more})
    state, step = task.init(KEY, batch), jax.jit(task.train_step)
    for _ in range(2):
      state, scalars = step(state, batch, KEY)
    pixels, maps = task.explain(state, data.to_signed(batch['image']))
    numbers = task.summarize(jax.tree.map(np.asarray, jax.jit(task.eval_step)(state, batch, KEY)))
    want = np.mean(np.asarray(image_quality.psnr(pixels['layer1'], data.to_signed(batch['image']))))
    assert numbers['psnr'] == pytest.approx(float(want), abs=1e-2)
    assert task.protocol(state).get('smooth_weight') == more.get('smooth_weight')
    found.append((float(scalars['loss']), numbers['objective'], maps))
  (loss, objective, _), (smooth_loss, smooth_objective, maps) = found
  assert smooth_loss < 0.5 * loss and smooth_objective < 0.5 * objective
  assert set(maps) == {'layer1', 'smooth'} and maps['smooth'].shape == (2, 14, 14, 1)


def test_pictures():
  task, batch = make_task(), make_batch()
  drawn = task.pictures(task.init(KEY, batch), batch, KEY)
  assert set(drawn) == {'filters_layer1', 'filters_layer2', 'reconstructions'}
  assert all(image.dtype == np.uint8 and image.ndim == 3 for image in drawn.values())
  assert drawn['filters_layer1'].shape == (52, 102, 1)  # two filters of 48 pixels and white between
  assert drawn['filters_layer1'].max() == 255 or drawn['filters_layer1'].min() == 0


def test_a_picture_of_ones_own():
  task, batch = make_task(objective={'contrast': 'local'}), make_batch()
  state = task.init(KEY, batch)
  found = task.transform_image(state, RNG.integers(0, 256, (15, 20, 4)).astype(np.uint8))
  assert set(found) == {'', 'layer1', 'layer2'} and found[''].shape == (15, 20, 1) and found[''].dtype == np.uint8
  with pytest.raises(UserError, match='5x20 pixels are too few .* give a larger one'):
    task.transform_image(state, np.zeros((5, 20, 1), np.uint8))


def test_the_number_of_images_has_to_agree():
  images = make_batch(5)['image']
  source = ArraySource('edges', images, None, data.DataOptions(image_size=12))
  with pytest.raises(UserError, match='objective.num_images=8, and edges has 5; set it to 5'):
    make_task().inspect_source(source)
  make_task(objective={'num_images': 5}).inspect_source(source)


@pytest.mark.parametrize(
  'sections, sentence',
  [
    ({'train': {'dtype': 'bfloat16'}}, "train.dtype='bfloat16' has too few digits for conjugate gradients"),
    ({'train': {'ema_decay': 0.9}}, 'averages of normalised filters are not normalised'),
    ({'train': {'steps': 3}}, 'the last layer would never be trained'),
    ({'optimizer': {'learning_rate': 0.1}}, 'the section optimizer has no effect'),
    ({'data': {'flip': True}}, 'data.flip mirrors images at random'),
    ({'objective': {'power': (1.2,)}}, 'objective.power=.* at most 1'),
    ({'objective': {'data_weight': (0.0,)}}, 'objective.data_weight=.* above 0'),
    ({'objective': {'data_weight': (1.0, 1.0, 1.0)}}, 'has 3 values for 2 layers'),
    ({'objective': {'layer_steps': ()}}, 'give 1 of them for the 2 of model.maps'),
    ({'objective': {'iterations': 3}}, "objective.iterations=3 has no effect here .*objective.inference='fista'"),
    ({'objective': {'inference': 'fista', 'cg_steps': 3}}, 'objective.cg_steps=3 has no effect here'),
    ({'objective': {'hidden': 1.0}}, 'objective.hidden=1.0 must be at least 0 and below 1'),
    ({'objective': {'smooth_weight': 2.0}}, 'objective.smooth_weight=2.0 has no effect here .*objective.smooth=True'),
    ({'objective': {'smooth': True, 'smooth_weight': 0.0}}, 'objective.smooth_weight=0.0 must be above 0'),
    ({'model': {'maps': (2, 4)}}, '2 maps have 3 singles and doubles'),
    ({'model': {'maps': (2,)}}, 'an entry for each layer'),
    ({'model': {'connectivity': ('random_doubles', 'full')}}, 'the first layer has no maps below'),
    ({'model': {'connectivity': ('full', 'doubles')}}, "model.connectivity has 'doubles'"),
    ({'model': {'upsample': 'subpixel'}}, 'has no layer that enlarges'),
  ],
)
def test_mistakes(sections, sentence):
  with pytest.raises(UserError, match=sentence) as error:
    make_task(**sections)
  assert '\n' not in str(error.value)


def train(folder, **fields):
  config = base.get_config(model='deconvolutional_network', task='sparse_coding')
  config.update_from_flattened_dict(
    {
      'compilation_cache': '',
      'data.image_size': 8,
      'data.per_class': 1,
      'objective.num_images': 10,
      'objective.contrast': 'global',
      'objective.layer_steps': (3,),
      'model.maps': (2, 3),
      'model.kernel_sizes': (3, 3),
      'model.connectivity': ('full', 'singles_and_doubles'),
      'train.batch_size': 4,
      'train.steps': 6,
      'log.every': 2,
      'log.tensorboard': False,
      'checkpoint.every': 2,
      'samples.every': 0,
      'samples.first': 0,
      'eval.batch_size': 100,
      **fields,
    }
  )
  return loop.train(experiment.prepare(config), folder)


@pytest.mark.parametrize('smooth', [False, True])
def test_a_run_that_breaks_off_resumes_exactly(smooth, tmp_path, monkeypatch):
  """Maps and filters, bit for bit, from within the second layer; the smooth map too."""
  fields = {'objective.smooth': smooth}
  straight = train(tmp_path / 'straight', **fields)
  names = ('layer1', 'layer2', *(['smooth'] if smooth else []))
  assert set(straight.networks['net'].memory['maps']) == set(names)
  assert all(np.abs(maps_of(straight, name)).sum() > 0 for name in names)
  call = loop.Loop.call

  def killed(self, state, step, num, batch):
    if step >= 4:
      self.drain()
      self.checkpoints.wait()
      raise KeyboardInterrupt
    return call(self, state, step, num, batch)

  monkeypatch.setattr(loop.Loop, 'call', killed)
  with pytest.raises(KeyboardInterrupt):
    train(tmp_path / 'broken', **fields)
  monkeypatch.undo()
  resumed = train(tmp_path / 'broken', **fields)
  assert read(tmp_path / 'broken', 'run.json')['resumed_from'] == 4
  jax.tree.map(np.testing.assert_array_equal, resumed, straight)


def test_shapes_of_a_batch():
  assert make_task().batch_shapes(4)['index'] == jax.ShapeDtypeStruct((4,), jnp.int32)
