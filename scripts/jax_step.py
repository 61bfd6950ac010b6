"""A training step of ours, or of DCGAN-64 with the layers of Flax, for scripts/train_steps.py."""

import dataclasses
import os

os.environ.setdefault('JAX_PLATFORMS', 'cpu')  # JAX_PLATFORMS=cuda or tpu to time another device

import flax.linen as nn
import jax
import jax.numpy as jnp

from deconv import host_memory, layers, native
from deconv.training import compilation_cache, experiment
from deconv.training.parallel import Parallel
from scripts import dcgan64
from scripts.train_steps import batch_of


class Step:
  """A step on a fixed batch, compiled at its first run.

  Attributes:
    parameters: their number, of all networks.
    versions: {library: its version}.
    state, batch, key, step: step(state, batch, key) -> (state, scalars).
  """

  def __init__(self, case, implementation, keep_memory):
    """Makes the state; see scripts.train_steps.make."""
    if keep_memory:
      host_memory.keep_freed_memory()
    compilation_cache.enable('auto')
    native_choice = 'on' if implementation == 'ours_native' else 'off'
    native.use(native_choice)
    if case.config:
      self._of_config(dataclasses.replace(case.options(), native=native_choice))
    else:
      library = nn if implementation == 'flax' else layers
      self.state, self.step = dcgan64.make(library.ConvTranspose, library.Conv, case.batch_size)
      self.batch, self._loss = jnp.asarray(dcgan64.images(case.batch_size)), 1
      params = [network['params'] for network in self.state.values()]
      self.parameters = sum(x.size for x in jax.tree.leaves(params))
    self.key = jax.random.key(1)
    self.versions = {'jax': jax.__version__}

  def _of_config(self, options):
    parallel, batch = Parallel(options.parallel), batch_of(options)
    task = experiment.build_task(options, parallel, options.train.steps or 10_000)
    self.state = parallel.put_state(task.init(jax.random.key(0), batch))
    self.step, self.batch, self._loss = parallel.train_step(task), parallel.put_batch(batch), task.loss_names[0]
    params = [network.params for network in self.state.networks.values()]
    self.parameters = sum(x.size for x in jax.tree.leaves(params))

  def run(self, steps):
    """Runs so many steps; returns the last loss."""
    for _ in range(steps):
      self.state, scalars = self.step(self.state, self.batch, self.key)
    jax.block_until_ready((self.state, scalars))
    return float(scalars[self._loss])
