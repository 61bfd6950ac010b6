"""How a step runs on many devices: the only file that says jit of steps, pmap, mesh or sharding.

Two modes, which give the same numbers where they mean the same thing:

- `jit`: one program over a 1-D mesh of all devices. The batch is sharded, the state replicated; the compiler inserts
  the reductions. Batch norm sees the global batch, and a random draw is that of the global batch.
- `pmap`: the program of one device, mapped over all of them with axis name 'batch'. Gradients, scalars and batch
  statistics are averaged with `pmean`. Batch norm is synchronised (`sync`) or sees the share of its device (`local`),
  and each device draws numbers of its own.
"""

import functools
import hashlib
import json

import jax
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec
import numpy as np
import optax

from deconv.errors import UserError
from deconv.options import ParallelOptions

AXIS = 'batch'


class Parallel:
  """Places states and batches on devices, and compiles the steps of a task for them.

  Attributes:
    mode: 'jit' or 'pmap'.
    devices: the devices of all processes.
    device_count: their number.
    process_index, process_count: this process, and how many there are.
    data_axis: the axis name over which the batch is divided, or None.
    batch_norm_axis: the axis name that batch norm has to average over, or None.
  """

  def __init__(self, options=ParallelOptions(), devices=None):
    """Makes the mesh.

    Args:
      options: ParallelOptions.
      devices: the devices to use; None = all.
    """
    self.mode = options.mode
    self.devices = list(devices or jax.devices())
    self.device_count = len(self.devices)
    self.process_index = jax.process_index()
    self.process_count = jax.process_count()
    self.data_axis = AXIS if self.mode == 'pmap' else None
    self.batch_norm_axis = self.data_axis if options.batch_norm == 'sync' else None
    # An explicit Mesh, since those of jax.make_mesh have typed axes, over which a reshape of a sharded dimension fails.
    mesh = Mesh(np.array(self.devices), (AXIS,))
    self._replicated = NamedSharding(mesh, PartitionSpec())
    self._sharded = NamedSharding(mesh, PartitionSpec(AXIS))
    self._sharded_stack = NamedSharding(mesh, PartitionSpec(None, AXIS))
    self._local_count = sum(device.process_index == self.process_index for device in self.devices)
    self._first = jax.jit(lambda tree: jax.tree.map(lambda x: x[0], tree))

  # Placing arrays.

  def check_batch(self, batch_size, field='train.batch_size'):
    """Raises UserError when the devices cannot divide a (global) batch."""
    if batch_size % self.device_count:
      below = batch_size // self.device_count * self.device_count
      near = ' or '.join(str(size) for size in (below, below + self.device_count) if size)
      raise UserError(f'{field}={batch_size} cannot be divided over {self.device_count} devices; make it {near}')

  def put_state(self, state):
    """Returns the state (host or device arrays, one replica, the same in all processes) on all devices.

    The result shares no buffer with the argument, so that it may be donated to a step.
    """

    def put(x):
      x = np.array(x)
      if self.mode == 'jit':
        return jax.make_array_from_callback(x.shape, self._replicated, lambda index: x[index])
      stacked = np.broadcast_to(x, (self._local_count, *x.shape))
      return jax.make_array_from_process_local_data(self._sharded, stacked, (self.device_count, *x.shape))

    return jax.tree.map(put, state)

  def put_batch(self, batch, stacked=False):
    """Returns this process's share of a batch, a dict of host arrays, as arrays over the devices of all processes.

    Args:
      batch: {name: (local batch, ...)}; where stacked (steps, local batch, ...), the batches of several steps.
      stacked: see there.

    Raises:
      UserError: the devices cannot divide the batch.
    """
    axis = 1 if stacked else 0
    for x in batch.values():
      self.check_batch(x.shape[axis] * self.process_count, 'batch_size')
      break
    sharding = self._sharded
    if self.mode == 'pmap':  # (steps, devices * share, ...) -> (devices, steps, share, ...)

      def split(x):
        x = x.reshape(*x.shape[:axis], self._local_count, -1, *x.shape[axis + 1 :])
        return np.moveaxis(x, axis, 0)

      batch = {name: split(np.asarray(x)) for name, x in batch.items()}
    elif stacked:
      sharding = self._sharded_stack
    return {name: jax.make_array_from_process_local_data(sharding, np.asarray(x)) for name, x in batch.items()}

  def fetch(self, tree):
    """Returns a step's result (state, scalars or sums) as host arrays, one replica, copied; waits for the device."""
    # addressable_data(0) reads one device; x[0] of an array over devices would move all of them.
    tree = jax.tree.map(lambda x: x.addressable_data(0), tree)
    for x in jax.tree.leaves(tree):
      x.copy_to_host_async()

    def fetch(x):
      x = np.array(x)  # a copy: a view would keep the buffer from being donated
      return x[0] if self.mode == 'pmap' else x

    return jax.tree.map(fetch, tree)

  get_state = fetch

  def local_state(self, state):
    """Returns the state as arrays of one device of this process, for work outside of the steps such as sampling.

    Valid until the state is donated to the next step.
    """
    state = jax.tree.map(lambda x: x.addressable_data(0), state)
    return self._first(state) if self.mode == 'pmap' else state

  # Compiling steps.

  def wrap_optimizer(self, optimizer):
    """Returns the optax optimizer, which under pmap first averages the gradients over the devices.

    Its state is that of `optimizer`, so that checkpoints do not depend on the mode.
    """
    if self.mode == 'jit':
      return optimizer
    optimizer = optax.with_extra_args_support(optimizer)

    def update(updates, state, params=None, **extra):
      return optimizer.update(jax.lax.pmean(updates, AXIS), state, params, **extra)

    return optax.GradientTransformationExtraArgs(optimizer.init, update)

  def train_step(self, task, steps_per_call=1):
    """Compiles `task.train_step`.

    Args:
      task: a Task, its optimizers wrapped by `wrap_optimizer`.
      steps_per_call: steps inside the compiled program.

    Returns:
      A function (state, batch, key) -> (state, scalars). The state is donated; `key` is that of the run, from which the
      program derives that of each step; batch and scalars have a leading axis of steps when steps_per_call > 1.
    """

    def one(state, batch, key):
      key = self._device_key(jax.random.fold_in(key, state.step))
      state, scalars = task.train_step(state, self._with_random_inputs(task, batch, key), key)
      if self.mode == 'pmap':
        state, scalars = _mean_statistics(state), jax.lax.pmean(scalars, AXIS)
      return state, scalars

    def many(state, batches, key):
      return jax.lax.scan(lambda state, batch: one(state, batch, key), state, batches)

    if steps_per_call == 1:
      return self._compile(one, self._sharded, donate=True)
    return self._compile(many, self._sharded_stack, donate=True)

  def eval_step(self, task):
    """Compiles `task.eval_step`: a function (state, batch, key) -> sums over the whole batch, of all devices."""

    def sums(state, batch, key):
      key = self._device_key(key)
      sums = task.eval_step(state, self._with_random_inputs(task, batch, key), key)
      return jax.lax.psum(sums, AXIS) if self.mode == 'pmap' else sums

    return self._compile(sums, self._sharded, donate=False)

  def _compile(self, function, batch_sharding, donate):
    function = _one_trace(function)
    donated = (0,) if donate else ()
    if self.mode == 'pmap':
      return jax.pmap(function, axis_name=AXIS, in_axes=(0, 0, None), devices=self.devices, donate_argnums=donated)
    result = (self._replicated, self._replicated) if donate else self._replicated
    return jax.jit(
      function,
      in_shardings=(self._replicated, batch_sharding, self._replicated),
      out_shardings=result,
      donate_argnums=donated,
    )

  def _device_key(self, key):
    return jax.random.fold_in(key, jax.lax.axis_index(AXIS)) if self.mode == 'pmap' else key

  def _with_random_inputs(self, task, batch, key):
    """Adds what the task takes at random for each image, laid out like the images.

    Without this nothing would tell the compiler that a generator's latents belong to a batch that is sharded, and every
    device would compute the generator for the whole of it.
    """
    drawn = task.random_inputs(batch, key)
    if not drawn:
      return batch
    batch = {**drawn, **batch}
    return jax.lax.with_sharding_constraint(batch, self._sharded) if self.mode == 'jit' else batch


