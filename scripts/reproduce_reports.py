"""Three open reports against JAX and XLA, reproduced: before (`lax`), and after, by one import or by conv_transpose.

  python -m scripts.reproduce_reports [--report=23783,31662,34273] [--repeats=3] [--save=results/NAME.json]

jax 31662: the gradient of a 3-D transposed convolution, 64 -> 1 channels, 3x3x3 with stride 2, on one image of
64 x 64 x 32, was 32 times slower than PyTorch's on a GPU. Here its shapes in float32.

xla 34273: the program of that gradient as XLA receives it, in bfloat16.

jax 23783: a 1-D transposed convolution was some hundred times slower than the convolution beside it and than PyTorch's,
on a CPU and on a GPU. Here at the sizes of an inverse short-time Fourier transform: 513 -> 1 channels, window 1024,
stride 256, 128 frames.

One cause: `lax.conv_transpose` convolves the input with zeros between its pixels, and its weight gradient does so
again. `drop-in` is `deconv.ops.lax_conv_transpose` with the same arguments, `ours` is `deconv.ops.conv_transpose`.
Printed are milliseconds of the forward pass, of each gradient, and of all in one program; medians of interleaved
rounds.
"""

import argparse
import collections
import os

os.environ.setdefault('JAX_PLATFORMS', 'cpu')  # JAX_PLATFORMS=cuda to time the GPU of the reports

import numpy as np

from deconv import host_memory
from scripts import benchmark_ops, result_files
from scripts.command_line import at_least, result_file, words

Report = collections.namedtuple('Report', 'case dtype')

_THREE_DIMENSIONS = benchmark_ops.Case('3-D 3x3x3/2, 64 -> 1', 1, (64, 64, 32), (3, 3, 3), 2, 1, 1, 1, 1, 64, 1)
REPORTS = {
  'jax 23783': Report(
    benchmark_ops.Case('1-D 1024/256, 513 -> 1', 1, (128,), (1024,), 256, 384, 0, 1, 1, 513, 1), 'float32'
  ),
  'jax 31662': Report(_THREE_DIMENSIONS, 'float32'),
  'xla 34273': Report(_THREE_DIMENSIONS, 'bfloat16'),
}


def main(argv=None):
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  numbers = {name.split()[-1]: name for name in REPORTS}
  parser.add_argument('--report', type=words, default=list(numbers), help=f'of {", ".join(numbers)}')
  parser.add_argument('--repeats', type=at_least(1), default=3, help='rounds')
  parser.add_argument('--save', type=result_file, default='', help=result_files.SAVE)
  options = parser.parse_args(argv)
  unknown = set(options.report) - set(numbers)
  if unknown:
    parser.error(f'There is no report {sorted(unknown)[0]!r}; the reports are {", ".join(numbers)}')
  kept, rows = host_memory.keep_freed_memory(), []
  names = ['lax', 'drop-in', 'ours'] + (['torch'] if benchmark_ops.installed('torch') else [])
  print(f'{benchmark_ops.hardware()}; {benchmark_ops.versions(names)}\n')
  print('| report | part | ' + ' | '.join(f'{n}, ms' for n in names) + ' | lax / drop-in | lax / ours |')
  print('|---' * (len(names) + 4) + '|')
  for number in options.report:
    report = REPORTS[numbers[number]]
    title = f'{numbers[number]}: {report.case.name}, {report.dtype}'
    times = benchmark_ops.measure(benchmark_ops.runners(report.case, names, report.dtype), options.repeats)
    for part in benchmark_ops.PARTS:
      seconds = {name: float(np.median(times[name, part])) for name in names}
      speedups = {name: benchmark_ops.ratio(times, name, 'lax', part) for name in ('drop-in', 'ours')}
      values = {'seconds': seconds, 'ratio': {'lax': speedups['ours']}, 'ratio_drop_in': {'lax': speedups['drop-in']}}
      rows.append(result_files.row(title, benchmark_ops.flat(values), group=part))
      cells = [f'{1e3 * seconds[name]:.1f}' for name in names] + [f'{speedup:.1f}' for speedup in speedups.values()]
      print(f'| {title} | {part} | ' + ' | '.join(cells) + ' |', flush=True)
  dtypes = ' or '.join(sorted({REPORTS[numbers[number]].dtype for number in options.report}))
  note = 'medians of interleaved rounds; what takes over a second: one run'
  result_files.save_benchmark(
    options.save,
    'scripts.reproduce_reports',
    benchmark_ops.protocol(kept, options.repeats, dtype=dtypes, note=note),
    rows,
    benchmark_ops.libraries(names),
  )


if __name__ == '__main__':
  main()
