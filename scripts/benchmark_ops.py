"""Transposed convolutions timed: this project, `lax`, zero padding, and PyTorch and Equinox where they are installed.

  python -m scripts.benchmark_ops [--cases=dcgan,unet] [--repeats=7] [--memory=kept|returned|both] [--json]
    [--batch=1] [--save=results/NAME.json]

For every case the forward pass, each gradient by itself, and all three in one program. The implementations take turns
in each of `repeats` rounds, so that a busy machine disturbs all alike; times are medians over the rounds, ratios
medians of the ratios within a round. GFLOP/s count 2 * batch * input pixels * taps * c_in * c_out / groups for each
of the three, whatever a program really multiplies. The machine's own rate is that of a 2048 x 2048 x 2048 matrix
product, timed in the same rounds. PyTorch runs with channels first and channels last, and the faster of the two
counts.

On a GPU (JAX_PLATFORMS=cuda) PyTorch runs there, too, and a time is that of enough calls in a row to hide what it costs
to wait for one; `--batch=8` makes batches large enough that kernels take longer than their calls.

Freed memory is kept (`deconv.ops.keep_freed_memory`) or returned to the system. That cannot be undone, so
`--memory=both` measures the two in a fresh process each, and a row has the columns of both.
"""

import argparse
import collections
import functools
import json
import math
import os
import platform
import subprocess
import sys
import time

os.environ.setdefault('JAX_PLATFORMS', 'cpu')  # JAX_PLATFORMS=cuda or tpu to time another device

import jax
import jax.numpy as jnp
import numpy as np

from deconv import ops
from deconv.ops import conv_transpose, keep_freed_memory
from deconv.training import provenance
from scripts import result_files
from scripts.command_line import at_least, result_file, words
from scripts.torch_device import torch_device

Case = collections.namedtuple(
  'Case', 'name batch small window stride padding output_padding dilation groups c_in c_out'
)

