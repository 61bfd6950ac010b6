"""A training step of one case and one implementation, timed in a process of its own; benchmark_train starts it.

  python -m scripts.train_steps --case=dcgan64 --implementation=ours

It makes the step, runs it twice, and writes a line of JSON: `parameters`, `seconds` of the second step, `loss`, and
`versions`, {library: its version}. Then, for each line with a number on its standard input, it runs so many steps and
writes their seconds.
"""

import argparse
import dataclasses
import importlib
import json
import sys
import time

import numpy as np

from deconv.options import Experiment

# {name: module with its class Step}.
IMPLEMENTATIONS = {
  'ours': 'scripts.jax_step',
  'ours_native': 'scripts.jax_step',  # oneDNN's convolutions where they are faster: python -m deconv.native.build
  'flax': 'scripts.jax_step',  # the same step with the layers of Flax
  'torch': 'scripts.twins.step',  # channels first
  'torch_last': 'scripts.twins.step',  # channels last
  'torch_compiled': 'scripts.twins.step',  # channels last, torch.compile
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


def make(case, implementation, keep_memory=True):
  """Returns a step: `parameters`, `versions`, and `run(steps)`, which returns the last loss.

  Args:
    case: key of CASES.
    implementation: key of IMPLEMENTATIONS.
    keep_memory: whether ours keeps the memory that it frees.
  """
  return importlib.import_module(IMPLEMENTATIONS[implementation]).Step(CASES[case], implementation, keep_memory)


def main(argv=None):
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument('--case', choices=CASES, required=True)
  parser.add_argument('--implementation', choices=IMPLEMENTATIONS, required=True)
  parser.add_argument('--keep_memory', action=argparse.BooleanOptionalAction, default=True, help='that was freed')
  options = parser.parse_args(argv)
  step = make(options.case, options.implementation, options.keep_memory)
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
    if not np.isfinite(loss):
      raise FloatingPointError(f'{options.case} {options.implementation}: the loss is {loss}')
    print(seconds, flush=True)


if __name__ == '__main__':
  main()
