"""Inverse graphics: what reaches the encoder, and a small scene whose latents find their factors."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from deconv import data
from deconv.configs import base, dcign_scenes
from deconv.data import sources
from deconv.data.rendered.factors import FactorSource
from deconv.errors import UserError
from deconv.evaluators import EVALUATORS
from deconv.options import EvalOptions, Experiment
from deconv.tasks import TASKS
from deconv.tasks.inverse_graphics import InverseGraphics
from deconv.training.parallel import Parallel

KEY = jax.random.key(0)
DATA = {'source': 'spots', 'image_size': 12, 'vary': (1.0, 1.0, 1.0, 2.0)}
OPTIONS = data.DataOptions(**DATA)


def paint(factors):
  """Spots: x, y, brightness, and one of ten widths and heights."""
  x, y, light, shape = (column[:, None, None] for column in np.asarray(factors).T)
  across, down = np.arange(12)[None, None, :], np.arange(12)[None, :, None]
  wide, tall = 2 + 0.2 * (shape % 4), 2 + 0.3 * (shape // 4)
  spot = np.exp(-0.5 * (((across - 3 - 0.4 * x) / wide) ** 2 + ((down - 3 - 0.4 * y) / tall) ** 2) ** 2)
  return np.round(spot * (20 + 16 * light)).astype(np.uint8)[..., None]


def open_spots(options, split):
  del split
  return FactorSource('spots', options, {'azimuth': 15, 'elevation': 15, 'light': 15, 'shape': 10}, paint, 1)


def make_task(make_optimizer=lambda scale: optax.adam(scale * 3e-3), hidden=64, **objective):
  return InverseGraphics(
    Experiment.from_config(
      {
        'task': 'inverse_graphics',
        'model': {'name': 'vae_mlp', 'hidden': hidden, 'latent_size': 6},
        'data': DATA,
        'objective': objective,
        'samples': {'num': 4},
      }
    ),
    make_optimizer,
    None,
  )


def batches():
  return data.TrainBatches(open_spots(OPTIONS, 'train'), 20, 0, OPTIONS)


def test_only_the_active_latents_learn_from_the_picture():
  """The bias of a latent's unit sums its gradient over the batch; differences from the mean add up to nothing there."""
  task = make_task(invariance=10.0)
  batch = next(batch for batch in map(batches().at, range(100)) if batch['varies'][0] == 1)
  params = task.init(KEY, batch).networks['vae'].params
  batch = {**batch, **task.random_inputs(batch, KEY)}
  grads = jax.jit(jax.grad(lambda params, batch: task.loss(params, batch, 0)[0]))(params, batch)
  bias = np.abs(np.asarray(grads['encoder']['posterior']['bias'])).reshape(2, 6)  # means, log-variances
  assert (bias[:, 1] > 1e-3).all() and bias[:, [0, 2, 3, 4, 5]].max() < 1e-4
  kernel = np.abs(np.asarray(grads['encoder']['posterior']['kernel'])).max(axis=0).reshape(2, 6)
  assert (kernel > 1e-4).all()  # the invariance gradient reaches them all

  task = make_task(invariance=0.0)
  grads = jax.jit(jax.grad(lambda params, batch: task.loss(params, batch, 0)[0]))(params, batch)
  kernel = np.abs(np.asarray(grads['encoder']['posterior']['kernel'])).max(axis=0).reshape(2, 6)
  assert (kernel[:, 1] > 1e-3).all() and kernel[:, [0, 2, 3, 4, 5]].max() == 0


def test_the_decoder_sees_one_value_of_a_clamped_latent(monkeypatch):
  task = make_task()
  batch = batches().at(0)
  batch['varies'][:] = 2
  seen = []

  def decode(params, z):
    seen.append(np.asarray(z).reshape(-1, z.shape[-1]))
    return jnp.zeros((*z.shape[:-1], 12, 12, 1))

  monkeypatch.setattr(task, 'decode', decode)
  monkeypatch.setattr(task, 'noise', lambda keys, name, samples: jnp.zeros((samples, len(keys), 6)))
  task.loss(task.init(KEY, batch).networks['vae'].params, {**batch, **task.random_inputs(batch, KEY)}, 0)
  spread = np.ptp(seen[0], axis=0)
  assert spread[2] > 1e-4 and spread[[0, 1, 3, 4, 5]].max() < 1e-7


