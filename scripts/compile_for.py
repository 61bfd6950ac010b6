"""Compiles the train step of a config for a GPU or a TPU that is not there, and says what the program does.

  pip install ".[compile]"
  python -m scripts.compile_for --config=configs/dcgan_celeba.py --target=h100:1x1x8 [--config.train.batch_size=1024]

Targets: h100, a100, with or without a number of devices (h100:1x1x8 is eight in one machine); v3:2x2, v4:2x2x2,
v5e:2x4, v6e:2x4 and what else libtpu knows. Neither a device nor its driver nor the data set need be there.

It proves that the step compiles, how much it multiplies (by kind of call, beside the count by hand), that it fits the
memory, how the devices talk to each other and whether the state is donated; not the numbers, the speed or the input.
One device is looked at, for all do the same. The library's own search for the fastest kernel does not run, so that
matrix products may stand as fused kernels where a real device would call a library. Takes 20 to 60 s on two cores.
"""

import dataclasses
import importlib.util
import os
import re

# Nothing runs here; with another platform JAX would look for a device.
os.environ['JAX_PLATFORMS'] = 'cpu'
# libtpu asks what it is on; the answer changes nothing here.
os.environ.setdefault('ALLOW_MULTIPLE_LIBTPU_LOAD', '1')
os.environ.setdefault('TPU_SKIP_MDS_QUERY', '1')
os.environ.setdefault('TPU_ACCELERATOR_TYPE', 'v3-8')
os.environ.setdefault('TPU_WORKER_HOSTNAMES', 'localhost')
os.environ.setdefault('TPU_WORKER_ID', '0')
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')  # that no driver was found is no news

from absl import flags

from deconv.errors import UserError, did_you_mean
from deconv.experiments import command

_TARGET = flags.DEFINE_string('target', 'h100', 'h100, a100, h100:1x1x8, v3:2x2, v5e:2x4 and the like')
_COMPILER_OPTIONS = flags.DEFINE_list(
  'compiler_options', [], "of XLA, name=value with commas between; on an a100 'xla_gpu_force_conv_nhwc=true'"
)

INSTALL = 'pip install ".[compile]"'
_MIB = 2**20

# What XLA's GPU compiler has to know of a device, from the device's own description; GpuTargetConfigProto in text form.
_GPU = """
gpu_device_info {{
  threads_per_block_limit: 1024 threads_per_warp: 32 shared_memory_per_block: 49152 threads_per_core_limit: 2048
  block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535
  registers_per_core_limit: 65536 registers_per_block_limit: 65536
  {device}
}}
platform_name: "CUDA" dnn_version_info {{ major: 9 minor: 10 patch: 0 }}
runtime_version {{ major: 12 minor: 9 patch: 0 }} device_description_str: "{name}"
"""
GPUS = {
  'h100': _GPU.format(
    name='NVIDIA H100 80GB HBM3',
    device="""cuda_compute_capability { major: 9 minor: 0 } core_count: 132 fpus_per_core: 128 clock_rate_ghz: 1.98
  shared_memory_per_core: 233472 shared_memory_per_block_optin: 232448 l2_cache_size: 52428800
  memory_bandwidth: 3352320000000 device_memory_size: 84942979072""",
  ),
  'a100': _GPU.format(
    name='NVIDIA A100-SXM4-80GB',
    device="""cuda_compute_capability { major: 8 minor: 0 } core_count: 108 fpus_per_core: 64 clock_rate_ghz: 1.41
  shared_memory_per_core: 167936 shared_memory_per_block_optin: 166912 l2_cache_size: 41943040
  memory_bandwidth: 2039040000000 device_memory_size: 85100068864""",
  ),
}
# What has to be installed, {kind of target: modules}.
NEEDS = {'gpu': ('jax_plugins.xla_cuda12', 'nvidia.cuda_nvcc'), 'tpu': ('libtpu',)}


def missing(target):
  """Returns the modules that are not installed and without which nothing can be compiled for a target."""
  return [name for name in NEEDS['gpu' if target.partition(':')[0] in GPUS else 'tpu'] if not _installed(name)]


