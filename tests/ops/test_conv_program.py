"""What the compiled programs hold: no zeros are multiplied on a CPU, and no more is computed than counted by hand."""

import re

import jax
import jax.numpy as jnp
import pytest

from scripts import benchmark_ops


def abstract(case):
  large = [
    (n - 1) * case.stride - 2 * case.padding + case.dilation * (k - 1) + case.output_padding + 1
    for n, k in zip(case.small, case.window)
  ]
  shapes = (
    (case.batch, *case.small, case.c_in),
    (*case.window, case.c_in, case.c_out // case.groups),
    (case.batch, *large, case.c_out),
  )
  return [jax.ShapeDtypeStruct(s, jnp.float32) for s in shapes]


def compiled(case, f):
  # Only the program's structure is read: the machine code may be poor.
  return (
    jax.jit(benchmark_ops.parts_of(f)['all'])
    .lower(*abstract(case))
    .compile(compiler_options={'xla_backend_optimization_level': 0})
  )


def zeros_in(text):
  """What puts zeros between pixels: dilated operands of convolutions, and padding of the form low_high_interior."""
  dilated = re.findall(r'[lr]hs_dilate=\S+', text)
  padded = [
    p
    for p in re.findall(r'padding=([\dx_-]+)', text)
    if any(d.count('_') == 2 and int(d.split('_')[2]) for d in p.split('x'))
  ]
  return dilated + padded


def by_name(name):
  return next(case for case in benchmark_ops.CASES if case.name == name)


@pytest.mark.parametrize('case', benchmark_ops.CASES, ids=lambda case: case.name)
def test_flops_and_no_zeros(case):
  program = compiled(case, benchmark_ops.ours(case))
  assert program.cost_analysis()['flops'] <= 1.05e9 * benchmark_ops.gflop(case, 'all')
  assert not zeros_in(program.as_text())


def test_the_test_sees_zeros():
  """The same reading finds the zeros of the programs that have them."""
  case = by_name('dcgan 4x4/2 at 16')
  assert zeros_in(compiled(case, benchmark_ops.lax_conv_transpose(case)).as_text())
  padded = jax.jit(benchmark_ops.zero_padding(case)).lower(*abstract(case)[:2]).compile()
  assert zeros_in(padded.as_text())
  assert padded.cost_analysis()['flops'] > 2e9 * benchmark_ops.gflop(case, 'forward')


def test_other_platforms_get_their_own_program():
  """The form that TPU and GPU compilers know, in the program before it is compiled."""
  case = by_name('dcgan 4x4/2 at 16')
  for platform in ('tpu', 'cuda'):
    text = (
      jax.jit(benchmark_ops.parts_of(benchmark_ops.ours(case))['all'])
      .trace(*abstract(case))
      .lower(lowering_platforms=(platform,))
      .as_text()
    )
    assert text.count('stablehlo.convolution') == 3
    dilations = re.findall(r'lhs_dilate = \[(\d+), (\d+)\]', text)
    assert ('2', '2') in dilations  # forward
    # The weight gradient dilates the small array as if it were a kernel, and never stuffs the large one.
    assert 'rhs_dilate = [2, 2]' in text and dilations.count(('2', '2')) == 1