CASES = tuple(
  Case(*row)
  for row in (
    # name, batch, input size, window, stride, padding, output_padding, dilation, groups, c_in, c_out
    ('dcgan 1x1 project', 64, (1, 1), (4, 4), 1, 0, 0, 1, 1, 100, 512),
    ('dcgan 4x4/2 at 4', 64, (4, 4), (4, 4), 2, 1, 0, 1, 1, 512, 256),
    ('dcgan 4x4/2 at 8', 64, (8, 8), (4, 4), 2, 1, 0, 1, 1, 256, 128),
    ('dcgan 4x4/2 at 16', 64, (16, 16), (4, 4), 2, 1, 0, 1, 1, 128, 64),
    ('dcgan 4x4/2 at 32', 64, (32, 32), (4, 4), 2, 1, 0, 1, 1, 64, 3),
    ('paper 5x5/2 at 4', 16, (4, 4), (5, 5), 2, 2, 1, 1, 1, 1024, 512),
    ('paper 5x5/2 at 8', 16, (8, 8), (5, 5), 2, 2, 1, 1, 1, 512, 256),
    ('paper 5x5/2 at 16', 16, (16, 16), (5, 5), 2, 2, 1, 1, 1, 256, 128),
    ('paper 5x5/2 at 32', 16, (32, 32), (5, 5), 2, 2, 1, 1, 1, 128, 3),
    ('unet 2x2/2 at 32', 4, (32, 32), (2, 2), 2, 0, 0, 1, 1, 256, 128),
    ('unet 2x2/2 at 64', 4, (64, 64), (2, 2), 2, 0, 0, 1, 1, 128, 64),
    ('unet 3x3/2 at 32', 4, (32, 32), (3, 3), 2, 1, 1, 1, 1, 256, 128),
    ('fsrcnn 9x9/3', 16, (32, 32), (9, 9), 3, 4, 2, 1, 1, 56, 1),
    ('fcn 16x16/8', 2, (32, 32), (16, 16), 8, 4, 0, 1, 1, 21, 21),
    ('deconvnet 3x3/1', 2, (56, 56), (3, 3), 1, 1, 0, 1, 1, 128, 128),
    ('audio 25/4', 8, (256,), (25,), 4, 11, 1, 1, 1, 256, 128),
    ('audio 16/8', 16, (128,), (16,), 8, 4, 0, 1, 1, 256, 128),
    ('voxels 4x4x4/2', 4, (8, 8, 8), (4, 4, 4), 2, 1, 0, 1, 1, 128, 64),
    ('voxels 3x3x3/2', 4, (8, 8, 8), (3, 3, 3), 2, 1, 1, 1, 1, 128, 64),
    ('voxels 2x2x2/2', 2, (16, 16, 16), (2, 2, 2), 2, 0, 0, 1, 1, 64, 32),
    ('dilated 3x3/1', 4, (32, 32), (3, 3), 1, 2, 0, 2, 1, 128, 64),
    ('dilated 3x3/2', 4, (32, 32), (3, 3), 2, 2, 1, 2, 1, 128, 64),
    ('grouped 4x4/2', 16, (16, 16), (4, 4), 2, 1, 0, 1, 4, 128, 64),
    ('depthwise 4x4/2', 8, (32, 32), (4, 4), 2, 1, 0, 1, 64, 64, 64),
    ('unet 3x3/1 at 64', 8, (64, 64), (3, 3), 1, 1, 0, 1, 1, 16, 16),
    ('unet 3x3/1 at 32', 8, (32, 32), (3, 3), 1, 1, 0, 1, 1, 32, 32),
    ('unet 3x3/1 at 16', 8, (16, 16), (3, 3), 1, 1, 0, 1, 1, 64, 64),
    ('unet 3x3/1 at 8', 8, (8, 8), (3, 3), 1, 1, 0, 1, 1, 128, 128),
    ('unet 3x3/1 joined', 8, (64, 64), (3, 3), 1, 1, 0, 1, 1, 48, 16),
    ('rednet 3x3/1', 16, (48, 48), (3, 3), 1, 1, 0, 1, 1, 32, 32),
    ('wide 3x3/1 at 40', 16, (40, 40), (3, 3), 1, 1, 0, 1, 1, 64, 64),
    ('eight groups 4x4/2', 8, (16, 16), (4, 4), 2, 1, 0, 1, 8, 64, 64),
    ('eight groups 3x3/1', 8, (32, 32), (3, 3), 1, 1, 0, 1, 8, 64, 64),
    ('one image 4x4/2 at 16', 1, (16, 16), (4, 4), 2, 1, 0, 1, 1, 128, 64),
    ('one image 3x3/1 at 64', 1, (64, 64), (3, 3), 1, 1, 0, 1, 1, 64, 64),
    ('one channel 4x4/2', 64, (14, 14), (4, 4), 2, 1, 0, 1, 1, 64, 1),
    ('one channel 7x7/1', 64, (28, 28), (7, 7), 1, 3, 0, 1, 1, 64, 1),
  )
)
PARTS = ('forward', 'dx', 'dw', 'all')
MATMUL = 2048
_TURN = 0.02  # seconds of calls in a row on an accelerator


def gflop(case, part):
  """The 10^9 multiplications and additions of a part, counted by hand: every tap of every small pixel."""
  one = 2e-9 * case.batch * math.prod(case.small) * math.prod(case.window) * case.c_in * case.c_out / case.groups
  return one * (3 if part == 'all' else 1)


def of_batch(case, times):
  """Returns a case with so many times its batch."""
  return case._replace(batch=times * case.batch)


