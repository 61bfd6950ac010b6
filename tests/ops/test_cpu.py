"""Every form of a CPU by force against loops in float64, and which of them the rule chooses."""

import dataclasses
import os
import subprocess
import sys

from hypothesis import given, settings
from hypothesis import strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deconv.ops import conv_transpose, cpu, cpu_rule
from deconv.ops.geometry import conv_transpose_geometry
from tests.ops import conv_reference as reference
from tests.ops.test_conv import BOUNDED, draw_array, run, transposed_cases

AVX2 = cpu_rule.RULES['avx2']


def geometry_of(case):
  names = ('strides', 'padding', 'output_padding', 'dilation', 'groups')
  x = (case['batch'], *case['small'], case['c_in'])
  return conv_transpose_geometry(x, (*case['window'], case['c_in'], case['c_out']), *(case[name] for name in names))


def all_of(programs, g):
  return lambda a, b: [program(a, b, g) for program in programs]


def check_forms(case):
  """All forms that say that they can compute a shape give the values of the loops."""
  g, rng = geometry_of(case), np.random.default_rng(case['seed'])
  batch, groups, c_out = case['batch'], case['groups'], case['c_out']
  x = draw_array(rng, batch, *g.small, case['c_in'])
  y = draw_array(rng, batch, *g.large, groups * c_out)
  kernel = draw_array(rng, *g.window, case['c_in'], c_out)
  about = (g.large, g.strides, [low for low, _ in g.padding], g.dilation, groups)
  up = reference.conv_transpose(x, kernel, *about)
  down, gradient = reference.conv_transpose_grads(x, kernel, y, *about)
  shape = (g, batch, case['c_in'] // groups, c_out)
  maps = (
    (cpu.EXPAND, cpu.expand_forms, (x, kernel), up),
    (cpu.REDUCE, cpu.reduce_forms, (y, kernel), down),
    (cpu.CORRELATE, cpu.correlate_forms, (x, y), gradient),
  )
  for table, forms_of, operands, want in maps:
    forms = forms_of(*shape)
    found = run(all_of([table[form] for form in forms], g), *operands)
    for form, got in zip(forms, found, strict=True):
      np.testing.assert_allclose(got, want, rtol=1e-4, atol=2e-4, err_msg=form)


@settings(max_examples=25, **BOUNDED)
@given(transposed_cases(1))
def test_forms_1d_equal_loops(case):
  check_forms(case)


@settings(max_examples=25, **BOUNDED)
@given(transposed_cases(2))
def test_forms_2d_equal_loops(case):
  check_forms(case)


@settings(max_examples=5, **BOUNDED)
@given(transposed_cases(3))
def test_forms_3d_equal_loops(case):
  check_forms(case)


@settings(max_examples=15, **BOUNDED)
@given(transposed_cases(2), st.sampled_from([(9, 10), (8, 4)]), st.sampled_from([1, 4]))
def test_forms_at_stride_one_equal_loops(case, small, channels):
  """Where most forms can be had."""
  reach = [k - 1 for k in case['window']]
  padding = tuple((min(low, r), min(high, r)) for (low, high), r in zip(case['padding'], reach))
  one = {'strides': (1, 1), 'dilation': (1, 1), 'output_padding': (0, 0), 'padding': padding, 'small': small}
  check_forms({**case, **one, 'groups': 1, 'c_in': channels})


def test_the_rule_takes_a_form_that_can_compute_the_shape():
  """For every table, over shapes of all kinds; a form of another shape would be an error or zeros multiplied."""
  rng = np.random.default_rng(0)
  seen = set()
  for _ in range(3000):
    n = int(rng.integers(1, 4))
    sides = ((1, 2, 3, 4, 5, 7), (1, 1, 2, 3), (1, 1, 1, 2), (1, 4, 8, 16, 33))
    window, strides, dilation, small = (tuple(rng.choice(values, n).tolist()) for values in sides)
    groups = int(rng.choice([1, 1, 1, 2, 8, 64]))
    c_small, c_large = (int(rng.choice([1, 3, 8, 16, 32, 64, 256])) for _ in range(2))
    batch, padding = int(rng.choice([1, 8, 64])), ('VALID', 'SAME')[rng.integers(2)]
    g = conv_transpose_geometry(
      (batch, *small, c_small * groups), (*window, c_small * groups, c_large), strides, padding, 0, dilation, groups
    )
    for rule in cpu_rule.RULES.values():
      shape = (g, batch, c_small, c_large)
      chosen = {
        'expand': (cpu.expand_form(*shape, rule), cpu.expand_forms(*shape)),
        'reduce': (cpu.reduce_form(*shape, rule), cpu.reduce_forms(*shape)),
        'correlate': (cpu.correlate_form(*shape, rule), cpu.correlate_forms(*shape)),
      }
      for name, (form, forms) in chosen.items():
        # What no form can hold in its array is left to XLA, zeros and all.
        assert form in forms or (name, form) == ('expand', 'lax'), (g, batch, c_small, c_large)
        seen.add((name, form))
  # The native form has a rule of its own.
  assert {form for name, form in seen if name == 'expand'} == set(cpu.EXPAND) - {'native'}
  assert {form for name, form in seen if name == 'reduce'} == set(cpu.REDUCE) - {'native'}
  assert {form for name, form in seen if name == 'correlate'} == set(cpu.CORRELATE) - {'native'}


def shape_of(side, window, stride, padding, batch=64):
  return conv_transpose_geometry((batch, side, side, 8), (window, window, 8, 8), stride, padding, 0, 1, 1)


def test_a_threshold_moves_the_choice():
  g = shape_of(8, 4, 2, 1)
  assert cpu.expand_form(g, 64, 256, 128, AVX2) == 'wide'
  assert cpu.expand_form(g, 64, 256, 128, dataclasses.replace(AVX2, wide_row=9)) == 'overlap'
  assert cpu.expand_form(g, 64, 256, 8, AVX2) == 'overlap'
  assert cpu.expand_form(g, 64, 256, 8, dataclasses.replace(AVX2, wide_outputs=32)) == 'wide'
  plain = shape_of(16, 3, 1, 1)
  assert cpu.reduce_form(plain, 64, 16, 16, AVX2) == 'lax'
  assert cpu.reduce_form(plain, 64, 16, 16, dataclasses.replace(AVX2, plain_row=17)) == 'unfolded'
  assert cpu.reduce_form(plain, 64, 16, 64, dataclasses.replace(AVX2, plain_row=17, strided_row=17)) == 'columns'
  beside = dataclasses.replace(AVX2, beside_row_products=2**18)
  assert cpu.reduce_form(plain, 64, 64, 64, beside) == cpu.expand_form(plain, 64, 64, 64, beside) == 'beside'
  assert cpu.reduce_form(plain, 64, 64, 256, beside) == 'lax'  # its rows are long enough for two threads
  assert cpu.reduce_form(plain, 64, 16, 16, beside) == 'lax'  # few channels
  assert cpu.reduce_form(plain, 1, 64, 64, beside) == 'lax'  # nothing to put beside


@pytest.mark.parametrize('dtype', [jnp.bfloat16, jnp.float16])
def test_forms_in_half_precision_accumulate_in_float32(dtype):
  """4096 ones: a sum in bfloat16 stalls at 256."""
  case = dict(batch=1, small=(8, 8), window=(2, 2), strides=(1, 1), padding=((0, 0), (0, 0)), output_padding=(0, 0))
  g = geometry_of({**case, 'dilation': (1, 1), 'groups': 1, 'c_in': 4096, 'c_out': 1})
  x, kernel = jnp.ones((1, 8, 8, 4096), dtype), jnp.ones((2, 2, 4096, 1), dtype)
  forms = cpu.expand_forms(g, 1, 4096, 1)
  for form, y in zip(forms, run(all_of([cpu.EXPAND[form] for form in forms], g), x, kernel)):
    assert y.dtype == dtype and float(y[0, 0, 0, 0]) == 4096 and float(y[0, 1, 1, 0]) == 16384, form


def test_another_rule_compiles_other_programs(monkeypatch):
  """`use` forgets what was compiled, so that not one call of a program is by the rule before."""
  monkeypatch.setattr(cpu_rule, '_chosen', [AVX2])
  wide = dataclasses.replace(AVX2, name='other', wide_row=2, wide_outputs=1)
  monkeypatch.setitem(cpu_rule.RULES, 'other', wide)
  x, kernel = jnp.ones((2, 4, 4, 8)), jnp.ones((4, 4, 8, 8))
  f = jax.jit(lambda x, k: conv_transpose(x, k, strides=2, padding=1))
  before = f(x, kernel)
  assert 'convolution' not in f.lower(x, kernel).as_text()
  assert cpu_rule.use('other') is wide
  assert 'convolution' in f.lower(x, kernel).as_text()
  np.testing.assert_allclose(f(x, kernel), before, rtol=1e-6)
  cpu_rule.use('avx2')


ONE_DEVICE = """
import hashlib, os, sys
if sys.argv[1] == 'one':
  os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import jax, numpy as np
from deconv.ops import conv_transpose, cpu, cpu_rule
from deconv.ops.geometry import conv_transpose_geometry

cpu_rule.use('avx512')
rng = np.random.default_rng(0)
for batch, small, window, stride, channels in ((16, (32, 32), 3, 1, (32, 64)), (40, (20, 21), 4, 2, (32, 4))):
  x = rng.standard_normal((batch, *small, channels[0]), np.float32)
  kernel = rng.standard_normal((window, window, *channels), np.float32)
  g = conv_transpose_geometry(x.shape, kernel.shape, stride, 1, 0, 1, 1)
  forms = [f(g, batch, *channels, cpu._rule()) for f in (cpu.expand_form, cpu.reduce_form, cpu.correlate_form)]
  f = lambda x, kernel: conv_transpose(x, kernel, strides=stride, padding=1)
  y, vjp = jax.vjp(f, x, kernel)
  found = [y, *vjp(y)]
  print(*forms, hashlib.sha256(b''.join(np.asarray(a).tobytes() for a in found)).hexdigest())
  plain = jax.lax.conv_general_dilated(
    x, kernel[::-1, ::-1], (1, 1), [(window - 2, window - 2)] * 2, (stride, stride),
    dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
  )
  np.testing.assert_allclose(y, plain, rtol=1e-3, atol=1e-3)
"""


def test_one_device_gets_all_forms_and_the_same_bits_on_any_number_of_threads():
  """Here are four devices, which share images of one batch: what moves images together is for a process with one."""
  env = {name: value for name, value in os.environ.items() if name not in ('XLA_FLAGS', 'NPROC')}
  command = [sys.executable, '-c', ONE_DEVICE]
  one, all_threads = (
    subprocess.run([*command, threads], capture_output=True, text=True, check=True, env=env).stdout
    for threads in ('one', 'all')
  )
  assert one == all_threads
  assert [line.split()[:3] for line in one.splitlines()] == [
    ['beside', 'beside', 'small'],
    ['overlap', 'unfolded', 'unfolded'],
  ]