def _installed(name):
  try:
    return importlib.util.find_spec(name) is not None
  except ModuleNotFoundError:  # of the package above it
    return False


def devices_of(target):
  """Returns the devices of a target such as 'h100:1x1x8', which are descriptions.

  Raises:
    UserError: there is no such target, or the packages to compile for it are not installed.
  """
  from jax.experimental import topologies

  name, _, shape = target.partition(':')
  if name not in GPUS and not re.fullmatch(r'v\d+\w*', name):
    raise UserError(f'--target={target}{did_you_mean(name, GPUS)}: give h100, a100, or a TPU such as v3:2x2')
  if missing(target):
    raise UserError(f'--target={target} needs {" and ".join(missing(target))}, which is not installed: {INSTALL}')
  try:
    if name in GPUS:
      return topologies.get_topology_desc(platform='cuda', target_config=GPUS[name], topology=shape or '1x1x1').devices
    return topologies.get_topology_desc(platform='tpu', topology_name=target).devices
  except Exception as error:  # the plugins raise what they like
    raise UserError(
      f'--target={target} is not understood ({str(error).splitlines()[0]}): give a shape such as h100:1x1x8 or v3:2x2'
    ) from error


@dataclasses.dataclass(frozen=True)
class Compiled:
  """What there is to say of a compiled train step, each of one device and one call.

  Attributes:
    target: such as 'h100:1x1x8'.
    devices: their number.
    batch_size: of all devices.
    program: scripts.program_counts.Program.
    by_hand: multiplications and additions that the step asks for.
    state_arrays: how many arrays of the state the program receives: all but those that a step overwrites unread, like
      a vector of spectral norm; `program.aliased` of the results lie where an argument lay.
    arguments, temporary, memory: bytes; the last one is what has to fit.
  """

  target: str
  devices: int
  batch_size: int
  program: object
  by_hand: int
  state_arrays: int
  arguments: int
  temporary: int
  memory: int

  @property
  def ratio(self):
    """The products of the program over those counted by hand."""
    return self.program.products() / self.by_hand

  def collectives(self):
    """Returns {name: (number, bytes that a device hands in)}."""
    from scripts.program_counts import COLLECTIVES

    found = {}
    for call in self.program.calls:
      if call.kind in COLLECTIVES:
        number, size = found.get(call.kind, (0, 0))
        found[call.kind] = number + call.times, size + call.times * call.operand_bytes
    return found

  def values(self):
    """Returns {name: number}, a row of results/compiled_programs.json."""
    collectives = self.collectives().values()
    return {
      'gflop': round(self.program.products() / 1e9, 3),
      'gflop_by_hand': round(self.by_hand / 1e9, 3),
      'ratio': round(self.ratio, 4),
      'memory_mib': round(self.memory / _MIB, 1),
      'temporary_mib': round(self.temporary / _MIB, 1),
      'collectives': sum(number for number, _ in collectives),
      'collectives_mib': round(sum(size for _, size in collectives) / _MIB, 2),
      'donated': self.program.aliased,
      'state_arrays': self.state_arrays,
      'devices': self.devices,
      'batch_size': self.batch_size,
    }


def length_of(options):
  """Returns steps of a run that its schedule allows: one that is given in epochs has no length without its data."""
  return options.train.steps or options.optimizer.warmup_steps + 1


def _unread(step, state):
  """Returns how many arrays of the state a step overwrites without a look: no program of one step receives them."""
  import jax
  from jax.interpreters import partial_eval

  _, read = partial_eval.dce_jaxpr(step.jaxpr, [True] * len(step.jaxpr.outvars))
  return read[: len(jax.tree.leaves(state))].count(False)