def arrays(case):
  """x, kernel and a cotangent of the output, float32."""
  rng = np.random.default_rng(0)
  large = [
    (n - 1) * case.stride - 2 * case.padding + case.dilation * (k - 1) + case.output_padding + 1
    for n, k in zip(case.small, case.window)
  ]
  draw = lambda *shape: rng.standard_normal(shape, np.float32)
  return (
    draw(case.batch, *case.small, case.c_in),
    draw(*case.window, case.c_in, case.c_out // case.groups),
    draw(case.batch, *large, case.c_out),
  )


def parts_of(f):
  """f(x, kernel) -> for each part a function of (x, kernel, cotangent)."""

  def value_and_both(x, kernel, cotangent):
    y, vjp = jax.vjp(f, x, kernel)
    return y, *vjp(cotangent)

  return {
    'forward': lambda x, k, ct: f(x, k),
    'dx': lambda x, k, ct: jax.vjp(lambda x: f(x, k), x)[1](ct)[0],
    'dw': lambda x, k, ct: jax.vjp(lambda k: f(x, k), k)[1](ct)[0],
    'all': value_and_both,
  }


def ours(case):
  """deconv.ops.conv_transpose."""
  return functools.partial(
    conv_transpose,
    strides=case.stride,
    padding=case.padding,
    output_padding=case.output_padding,
    dilation=case.dilation,
    groups=case.groups,
  )


def _numbers(case):
  space = 'DHW'[-len(case.window) :]
  return 'N' + space + 'C', space + 'IO', 'N' + space + 'C'


def _lax_pads(case):
  reach = [case.dilation * (k - 1) - case.padding for k in case.window]
  return [(r, r + case.output_padding) for r in reach]


def _grouped_kernel(case, k):
  if case.groups == 1:
    return k
  n, c = len(case.window), case.c_in // case.groups
  k = jnp.moveaxis(k.reshape(*case.window, case.groups, c, -1), n, n + 1)
  return k.reshape(*case.window, c, -1)


def lax_conv_transpose(case, transposed=jax.lax.conv_transpose, dilated=jax.lax.conv_general_dilated):
  """What flax.linen.ConvTranspose calls; with groups, which that layer has not, the convolution that it would call.

  Args:
    case: the layer.
    transposed: lax.conv_transpose, or what stands in its place.
    dilated: lax.conv_general_dilated, or what stands in its place.
  """
  n = len(case.window)
  if case.groups == 1:
    return lambda x, k: transposed(
      x,
      jnp.flip(k, range(n)),
      (case.stride,) * n,
      _lax_pads(case),
      rhs_dilation=(case.dilation,) * n,
      dimension_numbers=_numbers(case),
    )
  return lambda x, k: dilated(
    x,
    jnp.flip(_grouped_kernel(case, k), range(n)),
    (1,) * n,
    _lax_pads(case),
    lhs_dilation=(case.stride,) * n,
    rhs_dilation=(case.dilation,) * n,
    dimension_numbers=_numbers(case),
    feature_group_count=case.groups,
  )


def zero_padding(case):
  """Zeros inserted by padding, then a plain convolution."""
  n = len(case.window)

  def f(x, k):
    x = jax.lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *((0, 0, case.stride - 1),) * n, (0, 0, 0)])
    return jax.lax.conv_general_dilated(
      x,
      jnp.flip(_grouped_kernel(case, k), range(n)),
      (1,) * n,
      _lax_pads(case),
      rhs_dilation=(case.dilation,) * n,
      dimension_numbers=_numbers(case),
      feature_group_count=case.groups,
    )

  return f


def jax_runners(f, operands):
  """{part: run(calls=1), which waits for the results and returns the last} of a jitted function."""
  operands = [jnp.asarray(a) for a in operands]
  compiled = {part: jax.jit(g).lower(*operands).compile() for part, g in parts_of(f).items()}
  return {part: functools.partial(_run, functools.partial(c, *operands)) for part, c in compiled.items()}


def _run(program, calls=1):
  for _ in range(calls):
    found = program()
  return jax.block_until_ready(found)


def equinox_runners(case, operands):
  """Channels first, as that library has them; its kernel is flipped, which costs nothing."""
  import equinox as eqx

  n = len(case.window)
  layer = eqx.nn.ConvTranspose(
    n,
    case.c_in,
    case.c_out,
    case.window,
    case.stride,
    case.padding,
    case.output_padding,
    case.dilation,
    case.groups,
    use_bias=False,
    key=jax.random.key(0),
  )

  def f(x, weight):
    return jax.vmap(eqx.tree_at(lambda m: m.weight, layer, weight))(x)

  x, _, ct = (np.ascontiguousarray(np.moveaxis(a, -1, 1)) for a in operands)
  return jax_runners(f, (x, layer.weight, ct))


