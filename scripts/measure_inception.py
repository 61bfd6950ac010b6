"""Times the FID Inception with random weights, and counts what it multiplies: by hand and in the compiled program.

  python -m scripts.measure_inception [--images=200] [--batch=50] [--side=299] [--save=results/NAME.json]

The time is that of images of 32x32 bytes, resized by `clean`, in batches; the first batch compiles and is not counted.
It is given for 10,000 images. Counted by hand are the products of all convolutions and of the logits, see
scripts/program_counts.py; the compiler's count is that of its cost analysis.
"""

import argparse
import os
import time

os.environ.setdefault('JAX_PLATFORMS', 'cpu')

import numpy as np

from deconv import host_memory
from scripts import benchmark_ops, program_counts, result_files
from scripts.command_line import at_least, result_file


def main(argv=None):
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument('--images', type=at_least(1), default=200, help='timed')
  parser.add_argument('--batch', type=at_least(1), default=50, help='images in a forward')
  parser.add_argument('--side', type=at_least(75), default=299, help='pixels that the network sees')
  parser.add_argument('--save', type=result_file, default='', help=result_files.SAVE)
  options = parser.parse_args(argv)
  kept = host_memory.keep_freed_memory()
  import jax
  import jax.numpy as jnp

  from deconv.metrics import resizers
  from deconv.models import inception

  shapes = jax.eval_shape(inception.Inception().init, jax.random.key(0), jnp.zeros((1, 75, 75, 3)))
  random = np.random.default_rng(0)
  variables = jax.tree.map(lambda x: jnp.asarray(random.uniform(0.01, 0.02, x.shape), jnp.float32), shapes)

  def forward(variables, images):
    levels = resizers.resize(images, options.side, 'clean')
    return inception.outputs(variables, (levels - 128) / 128)['2048']

  batch = random.integers(0, 256, (options.batch, 32, 32, 3), dtype=np.uint8)
  counted = program_counts.by_hand(jax.make_jaxpr(forward)(variables, batch)) / options.batch
  started = time.perf_counter()
  compiled = jax.jit(forward).lower(variables, batch).compile()
  seconds_compiling = time.perf_counter() - started
  told = compiled.cost_analysis()['flops'] / options.batch
  jax.block_until_ready(compiled(variables, batch))
  started, done = time.perf_counter(), 0
  while done < options.images:
    jax.block_until_ready(compiled(variables, batch))
    done += options.batch
  seconds = (time.perf_counter() - started) / done
  print(f'{benchmark_ops.hardware()}; {benchmark_ops.versions(["ours"])}; float32, batches of {options.batch}')
  print(f'{10_000 * seconds:.0f} s for 10,000 images; compiled in {seconds_compiling:.1f} s')
  print(f'{counted / 1e9:.3f} GFLOP an image by hand, {told / 1e9:.3f} by the compiler: {told / counted:.3f} times')
  print(f'{counted / seconds / 1e9:.1f} GFLOP/s')
  values = {
    'seconds_10000': 10_000 * seconds,
    'compile_seconds': seconds_compiling,
    'gflop_by_hand': counted / 1e9,
    'gflop_compiled': told / 1e9,
  }
  result_files.save_benchmark(
    options.save,
    'scripts.measure_inception',
    benchmark_ops.protocol(kept, 1, images=done, batch=options.batch, side=options.side),
    [result_files.row('Inception, random weights', values)],
    benchmark_ops.libraries(['ours']),
  )


if __name__ == '__main__':
  main()