def _mean_statistics(state):
  """Averages batch statistics over the devices; parameters are equal there since their gradients were averaged."""

  def mean(network):
    network = network.replace(batch_stats=jax.lax.pmean(network.batch_stats, AXIS))
    if network.ema is not None:
      network = network.replace(ema={**network.ema, 'batch_stats': jax.lax.pmean(network.ema['batch_stats'], AXIS)})
    return network

  return state.replace(networks={name: mean(network) for name, network in state.networks.items()})


def _one_trace(function):
  """A second trace means that a shape or type changed between calls: the run would compile again and again."""
  traces = []

  @functools.wraps(function)
  def once(*args):
    traces.append(jax.tree.map(jax.typeof, args))
    if len(traces) > 1:
      changed = [
        f'{jax.tree_util.keystr(path)}: {old} -> {new}'
        for (path, old), new in zip(jax.tree_util.tree_leaves_with_path(traces[0]), jax.tree.leaves(traces[1]))
        if str(old) != str(new)
      ]
      raise AssertionError(f'a step function was traced twice; what changed: {changed[:5] or "the structure"}')
    return function(*args)

  return once


def from_first_process(read, template):
  """Lets process 0 read something that the others are to have too.

  Args:
    read: called on process 0 only: () -> (tree of host arrays, what JSON can hold, int) or None.
    template: tree of arrays with the shapes and types of that tree.

  Returns:
    What `read` returned, on every process.

  Raises:
    UserError: on every process, when `read` raised it.
  """
  first = jax.process_index() == 0
  result, text, status, number = None, b'', 0, 0  # status: 0 = None, 1 = a result, 2 = an error
  if first:
    try:
      result = read()
      if result is not None:
        status, text, number = 1, json.dumps(result[1]).encode(), result[2]
    except UserError as error:
      status, text = 2, str(error).encode()
  status, length, number = (int(x) for x in _broadcast(np.array([status, len(text), number], np.int32)))
  if status == 0:
    return None
  padded = np.zeros(length, np.uint8)
  if first:
    padded[:] = np.frombuffer(text, np.uint8)
  text = bytes(_broadcast(padded)).decode()
  if status == 2:
    raise UserError(text)
  tree = result[0] if first else jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), template)
  return jax.tree.map(np.asarray, _broadcast(tree)), json.loads(text), number