def torch_runners(case, operands, last):
  """PyTorch, channels first or `last` (not in 1-D, where it has no such format), on as many threads as cores."""
  import torch

  torch.set_num_threads(os.cpu_count())
  device, n = torch_device(), len(case.window)
  f = [torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d][n - 1]
  dtype = getattr(torch, operands[0].dtype.name)
  to_torch = lambda a: torch.from_numpy(np.ascontiguousarray(a, np.float32)).to(device, dtype)  # NumPy has no bfloat16
  x, ct = (to_torch(np.moveaxis(operands[i], -1, 1)) for i in (0, 2))
  k = to_torch(np.moveaxis(operands[1], (-2, -1), (0, 1)))
  if last and n > 1:
    x, ct, k = (a.to(memory_format=[torch.channels_last, torch.channels_last_3d][n - 2]) for a in (x, ct, k))
  x.requires_grad_(), k.requires_grad_()
  call = lambda: f(x, k, None, case.stride, case.padding, case.output_padding, case.groups, case.dilation)
  y = call()

  def forward():
    with torch.no_grad():
      call()

  def run(program, calls=1):
    for _ in range(calls):
      found = program()
    if device != 'cpu':
      torch.cuda.synchronize()
    return found

  gradient = lambda *wrt: torch.autograd.grad(y, wrt, ct, retain_graph=True)
  programs = {
    'forward': forward,
    'dx': lambda: gradient(x),
    'dw': lambda: gradient(k),
    'all': lambda: torch.autograd.grad(call(), (x, k), ct),
  }
  return {part: functools.partial(run, program) for part, program in programs.items()}


def matmul_runner():
  """The matrix product that the shares refer to."""
  a = jnp.ones((MATMUL, MATMUL))
  product = jax.jit(lambda a: a @ a).lower(a).compile()
  return functools.partial(_run, functools.partial(product, a))


def installed(name):
  """Whether a package can be imported."""
  try:
    __import__(name)
    return True
  except ImportError:
    return False


def runners(case, names, dtype='float32'):
  """{(implementation, part): run(calls=1)} of operands of a type, which PyTorch and NumPy know by the same name."""
  operands = [a.astype(jnp.dtype(dtype)) for a in arrays(case)]
  make = {
    'ours': lambda: jax_runners(ours(case), operands),
    'lax': lambda: jax_runners(lax_conv_transpose(case), operands),
    'drop-in': lambda: jax_runners(
      lax_conv_transpose(case, ops.lax_conv_transpose, ops.lax_conv_general_dilated), operands
    ),
    'zero padding': lambda: jax_runners(zero_padding(case), operands),
    'torch': lambda: torch_runners(case, operands, last=False),
    TORCH_LAST: lambda: torch_runners(case, operands, last=True),
    'equinox': lambda: equinox_runners(case, operands),
  }
  names = [*names, *([TORCH_LAST] if 'torch' in names else [])]
  return {(name, part): run for name in names for part, run in make[name]().items()}


def measure(run_by_key, repeats, slowest=1.0):
  """Seconds of `repeats` rounds by key; what takes longer than `slowest` gets only its first run, the warm-up.

  PyTorch's are those of the faster layout of each part.
  """
  times = collections.defaultdict(list)
  for key, run in run_by_key.items():
    seconds = _seconds(run, 1)
    if seconds > slowest:
      times[key].append(seconds)
  quick = {key: run for key, run in run_by_key.items() if key not in times}
  calls = dict.fromkeys(quick, 1)
  if jax.default_backend() != 'cpu':
    calls = {key: max(1, round(_TURN / min(_seconds(run, 1) for _ in range(3)))) for key, run in quick.items()}
  for _ in range(repeats):
    for key, run in quick.items():
      times[key].append(_seconds(run, calls[key]))
  for name, part in list(times):
    if name == TORCH_LAST:
      last = times.pop((name, part))
      times['torch', part] = min(times['torch', part], last, key=np.median)
  return times


