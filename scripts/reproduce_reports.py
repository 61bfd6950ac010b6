"""Two open reports against JAX, reproduced: before (`lax`) and after (`deconv.ops.conv_transpose`).

  python -m scripts.reproduce_reports [--report=23783,31662] [--repeats=3] [--save=results/NAME.json]

jax 31662 (and xla 34273, the same program): the gradient of a 3-D transposed convolution, 64 -> 1 channels, 3x3x3 with
stride 2, on one image of 64 x 64 x 32, was 32 times slower than PyTorch's on a GPU. Here its shapes in float32.

jax 23783: a 1-D transposed convolution was some hundred times slower than the convolution beside it and than PyTorch's,
on a CPU and on a GPU. Here at the sizes of an inverse short-time Fourier transform: 513 -> 1 channels, window 1024,
stride 256, 128 frames.

One cause: `lax.conv_transpose` convolves the input with zeros between its pixels, and its weight gradient does so
again. Printed are milliseconds of the forward pass, of each gradient, and of all in one program; medians of interleaved
rounds.
"""

import argparse
import os

os.environ.setdefault('JAX_PLATFORMS', 'cpu')  # JAX_PLATFORMS=cuda to time the GPU of the reports

import numpy as np

from deconv import host_memory
from scripts import benchmark_ops, result_files
from scripts.command_line import at_least, result_file, words

REPORTS = {
  '23783': benchmark_ops.Case('1-D 1024/256, 513 -> 1', 1, (128,), (1024,), 256, 384, 0, 1, 1, 513, 1),
  '31662': benchmark_ops.Case('3-D 3x3x3/2, 64 -> 1', 1, (64, 64, 32), (3, 3, 3), 2, 1, 1, 1, 1, 64, 1),
}


def main(argv=None):
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument('--report', type=words, default=list(REPORTS), help=f'of {", ".join(REPORTS)}')
  parser.add_argument('--repeats', type=at_least(1), default=3, help='rounds')
  parser.add_argument('--save', type=result_file, default='', help=result_files.SAVE)
  options = parser.parse_args(argv)
  unknown = set(options.report) - set(REPORTS)
  if unknown:
    parser.error(f'There is no report {sorted(unknown)[0]!r}; the reports are {", ".join(REPORTS)}')
  kept, rows = host_memory.keep_freed_memory(), []
  names = ['lax', 'ours'] + (['torch'] if benchmark_ops.installed('torch') else [])
  print(f'{benchmark_ops.hardware()}; {benchmark_ops.versions(names)}; float32\n')
  print('| report | part | ' + ' | '.join(f'{n}, ms' for n in names) + ' | lax / ours |')
  print('|---' * (len(names) + 3) + '|')
  for report in options.report:
    times = benchmark_ops.measure(benchmark_ops.runners(REPORTS[report], names), options.repeats)
    for part in benchmark_ops.PARTS:
      seconds = {name: float(np.median(times[name, part])) for name in names}
      cells = [f'{1e3 * seconds[name]:.1f}' for name in names]
      speedup = benchmark_ops.ratio(times, 'ours', 'lax', part)
      values = benchmark_ops.flat({'seconds': seconds, 'ratio': {'lax': speedup}})
      rows.append(result_files.row(f'{report}: {REPORTS[report].name}', values, group=part))
      print(f'| {report}: {REPORTS[report].name} | {part} | ' + ' | '.join(cells) + f' | {speedup:.1f} |', flush=True)
  result_files.save_benchmark(
    options.save,
    'scripts.reproduce_reports',
    benchmark_ops.protocol(kept, options.repeats),
    rows,
    benchmark_ops.libraries(names),
  )


if __name__ == '__main__':
  main()
