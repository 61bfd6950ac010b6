"""A training step of one case and one implementation, timed in a process of its own; benchmark_train starts it.

  python -m scripts.train_steps CASE IMPLEMENTATION [keep_memory]

It makes the step, runs it, and writes a line of JSON: `parameters`, `seconds` of a step, `loss`, and `device` and
`versions` of the framework. Then, for each line with a number on its standard input, it runs so many steps and writes
their seconds.
"""

import dataclasses
import importlib
import json
import os
import sys
import time

import numpy as np

IMPLEMENTATIONS = {
  'ours': 'deconv',
  'flax': 'the same step with the layers of Flax',
  'torch': 'PyTorch, channels first',
  'torch_last': 'PyTorch, channels last',
  'torch_compiled': 'PyTorch, channels last, torch.compile',
}


@dataclasses.dataclass(frozen=True)
class Case:
  """A training step.

  Attributes:
    batch_size: images per step.
    config, variant: what is trained; '' for DCGAN-64, which is no config of ours.
    fields: what differs, {'section.field': value}.
    flax: whether the layers can be those of Flax.
  """

  batch_size: int
  config: str = ''
  variant: str = ''
  fields: tuple = ()
  flax: bool = False

  def options(self):
    """Returns the deconv.options.Experiment."""
    from deconv.options import Experiment

    config = importlib.import_module(f'deconv.configs.{self.config}').get_config(self.variant)
    config.update_from_flattened_dict({**dict(self.fields), 'train.batch_size': self.batch_size})
    return Experiment.from_config(config)


CASES = {
  'dcgan64': Case(64, flax=True),
  'vae_mlp': Case(128, 'vae_mnist', 'grey', (('train.ema_decay', 0.0),)),
  'unet_scenes': Case(8, 'unet_scenes'),
  'segnet_scenes': Case(8, 'segnet_scenes'),
  'deconvnet_scenes': Case(8, 'deconvnet_scenes'),
  'conv_vae_mnist': Case(100, 'conv_vae_mnist'),
  'vae_mnist': Case(128, 'vae_mnist'),
  'superres_photos': Case(32, 'superres_photos'),
  'rednet_denoise_photos': Case(16, 'rednet_denoise_photos'),
  'gan28': Case(128, 'dcgan_mnist', 'gan28'),
}


def batch_of(options):
  """Returns a fixed batch of an experiment, {name: array}: smooth images, masks of large areas."""
  rng, side, n = np.random.default_rng(0), options.data.image_size, options.train.batch_size
  coarse = rng.uniform(0, 1, (n, 4, 4, options.data.channels))
  at = np.arange(side) * 4 // side
  images = coarse[:, at][:, :, at] * 200 + rng.uniform(0, 55, (n, side, side, options.data.channels))
  batch = {'image': images.astype(np.uint8)}
  if options.task == 'segmentation':
    batch['mask'] = rng.integers(0, len(options.data.class_names), (n, 4, 4))[:, at][:, :, at].astype(np.uint8)
  return batch


class JaxStep:
  """A step of ours or, of DCGAN-64, with Flax's layers."""

  def __init__(self, case, implementation, keep_memory):
    os.environ.setdefault('JAX_PLATFORMS', 'cpu')  # JAX_PLATFORMS=cuda or tpu to time another device
    from deconv import host_memory
    from deconv.training import compilation_cache

    if keep_memory:
      host_memory.keep_freed_memory()
    compilation_cache.enable('auto')
    import jax

    if case.config:
      from deconv.training import experiment
      from deconv.training.parallel import Parallel

      options = case.options()
      parallel = Parallel(options.parallel)
      task = experiment.build_task(options, parallel, options.train.steps or 10_000)
      batch = batch_of(options)
      self.state = parallel.put_state(task.init(jax.random.key(0), batch))
      self.step, self.batch = parallel.train_step(task), parallel.put_batch(batch)
      params = [network.params for network in self.state.networks.values()]
    else:
      import flax.linen as nn
      import jax.numpy as jnp

      from deconv import layers
      from scripts import dcgan64

      library = layers if implementation == 'ours' else nn
      self.state, self.step = dcgan64.make(library.ConvTranspose, library.Conv, case.batch_size)
      self.batch = jnp.asarray(dcgan64.images(case.batch_size))
      params = [network['params'] for network in self.state.values()]
    self.parameters = sum(x.size for x in jax.tree.leaves(params))
    self.key, self.wait = jax.random.key(1), jax.block_until_ready
    self.versions = {'jax': jax.__version__}

  def run(self, steps):
    """Runs so many steps; returns the last loss."""
    for _ in range(steps):
      self.state, scalars = self.step(self.state, self.batch, self.key)
    self.wait((self.state, scalars))
    return float(scalars['loss_gen' if 'loss_gen' in scalars else 'loss'] if hasattr(scalars, 'keys') else scalars[1])


class TorchStep:
  """The same step in PyTorch."""

  def __init__(self, case, implementation, keep_memory):
    del keep_memory  # PyTorch keeps the memory that it frees, or not, as it likes
    import torch

    from scripts import twins
    from scripts.twins import gans

    torch.set_num_threads(os.cpu_count())
    last = implementation != 'torch'
    if case.config:
      options = case.options()
      batch, self.twin = batch_of(options), twins.TWINS[options.task, options.model.name](options, channels_last=last)
    else:
      rng = np.random.default_rng(0)
      batch = {'image': rng.uniform(-1, 1, (case.batch_size, 64, 64, 3)).astype(np.float32)}
      self.twin = gans.Dcgan64(64, 100, channels_last=last)
    self.batch = {name: torch.from_numpy(x) for name, x in batch.items()}
    self.parameters = self.twin.parameters()
    if implementation == 'torch_compiled':
      for network in self.twin.networks.values():
        network.compile()
    self.versions = {'torch': torch.__version__}

  def run(self, steps):
    """Runs so many steps; returns the last loss."""
    for _ in range(steps):
      loss = self.twin.step(self.batch)
    return loss.item()


def make(name, implementation, keep_memory=True):
  """Returns a step: `parameters`, `versions`, and `run(steps)`, which returns the last loss."""
  kind = TorchStep if implementation.startswith('torch') else JaxStep
  return kind(CASES[name], implementation, keep_memory)


def main(name, implementation, *keep_memory):
  step = make(name, implementation, bool(keep_memory))
  for _ in range(2):  # the first one compiles
    start = time.perf_counter()
    loss = step.run(1)
    seconds = time.perf_counter() - start
  about = {'parameters': step.parameters, 'seconds': seconds, 'loss': loss, 'versions': step.versions}
  print(json.dumps(about), flush=True)
  for line in sys.stdin:
    start = time.perf_counter()
    loss = step.run(int(line))
    seconds = time.perf_counter() - start
    assert np.isfinite(loss), f'{name} {implementation}: the loss is {loss}'
    print(seconds, flush=True)


if __name__ == '__main__':
  main(*sys.argv[1:])