def _seconds(run, calls):
  """Returns the seconds of one of so many calls in a row."""
  start = time.perf_counter()
  run(calls)
  return (time.perf_counter() - start) / calls


def ratio(times, name, other, part):
  """How many times as fast `name` is as `other`: the median over the rounds."""
  a, b = times[name, part], times[other, part]
  return float(np.median(np.divide(b, a) if len(a) == len(b) else np.median(b) / np.median(a)))


def hardware():
  """One line that names the machine."""
  device, model = jax.devices()[0], ', '.join(name for name in provenance.processor().values() if name)
  return f'{os.cpu_count()} cores {model}' + ('' if device.platform == 'cpu' else f', {device.device_kind}')


def versions(names):
  """One line that names the versions."""
  found = [f'Python {platform.python_version()}', f'JAX {jax.__version__}']
  for name in ('torch', 'equinox'):
    if name in names:
      found.append(f'{name} {__import__(name).__version__}')
  return ', '.join(found)


def flat(nested, prefix=''):
  """Returns {'a.b': number} of {'a': {'b': number}}."""
  found = {}
  for name, value in nested.items():
    found |= flat(value, f'{prefix}{name}.') if isinstance(value, dict) else {prefix + name: value}
  return found


def protocol(kept, rounds, **more):
  """Returns how the times were measured, for result_files.save_benchmark; `more` has the last word."""
  note = 'medians of interleaved rounds; ratios are medians of the ratios within a round'
  memory, rule = 'kept' if kept else 'returned', (provenance.rule() or {}).get('name')
  return {'dtype': 'float32', 'freed_memory': memory, 'cpu_rule': rule, 'rounds': rounds, 'note': note, **more}


def libraries(names):
  """Returns the imported modules of the implementations that are libraries of their own."""
  return [__import__(name) for name in names if name in ('torch', 'equinox')]


def summary(rows, other):
  """A sentence: geometric mean and lowest of the ratios to another implementation."""
  ratios = [row['ratio'][other] for row in rows if other in row['ratio']]
  return (
    f'Forward + both gradients against {other}: geometric mean {math.exp(np.mean(np.log(ratios))):.2f}, lowest '
    f'{min(ratios):.2f} ({rows[[r["ratio"].get(other) for r in rows].index(min(ratios))]["name"]}).'
  )


OTHERS = ['lax', 'zero padding', 'torch', 'equinox']
# PyTorch with channels last, which is no column of its own.
TORCH_LAST = 'torch, channels last'


def in_fresh_processes(arguments):
  """Yields a row of each case; its column 'returned' holds the row that was measured in the other process.

  Args:
    arguments: of this command line.
  """
  found = {}
  for memory in ('kept', 'returned'):
    # Of two flags the last one counts.
    command = [sys.executable, '-m', 'scripts.benchmark_ops', *arguments, f'--memory={memory}', '--json', '--save=']
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found[memory] = [json.loads(line) for line in run.stdout.splitlines() if line.startswith('{')]
  for kept, returned in zip(found['kept'], found['returned'], strict=True):
    del returned['name'], returned['gflop']
    yield {**kept, 'returned': returned}


def in_this_process(cases, names, repeats):
  """Yields a row of each case: {'name', 'gflop', 'matmul_gflops', 'seconds', 'gflops', 'ratio', ..., 'share'}."""
  for case in cases:
    times = measure({**runners(case, names), ('matmul', 'all'): matmul_runner()}, repeats)
    median = {key: float(np.median(v)) for key, v in times.items()}
    rate = 2e-9 * MATMUL**3 / median['matmul', 'all']
    row = {
      'name': case.name,
      'gflop': gflop(case, 'forward'),
      'matmul_gflops': rate,
      'seconds': {name: {part: median[name, part] for part in PARTS} for name in names},
      'gflops': {name: {part: gflop(case, part) / median[name, part] for part in PARTS} for name in names},
      'ratio': {name: ratio(times, 'ours', name, 'all') for name in names[1:]},
      'ratio_by_part': {name: {part: ratio(times, 'ours', name, part) for part in PARTS} for name in names[1:]},
    }
    row['share'] = row['gflops']['ours']['all'] / rate
    yield row