def compile_step(options, target, compiler_options=None):
  """Compiles the train step of an experiment for a target.

  Args:
    options: deconv.options.Experiment.
    target: see `devices_of`.
    compiler_options: {name: value} of XLA.

  Returns:
    Compiled.

  Raises:
    UserError: see `devices_of`; a batch that the devices cannot divide; options that the compiler does not know.
  """
  import jax

  from deconv.training import experiment
  from deconv.training.parallel import Parallel
  from scripts import program_counts

  parallel = Parallel(options.parallel, devices_of(target))
  parallel.check_batch(options.train.batch_size)
  steps, devices = options.train.steps_per_call, parallel.device_count
  task = experiment.build_task(options, parallel, length_of(options))
  key = jax.eval_shape(lambda: jax.random.key(0))
  share = options.train.batch_size // devices
  batch, part = task.batch_shapes(options.train.batch_size), task.batch_shapes(share)
  state = jax.eval_shape(task.init, key, batch)

  stacked = lambda x, *axes: jax.ShapeDtypeStruct((*axes, *x.shape), x.dtype)
  many = (steps,) if steps > 1 else ()
  if parallel.mode == 'pmap':
    arguments = (
      jax.tree.map(lambda x: stacked(x, devices), state),
      jax.tree.map(lambda x: stacked(x, devices, *many), part),
    )
  else:
    arguments = state, jax.tree.map(lambda x: stacked(x, *many), batch)
  try:
    lowered = parallel.train_step(task, steps).lower(*arguments, key)
    compiled = lowered.compile(compiler_options=compiler_options or None)
  except jax.errors.JaxRuntimeError as error:
    raise UserError(f'--target={target}: the compiler refuses: {str(error).splitlines()[0]}') from error

  # Counted for the share of a device, as one device by itself would compute it.
  alone = Parallel(devices=jax.devices()[:1])
  one = experiment.build_task(options, alone, length_of(options))
  step = jax.make_jaxpr(one.train_step)(state, part, key)
  by_hand = steps * program_counts.by_hand(step)
  memory = compiled.memory_analysis()
  kept = memory.output_size_in_bytes - memory.alias_size_in_bytes
  return Compiled(
    target=target,
    devices=devices,
    batch_size=options.train.batch_size,
    program=program_counts.Program(compiled.as_text()),
    by_hand=by_hand,
    state_arrays=len(jax.tree.leaves(state)) - (_unread(step, state) if steps == 1 else 0),
    arguments=memory.argument_size_in_bytes,
    temporary=memory.temp_size_in_bytes,
    memory=memory.argument_size_in_bytes + memory.temp_size_in_bytes + kept,
  )


def described(compiled, options):
  """Returns the lines that say what there is to say of a Compiled step of an experiment."""
  from scripts.program_counts import by_kind

  plural = 's' if compiled.devices > 1 else ''
  lines = [
    f'{compiled.target}: {compiled.devices} device{plural}, parallel.mode={options.parallel.mode}, '
    f'train.dtype={options.train.dtype}, batch {compiled.batch_size}, {options.train.steps_per_call} step(s) per call',
    'per device and call:',
    f'  memory: {compiled.memory / _MIB:.0f} MiB: {compiled.arguments / _MIB:.0f} of arguments, '
    f'{compiled.temporary / _MIB:.0f} temporary; '
    f'{compiled.program.aliased} of the {compiled.state_arrays} arrays of the state are donated',
    f'  products: {compiled.program.products() / 1e9:.2f} GFLOP, {compiled.ratio:.3f} times the '
    f'{compiled.by_hand / 1e9:.2f} counted by hand',
    f'    {"kind":20} {"calls":>6} {"GFLOP":>10} {"MiB read and written":>22}',
  ]
  for kind, (number, products, size) in by_kind(compiled.program.calls).items():
    lines.append(f'    {kind:20} {number:6} {products / 1e9:10.2f} {size / _MIB:22.1f}')
  found = [
    f'{number} {name} of {size / _MIB:.2f} MiB' for name, (number, size) in sorted(compiled.collectives().items())
  ]
  return [*lines, f'  collectives: {", ".join(found) or "none"}']


def main(options):
  given = dict(option.partition('=')[::2] for option in _COMPILER_OPTIONS.value)
  compiler_options = {name: {'true': True, 'false': False}.get(value, value) for name, value in given.items()}
  print('\n'.join(described(compile_step(options, _TARGET.value, compiler_options), options)))


if __name__ == '__main__':
  command.run(main)