@pytest.mark.parametrize('clamp', ['mean', 'first'])
def test_loss_by_hand(clamp):
  """The bound of the clamped code, and the invariance of the encoder's own means and log-variances."""
  task = make_task(clamp=clamp, invariance=0.5, hidden=8)
  batch = batches().at(0)
  batch['varies'][:] = 3  # the last factor has the latents from its own on
  params = task.init(KEY, batch).networks['vae'].params
  batch = {**batch, **task.random_inputs(batch, KEY)}
  (loss, scalars), plain = jax.jit(lambda: (task.loss(params, batch, 0), task.bound(params, batch, 1)))()
  active = np.arange(6) >= 3
  encoded = [np.asarray(codes, np.float64) for codes in plain.encoded]
  stand_in = {'mean': lambda codes: codes.mean(0), 'first': lambda codes: codes[0]}[clamp]
  mean, log_variance = (np.where(active, codes, stand_in(codes)) for codes in encoded)
  rate = 0.5 * (mean**2 + np.exp(log_variance) - 1 - log_variance).sum(-1).mean()
  logits = np.asarray(task.decode(params, mean + np.exp(log_variance / 2) * plain.noise[0]), np.float64)
  distortion = (np.logaddexp(0, logits) - batch['image'] / 255 * logits).sum((1, 2, 3)).mean()
  invariance = sum(0.5 * (np.where(active, 0, codes - codes.mean(0)) ** 2).sum(-1).mean() for codes in encoded)
  assert {name: float(value) for name, value in scalars.items()} == pytest.approx(
    {
      'loss': distortion + rate + 0.5 * invariance,
      'neg_elbo': distortion + rate,
      'distortion': distortion,
      'rate': rate,
      'invariance': invariance,
    },
    rel=1e-4,
  )
  assert float(loss) == float(scalars['loss']) and invariance > 1e-3


def test_a_step_is_traced_by_the_shapes_of_a_batch():
  task, batch = make_task(), batches().at(0)
  shapes = task.batch_shapes(20)
  assert shapes == {name: jax.ShapeDtypeStruct(batch[name].shape, batch[name].dtype) for name in ('image', 'varies')}
  assert shapes['varies'] == jax.ShapeDtypeStruct((20,), jnp.int32)
  state = jax.eval_shape(task.init, KEY, shapes)
  _, scalars = jax.eval_shape(task.train_step, state, shapes, KEY)
  assert set(scalars) == {'loss', 'neg_elbo', 'distortion', 'rate', 'invariance'}


@functools.lru_cache
def trained():
  task, feed = make_task(), batches()
  steps = 2000
  held = [feed.at(step) for step in range(steps)]
  stacked = {name: np.stack([batch[name] for batch in held]) for name in held[0]}

  def step(state, batch):
    return task.train_step(state, batch, jax.random.fold_in(KEY, state.step))

  state, scalars = jax.jit(lambda state: jax.lax.scan(step, state, stacked))(task.init(KEY, held[0]))
  return task, state, jax.tree.map(np.asarray, scalars)


def test_latents_find_their_factors(monkeypatch):
  task, state, scalars = trained()
  assert scalars['loss'][-100:].mean() < scalars['loss'][:20].mean() - 5
  monkeypatch.setitem(sources.SOURCES, 'spots', open_spots)
  numbers, pictures, protocol = EVALUATORS['factor_sweeps'].measure(
    task, state, open_spots(OPTIONS, 'train'), jax.random.key(3), EvalOptions(num_samples=400)
  )
  for factor in ('azimuth', 'elevation', 'light'):
    assert numbers[f'{factor}_monotone'] > 0.95, numbers
    assert numbers[f'{factor}_selective'] > 0.6, numbers
  each = [numbers[f'{factor}_selective'] for factor in ('azimuth', 'elevation', 'light')]
  assert numbers['selective'] == pytest.approx(np.mean(each))
  assert protocol['scenes'] == 400 // 15 and pictures['knobs'].shape == (4 * 14 + 2, 10 * 14 + 2, 1)