def cells(row, names):
  """Returns the cells of a row of the printed table."""
  cell = lambda name, part: f'{1e3 * row["seconds"][name][part]:.1f} ({row["gflops"][name][part]:.0f})'
  found = [row['name'], *(cell('ours', part) for part in PARTS), f'{row["share"]:.2f}']
  found += [cell(name, 'all') for name in names[1:]] + [f'{row["ratio"][name]:.2f}' for name in names[1:]]
  if 'returned' in row:
    found += [f'{1e3 * row["returned"]["seconds"]["ours"]["all"]:.1f}']
    found += [f'{row["returned"]["ratio"][name]:.2f}' for name in names[1:]]
  return found


def main(argv=None):
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument('--cases', type=words, default=[], help='only those whose name begins with one of these')
  parser.add_argument('--repeats', type=at_least(1), default=5, help='rounds')
  parser.add_argument('--batch', type=at_least(1), default=1, help='times the batch of each case')
  parser.add_argument('--json', action='store_true', help='an object a line instead of a table')
  parser.add_argument('--implementations', type=words, default=OTHERS, help='what to compare with')
  parser.add_argument(
    '--memory', choices=('kept', 'returned', 'both'), default='kept', help='what becomes of freed one'
  )
  parser.add_argument('--save', type=result_file, default='', help=result_files.SAVE)
  options = parser.parse_args(argv)
  unknown = set(options.implementations) - set(OTHERS)
  if unknown:
    parser.error(f'{sorted(unknown)[0]!r} is none of {", ".join(OTHERS)}')
  cases = [of_batch(c, options.batch) for c in CASES if not options.cases or c.name.startswith(tuple(options.cases))]
  if not cases:
    parser.error(f'No case begins with {options.cases}; the cases are: {", ".join(c.name for c in CASES)}')
  memory = options.memory
  if memory == 'kept' and not keep_freed_memory():
    memory = 'returned'  # the C library is not glibc
  names = ['ours']
  for name in options.implementations:
    if name in ('torch', 'equinox') and not installed(name):
      if not options.json:
        print(f'{name} is not installed (pip install {name}): its column is left out.')
      continue
    names.append(name)
  if not options.json:
    print(
      f'{hardware()}; {versions(names)}; float32; freed memory: {memory}; '
      f'medians of {options.repeats} interleaved rounds.\n\nMilliseconds (GFLOP/s); all = forward + both gradients '
      'in one program; share = rate of "all" over that of the matrix product; ratios: times as fast as the other, '
      'for all.\n'
    )
    columns = [f'ours {p}' for p in PARTS] + ['share'] + [f'{n} all' for n in names[1:]] + [f'/ {n}' for n in names[1:]]
    if memory == 'both':
      columns += ['ours all, memory returned', *(f'/ {n}, memory returned' for n in names[1:])]
    print('| case | ' + ' | '.join(columns) + ' |\n|---' + '|---' * len(columns) + '|')
  rows = []
  arguments = sys.argv[1:] if argv is None else argv
  of_all = in_fresh_processes(arguments) if memory == 'both' else in_this_process(cases, names, options.repeats)
  for row in of_all:
    rows.append(row)
    print(json.dumps(row) if options.json else f'| {" | ".join(cells(row, names))} |', flush=True)
  both = {'freed_memory': 'kept; in another process returned'} if memory == 'both' else {}
  if not options.json:
    print('\n' + '\n'.join(summary(rows, name) for name in names[1:]))
  result_files.save_benchmark(
    options.save,
    'scripts.benchmark_ops',
    protocol(memory != 'returned', options.repeats, times_the_batch=options.batch, **both),
    [result_files.row(row['name'], flat({name: row[name] for name in row if name != 'name'})) for row in rows],
    libraries(names),
  )


if __name__ == '__main__':
  main()
