"""Measures the forms of the operators on the CPU at hand, and chooses the thresholds of a rule for it.

  python -m scripts.tune_ops [--cases=dcgan,unet] [--repeats=5] [--name=mine] [--save=FILE.json]

Every form that can compute a layer of scripts/benchmark_ops.py is timed: expand, reduce and correlate, float32, freed
memory kept, all forms of a layer in turn. The thresholds (deconv/ops/cpu_rule.py) start at those of the processor's
instruction set and are moved one after the other, as long as the geometric mean of the chosen forms' times falls. The
file goes into the environment variable DECONV_CPU_RULE or the field `cpu_rule` of a config.

Run it on a machine that does nothing else.
"""

import argparse
import dataclasses
import functools
import math
import os
import statistics
import time

os.environ['JAX_PLATFORMS'] = 'cpu'

import jax
import jax.numpy as jnp

from deconv import atomic_files
from deconv.ops import cpu, cpu_rule, keep_freed_memory
from deconv.ops.geometry import conv_transpose_geometry
from deconv.training import provenance
from scripts import benchmark_ops
from scripts.command_line import at_least, words

# By map: its forms, which of them can compute a shape, and which of them the rule takes.
MAPS = {
  'expand': (cpu.EXPAND, cpu.expand_forms, cpu.expand_form),
  'reduce': (cpu.REDUCE, cpu.reduce_forms, cpu.reduce_form),
  'correlate': (cpu.CORRELATE, cpu.correlate_forms, cpu.correlate_form),
}
# What a threshold is tried at.
VALUES = (0, 1, 2, 3, 4, 6, 8, 9, 12, 16, 17, 24, 32, 33, 48, 64, 65, 96, 128, 129, 256, 512, 4096, 16384)
VALUES = (*VALUES, *(2**power for power in range(15, 27)), cpu_rule.NEVER)
# Of less gain than this a threshold stays where it is: of the sum of the logarithms.
LEAST_GAIN = 0.02


def shape_of(case):
  """Returns (geometry, batch, c_small, c_large) of a layer, channels of one group: what the rule looks at."""
  g = conv_transpose_geometry(
    (case.batch, *case.small, case.c_in),
    (*case.window, case.c_in, case.c_out // case.groups),
    case.stride,
    case.padding,
    case.output_padding,
    case.dilation,
    case.groups,
  )
  return g, case.batch, case.c_in // case.groups, case.c_out // case.groups


def measure(case, repeats, slowest=0.4):
  """Returns {map: {form: seconds}} of a layer: medians of `repeats` rounds; one run of what takes `slowest` seconds."""
  x, kernel, y = map(jnp.asarray, benchmark_ops.arrays(case))
  shape = shape_of(case)
  operands = {'expand': (x, kernel), 'reduce': (y, kernel), 'correlate': (x, y)}
  found = {}
  for name, (table, forms_of, _) in MAPS.items():
    runs = {}
    for form in forms_of(*shape):
      if form == 'native':
        continue  # it has a rule of its own, which comes first
      program = functools.partial(table[form], g=shape[0])
      compiled = jax.jit(program).lower(*operands[name]).compile()
      runs[form] = functools.partial(_run, compiled, operands[name])
    first = {form: run() for form, run in runs.items()}
    times = {form: [run()] if first[form] < slowest else [first[form]] for form, run in runs.items()}
    for _ in range(repeats - 1):
      for form, run in runs.items():
        if first[form] < slowest:
          times[form].append(run())
    found[name] = {form: statistics.median(seconds) for form, seconds in times.items()}
  return found


def _run(compiled, operands):
  start = time.perf_counter()
  jax.block_until_ready(compiled(*operands))
  return time.perf_counter() - start


def cost(rule, measured):
  """Returns the sum of the logarithms of the chosen forms' times over the best ones': 0 is a rule without a mistake.

  Args:
    rule: CpuRule.
    measured: list of (shape, times of `measure`).
  """
  total = 0.0
  for shape, times in measured:
    for name, (_, _, form_of) in MAPS.items():
      of_map = times[name]
      # A form that was not measured, since it would multiply zeros, is as bad as the worst.
      total += math.log(of_map.get(form_of(*shape, rule), max(of_map.values())) / min(of_map.values()))
  return total


def tune(rule, measured):
  """Returns the rule with thresholds moved, one at a time, until none that moves makes the cost smaller."""
  best = cost(rule, measured)
  while True:
    moves = [
      dataclasses.replace(rule, **{field: value})
      for field, now in rule.thresholds().items()
      for value in VALUES
      if value != now
    ]
    costs = [cost(move, measured) for move in moves]
    least = min(costs)
    if least > best - LEAST_GAIN:
      return rule
    rule, best = moves[costs.index(least)], least


def content(rule, measured, repeats):
  """Returns what is written: the rule, and what it was made of."""
  about = provenance.describe()
  return {
    'name': rule.name,
    'thresholds': rule.thresholds(),
    'fingerprint': rule.fingerprint(),
    'machine': about['machine'],
    'versions': about['versions'],
    'repeats': repeats,
    'measured': measured,
  }


def main(argv=None):
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument('--cases', type=words, default=[], help='only layers whose name begins with one of these')
  parser.add_argument('--repeats', type=at_least(1), default=5, help='rounds')
  parser.add_argument('--name', default='', help='of the rule; default: the name of the processor')
  parser.add_argument('--save', default='', help='the file that is written')
  options = parser.parse_args(argv)
  cases = [c for c in benchmark_ops.CASES if not options.cases or c.name.startswith(tuple(options.cases))]
  if not cases:
    names = ', '.join(c.name for c in benchmark_ops.CASES)
    parser.error(f'No layer begins with {options.cases}; the layers are: {names}')
  keep_freed_memory()
  machine = provenance.processor()
  start = cpu_rule.rule_of('')
  print(f'{benchmark_ops.hardware()}; JAX {jax.__version__}; the table of {start.name} is the start.\n')
  print('| layer | map | form of the rule, ms | best form, ms | all forms, ms |\n|---|---|---|---|---|')
  times, measured = {}, []
  for case in cases:
    times[case.name] = measure(case, options.repeats)
    measured.append((shape_of(case), times[case.name]))
    for name, (_, _, form_of) in MAPS.items():
      of_map = times[case.name][name]
      ms = {form: f'{form} {1e3 * seconds:.2f}' for form, seconds in of_map.items()}
      chosen, best = form_of(*shape_of(case), start), min(of_map, key=of_map.get)
      print(f'| {case.name} | {name} | {ms.get(chosen, chosen)} | {ms[best]} | {", ".join(ms.values())} |', flush=True)
  rule = dataclasses.replace(tune(start, measured), name=options.name or machine['processor'])
  number = len(MAPS) * len(measured)
  for title, of in (('the start', start), ('the result', rule)):
    print(
      f'\nGeometric mean of the chosen form over the best one, {title}: {math.exp(cost(of, measured) / number):.3f}'
    )
  moved = [f for f, value in rule.thresholds().items() if value != start.thresholds()[f]]
  for field in moved:
    print(f'{field}: {start.thresholds()[field]} -> {rule.thresholds()[field]}')
  if options.save:
    atomic_files.write_json(options.save, content(rule, times, options.repeats))
    print(f'written: {options.save}; put it into place by {cpu_rule.ENVIRONMENT_VARIABLE}={options.save}')


if __name__ == '__main__':
  main()