def test_knobs_turn_what_they_say():
  """The knob of azimuth moves the decoded spot across, that of elevation down, that of light makes it brighter."""
  task, state, _ = trained()
  image = paint([[7, 7, 7, 4]])
  means = np.tile(task.means(state, image), (2, 1))

  def decoded(latent):
    codes = means.copy()
    codes[:, latent] = -1.5, 1.5
    images = (task.generate(state, codes)[..., 0] + 1) / 2
    place = np.arange(12)
    return np.array([[(x.sum(0) * place).sum() / x.sum(), (x.sum(1) * place).sum() / x.sum(), x.max()] for x in images])

  moved = np.abs(np.array([np.diff(decoded(latent), axis=0)[0] for latent in range(3)])) / [3, 3, 0.5]
  assert (np.argmax(moved, axis=1) == [0, 1, 2]).all(), moved
  assert (np.diag(moved) > 0.2).all(), moved


def test_knobs_picture_begins_with_the_scene():
  task = make_task()
  state = task.init(KEY, batches().at(0))
  images = paint([[7, 7, 7, 4], [3, 9, 2, 1]])
  picture = task.knobs(state, images)
  for row in range(4):
    assert np.array_equal(picture[2 + 14 * row : 14 + 14 * row, 2:14], images[0])


def test_one_device_equals_four():
  """The minibatch is the global one under jit, so its mean is that of all devices."""
  batch = batches().at(3)
  found = []
  for devices in (jax.devices()[:1], jax.devices()[:4]):
    parallel = Parallel(devices=devices)
    task = make_task(lambda scale: optax.sgd(scale * 1e-2), hidden=8)
    state = parallel.put_state(jax.tree.map(np.asarray, task.init(KEY, batch)))
    state, scalars = parallel.train_step(task)(state, parallel.put_batch(batch), KEY)
    found.append((parallel.get_state(state), parallel.fetch(scalars)))
  for a, b in zip(jax.tree.leaves(found[0]), jax.tree.leaves(found[1])):
    assert a == pytest.approx(b, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(
  'changes, message',
  [
    ({'data.vary': ()}, 'set data.vary'),
    ({'model.latent_size': 3}, 'model.latent_size=3'),
    ({'objective.clamp': 'median'}, 'objective.clamp'),
    ({'objective.invariance': -1.0}, 'objective.invariance'),
    ({'objective.name': 'iwae'}, 'set it to elbo'),
  ],
)
def test_mistakes(changes, message):
  config = base.get_config(model='dcign', task='inverse_graphics')
  config.data.vary = (1.0, 1.0, 1.0, 10.0)
  config.update_from_flattened_dict(changes)
  with pytest.raises(UserError, match=message):
    Experiment.from_config(config)


@pytest.mark.parametrize('variant, conv_2, clamp', [('', None, 'mean'), ('paper', 64, 'mean'), ('code', 48, 'first')])
def test_variants_of_the_config(variant, conv_2, clamp):
  config = dcign_scenes.get_config(variant)
  task = TASKS[config.task](Experiment.from_config(config), optax.adam, None)
  objective = task.options.objective
  assert objective.clamp == clamp and task.num_factors == 4
  if conv_2:
    assert task.encoder.features[1] == conv_2 and task.image_shape == (150, 150, 1) and task.latent.size == 200
    assert config.data.vary[-1] == {'paper': 10, 'code': 15}[variant]
    assert objective.invariance == {'paper': 0.01, 'code': 0.0}[variant]