def any_process(flag):
  """Whether the flag is set on any process; every process has to call this at the same step."""
  if jax.process_count() == 1:
    return bool(flag)
  return bool(multihost_utils.process_allgather(np.int32(bool(flag))).any())


def check_same(facts):
  """Raises UserError, on every process, where the processes of a run do not agree; every process has to call this.

  Two learning rates on two processes would train two networks that drift apart without a word.

  Args:
    facts: {name: what JSON can hold}.
  """
  if jax.process_count() == 1:
    return

  def digest(content):
    return np.frombuffer(hashlib.sha256(json.dumps(content, sort_keys=True).encode()).digest()[:8], np.uint32)

  def differing(digests):  # (n, 2) here -> (n,), whether any process has others
    everywhere = multihost_utils.process_allgather(np.stack(digests))
    return (everywhere != everywhere[0]).any(axis=(0, 2))

  names = sorted(facts)
  other_names, other_facts = differing([digest(names), digest(facts)])
  if other_names:
    wrong = ['their fields']
  elif other_facts:
    wrong = [name for name, other in zip(names, differing([digest(facts[name]) for name in names])) if other]
  else:
    return
  more = ' and more' if len(wrong) > 5 else ''
  raise UserError(
    f'the processes of this run do not agree in {", ".join(wrong[:5])}{more}: start all of them with the '
    'same command, data and versions'
  )


def barrier(name):
  """Returns when every process has come here."""
  if jax.process_count() > 1:
    multihost_utils.sync_global_devices(name)


def _broadcast(tree):
  return multihost_utils.broadcast_one_to_all(tree)
