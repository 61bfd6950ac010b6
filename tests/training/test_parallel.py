"""Every way to run a step gives the numbers of one device."""

import hashlib
import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from deconv.errors import UserError
from deconv.options import ParallelOptions
from deconv.tasks.state import State
from deconv.tasks.task import Task
from deconv.training import parallel as parallel_lib
from deconv.training.parallel import Parallel
from tests.training import tiny

KEY = jax.random.key(7)
PMAP = ParallelOptions('pmap')


def make_task(parallel, **kwargs):
  return tiny.make(parallel.wrap_optimizer(optax.adam(1e-2)), parallel.batch_norm_axis, **kwargs)


def batch_with_noise(step):
  batch = tiny.make_batch(step)
  batch['latent'] = np.random.default_rng([step, 1]).normal(size=batch['image'].shape).astype(np.float32)
  return batch


def run(parallel, batches, steps_per_call=1, **kwargs):
  """Final state on the host, and the scalars of each step."""
  task = make_task(parallel, **kwargs)
  state = parallel.put_state(task.init(KEY, batches[0]))
  step, scalars = parallel.train_step(task, steps_per_call), []
  for i in range(0, len(batches), steps_per_call):
    part = batches[i : i + steps_per_call]
    if steps_per_call > 1:
      part = [{name: np.stack([batch[name] for batch in part]) for name in part[0]}]
    state, new = step(state, parallel.put_batch(part[0], stacked=steps_per_call > 1), KEY)
    scalars.append(parallel.fetch(new))
  return parallel.get_state(state), np.concatenate([np.atleast_1d(s['loss']) for s in scalars])


def assert_close(a, b, **tolerance):
  jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, **tolerance), a, b)


def one_device():
  return Parallel(devices=jax.devices()[:1])


@pytest.fixture(scope='module')
def reference():
  return run(one_device(), [batch_with_noise(i) for i in range(3)])


@pytest.mark.parametrize(
  'parallel', [Parallel(), Parallel(PMAP), Parallel(PMAP, jax.devices()[:2])], ids=['jit4', 'pmap4', 'pmap2']
)
def test_many_devices_equal_one(parallel, reference):
  """Noise passed in; float32 sums in another order are all that differs."""
  state, losses = run(parallel, [batch_with_noise(i) for i in range(3)])
  np.testing.assert_allclose(losses, reference[1], rtol=1e-5)
  assert_close(state, reference[0], rtol=1e-4, atol=1e-6)


def test_local_batch_norm_is_not_synchronised(reference):
  state, _ = run(Parallel(ParallelOptions('pmap', 'local')), [batch_with_noise(i) for i in range(3)])
  dense = lambda state: state.networks['net'].params['dense']
  assert np.abs(dense(state) - dense(reference[0])).max() > 1e-4


def test_jit_draws_the_same_noise_on_any_number_of_devices():
  batches = [tiny.make_batch(i) for i in range(2)]
  assert_close(run(one_device(), batches), run(Parallel(), batches), rtol=1e-4, atol=1e-6)


def test_pmap_keeps_one_state_though_each_device_draws_its_own_noise():
  parallel = Parallel(PMAP)
  task = make_task(parallel)
  batch = tiny.make_batch(0)
  state, scalars = parallel.train_step(task)(parallel.put_state(task.init(KEY, batch)), parallel.put_batch(batch), KEY)
  for leaf in jax.tree.leaves((state, scalars)):
    shards = [np.asarray(shard.data) for shard in leaf.addressable_shards]
    assert len(shards) == 4 and all(np.array_equal(shards[0], shard) for shard in shards)


class Draws(Task):
  """Its only scalar is a random number."""

  def train_step(self, state, batch, key):
    return state.replace(step=state.step + 1), {'number': jax.random.uniform(key)}


@pytest.mark.parametrize('mode', ['jit', 'pmap'])
def test_the_key_is_a_function_of_the_run_the_step_and_the_device(mode):
  parallel = Parallel(ParallelOptions(mode))
  state = State(step=jnp.int32(5), networks={})
  step = parallel.train_step(Draws(None, None, None), steps_per_call=2)
  batch = parallel.put_batch({'image': np.zeros((2, 4, 1), np.uint8)}, stacked=True)
  numbers = parallel.fetch(step(parallel.put_state(state), batch, KEY)[1])['number']
  keys = [jax.random.fold_in(KEY, i) for i in (5, 6)]
  if mode == 'jit':
    expected = [jax.random.uniform(key) for key in keys]
  else:
    expected = [np.mean([jax.random.uniform(jax.random.fold_in(key, i)) for i in range(4)]) for key in keys]
  np.testing.assert_allclose(numbers, expected, rtol=1e-6)


@pytest.mark.parametrize('mode', ['jit', 'pmap'])
def test_several_steps_a_call_equal_single_steps(mode):
  batches = [tiny.make_batch(i) for i in range(8)]
  parallel = Parallel(ParallelOptions(mode))
  single, stacked = run(parallel, batches), run(parallel, batches, steps_per_call=4)
  assert_close(single, stacked, rtol=1e-5, atol=1e-7)
  assert single[0].step == stacked[0].step == 8


@pytest.mark.parametrize('mode', ['jit', 'pmap'])
def test_eval_sums_are_those_of_the_whole_batch(mode):
  parallel = Parallel(ParallelOptions(mode))
  task = make_task(parallel)
  batch = dict(tiny.make_batch(0), weight=np.array([1, 1, 1, 1, 1, 0, 0, 0], np.float32))
  state = task.init(KEY, batch)
  expected = task.eval_step(state, batch, KEY)
  sums = parallel.fetch(parallel.eval_step(task)(parallel.put_state(state), parallel.put_batch(batch), KEY))
  assert sums['count'] == 5
  assert_close(sums, expected, rtol=1e-5)


