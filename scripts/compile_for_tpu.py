"""Compiles the train step of a config for a TPU topology, without a TPU, and prints memory, FLOPs and collectives.

  pip install "jax[tpu]"
  python -m scripts.compile_for_tpu --config=configs/dcgan_celeba.py --topology=v3:2x2 [--config.train.batch_size=1024]

The data set need not be there. It proves that the step compiles, fits the memory and how the devices talk to each
other; not the numbers, the speed or the input. Takes 20 s (v3) to some minutes (v5e, v6e) on two cores.
"""

import collections
import os
import re

os.environ.setdefault('JAX_PLATFORMS', 'cpu')  # nothing runs; without it JAX would look for a chip
os.environ.setdefault('ALLOW_MULTIPLE_LIBTPU_LOAD', '1')

from absl import flags
import numpy as np

from deconv.errors import UserError
from deconv.experiments import command

_TOPOLOGY = flags.DEFINE_string('topology', 'v3:2x2', 'such as v3:2x2, v4:2x2x2, v5e:4x4, v6e:2x4')
_COLLECTIVES = r'\b(all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute)(?:-start)?\('


def main(options):
  import jax
  from jax.experimental import topologies
  import jax.numpy as jnp

  from deconv.training import experiment
  from deconv.training.parallel import Parallel

  try:
    topology = topologies.get_topology_desc(platform='tpu', topology_name=_TOPOLOGY.value)
  except RuntimeError as error:
    raise UserError(
      f'no topology \'{_TOPOLOGY.value}\' ({str(error).splitlines()[0]}): pip install "jax[tpu]", and '
      'give a topology such as v3:2x2'
    ) from error

  parallel = Parallel(options.parallel, topology.devices)
  parallel.check_batch(options.train.batch_size)
  task = experiment.build_task(options, parallel, total=options.train.steps or 1)
  steps, devices = options.train.steps_per_call, parallel.device_count
  image = options.data.image_shape
  key = jax.eval_shape(lambda: jax.random.key(0))
  state = jax.eval_shape(task.init, key, {'image': np.zeros((1, *image), np.uint8)})
  batch = (options.train.batch_size, *image)
  if parallel.mode == 'pmap':
    state = jax.tree.map(lambda x: jax.ShapeDtypeStruct((devices, *x.shape), x.dtype), state)
    batch = (devices, *((steps,) if steps > 1 else ()), batch[0] // devices, *image)
  elif steps > 1:
    batch = (steps, *batch)

  step = parallel.train_step(task, steps)
  compiled = step.lower(state, {'image': jax.ShapeDtypeStruct(batch, jnp.uint8)}, key).compile()
  memory, text = compiled.memory_analysis(), compiled.as_text()
  mib = 2**20
  print(
    f'{_TOPOLOGY.value}: {devices} devices, parallel.mode={parallel.mode}, train.dtype={options.train.dtype}, '
    f'batch {options.train.batch_size}, {steps} steps a call'
  )
  print(
    f'  a device: {memory.argument_size_in_bytes / mib:.0f} MiB arguments, {memory.temp_size_in_bytes / mib:.0f} '
    f'MiB temporary, {memory.alias_size_in_bytes / mib:.0f} MiB donated'
  )
  print(f'  a device: {compiled.cost_analysis()["flops"] / 1e9:.2f} GFLOP a call')
  found = collections.Counter(re.findall(_COLLECTIVES, text))
  print('  collectives: ' + (', '.join(f'{number} {name}' for name, number in sorted(found.items())) or 'none'))


if __name__ == '__main__':
  command.run(main)