@pytest.mark.parametrize('mode', ['jit', 'pmap'])
def test_donation_leaves_the_given_state_alone(mode):
  parallel = Parallel(ParallelOptions(mode))
  task = make_task(parallel)
  batch = tiny.make_batch(0)
  device_state = task.init(KEY, batch)
  host_state = jax.tree.map(np.array, device_state)
  step = parallel.train_step(task)
  for given in (device_state, host_state):
    state = parallel.put_state(given)
    new, _ = step(state, parallel.put_batch(batch), KEY)
    fetched = parallel.get_state(new)
    before = jax.tree.map(np.copy, fetched)
    step(new, parallel.put_batch(batch), KEY)
    assert jax.tree.leaves(new)[1].is_deleted()  # it was donated
    assert_close(fetched, before, rtol=0)
  assert_close(device_state, host_state, rtol=0)


@pytest.mark.parametrize('mode', ['jit', 'pmap'])
def test_local_state_is_one_replica_on_one_device(mode):
  parallel = Parallel(ParallelOptions(mode))
  state = make_task(parallel).init(KEY, tiny.make_batch(0))
  local = parallel.local_state(parallel.put_state(state))
  assert_close(local, state, rtol=0)
  assert all(len(leaf.sharding.device_set) == 1 for leaf in jax.tree.leaves(local))


class Generates(tiny.TinyTask):
  """Most of its work is done on images that it draws."""

  def __init__(self, optimizer, declares):
    super().__init__(None, lambda scale: optimizer, None)
    self._declares = declares

  def random_inputs(self, batch, key):
    return {'latent': self._latent(batch, key)} if self._declares else {}

  def _latent(self, batch, key):
    return jax.random.normal(key, (len(batch['image']), 64))

  def train_step(self, state, batch, key):
    latent = batch['latent'] if 'latent' in batch else self._latent(batch, key)
    for _ in range(8):
      latent = jnp.tanh(latent @ jnp.ones((64, 64)))
    return state.replace(step=state.step + 1), {'loss': latent.mean() + batch['image'].mean()}


def test_what_a_task_draws_is_sharded_like_its_batch():
  """Otherwise each device computes the generator for the whole batch."""

  def flops(parallel, declares):
    task = Generates(optax.sgd(0.1), declares)
    batch = tiny.make_batch(0, size=64)
    step = parallel.train_step(task)
    lowered = step.lower(parallel.put_state(task.init(KEY, batch)), parallel.put_batch(batch), KEY)
    return lowered.compile().cost_analysis()['flops']

  whole = flops(one_device(), True)
  assert flops(Parallel(), True) < 0.4 * whole
  assert flops(Parallel(), False) > 0.8 * whole  # the reason for `random_inputs`


def test_a_second_trace_is_an_error():
  parallel = one_device()
  task = make_task(parallel)
  step = parallel.train_step(task)
  state = parallel.put_state(task.init(KEY, tiny.make_batch(0)))
  state, _ = step(state, parallel.put_batch(tiny.make_batch(0)), KEY)
  with pytest.raises(AssertionError, match='traced twice.*8,6,6,1.* -> .*4,6,6,1'):
    step(state, parallel.put_batch(tiny.make_batch(0, size=4)), KEY)


@pytest.mark.parametrize('mode', ['jit', 'pmap'])
def test_a_batch_that_the_devices_cannot_divide(mode):
  with pytest.raises(UserError, match='6 .*4 devices; make it 4 or 8'):
    Parallel(ParallelOptions(mode)).put_batch(tiny.make_batch(0, size=6))


@pytest.mark.parametrize(
  'kwargs, says',
  [
    (dict(mode='pmpa'), 'choose jit or pmap'),
    (dict(batch_norm='global'), 'choose sync or local'),
    (dict(mode='jit', batch_norm='local'), 'set one of the two'),
  ],
)
def test_unknown_names(kwargs, says):
  with pytest.raises(UserError, match=says):
    ParallelOptions(**kwargs)


class Gathered:
  """Stands for another process: answers each gathering with what that one, which has `facts`, would send."""

  def __init__(self, facts):
    self._sent = []
    names = sorted(facts)
    for contents in ([names, facts], [facts[name] for name in names]):
      self._sent.append(
        np.stack(
          [
            np.frombuffer(hashlib.sha256(json.dumps(x, sort_keys=True).encode()).digest()[:8], np.uint32)
            for x in contents
          ]
        )
      )

  def __call__(self, mine):
    return np.stack([mine, self._sent.pop(0)])


@pytest.mark.parametrize(
  'theirs, says',
  [
    ({'a': 1, 'b': [1, 2]}, None),
    ({'a': 2, 'b': [1, 2]}, 'agree in a:'),
    ({'a': 2, 'b': 3}, 'agree in a, b:'),
    ({'a': 1, 'c': 3}, 'agree in their fields:'),
  ],
)
def test_what_processes_do_not_agree_in(theirs, says, monkeypatch):
  monkeypatch.setattr(jax, 'process_count', lambda: 2)
  monkeypatch.setattr(parallel_lib.multihost_utils, 'process_allgather', Gathered(theirs))
  if says is None:
    parallel_lib.check_same({'b': [1, 2], 'a': 1})
  else:
    with pytest.raises(UserError, match=says):
      parallel_lib.check_same({'a': 1, 'b': [1, 2]})


def test_one_process_agrees_with_itself():
  parallel_lib.check_same({'a': object()})  # not even looked at
