"""deconv.ops against values that PyTorch has computed: golden.npz, written by scripts/make_golden_cases.py.

PyTorch need not be installed here. The other files of this folder go over many more arguments, by definitions of their
own.
"""

import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deconv import ops
from deconv.ops import resample

FILE = pathlib.Path(__file__).parent / 'golden.npz'
GOLDEN = dict(np.load(FILE))
CASES = [{'number': number, **case} for number, case in enumerate(json.loads(str(GOLDEN['cases'])))]
# Outputs near the border are not compared: PyTorch leaves out what lies outside, where ours (and MATLAB's) is a mirror.
BORDER = {'upsample_bicubic': lambda factor: 2 * factor, 'downsample': lambda factor: 2}


def name_of(case):
  return f'{case["number"]} {case["operator"]}'


def of(*operators):
  return pytest.mark.parametrize('case', [case for case in CASES if case['operator'] in operators], ids=name_of)


def arrays(case, way):
  """{name: array} of what goes in or out of a case, floating but for switches."""
  start = f'{case["number"]}/{way}/'
  found = {key.removeprefix(start): value for key, value in GOLDEN.items() if key.startswith(start)}
  return {name: jnp.asarray(a, jnp.int32 if name == 'switches' else jnp.float32) for name, a in found.items()}


def test_file_is_small_and_says_what_made_it():
  assert FILE.stat().st_size <= 100_000
  assert str(GOLDEN['made_by']).startswith('PyTorch 2.')
  assert {case['operator'] for case in CASES} == {
    'conv_transpose',
    'max_pool',
    'avg_pool',
    'max_unpool',
    'resize_nearest',
    'resize_bilinear',
    'upsample_bicubic',
    'downsample',
    'depth_to_space',
    'space_to_depth',
  }


@of('conv_transpose')
def test_transposed_convolution_and_its_gradients(case):
  given, expected = arrays(case, 'in'), arrays(case, 'out')

  @jax.jit
  def run(x, kernel, cotangent):
    y, pull = jax.vjp(lambda x, kernel: ops.conv_transpose(x, kernel, **case['arguments']), x, kernel)
    return {'y': y, **dict(zip(('d_x', 'd_kernel'), pull(cotangent)))}

  for name, value in run(**given).items():  # whole numbers: exact in any order
    np.testing.assert_array_equal(value, expected[name], err_msg=name)


@of('conv_transpose')
def test_two_taps_that_change_places_would_be_seen(case):
  given, expected = arrays(case, 'in'), arrays(case, 'out')
  window = given['kernel'].shape[:-2]
  flat = np.asarray(given['kernel']).reshape(-1, *given['kernel'].shape[-2:])
  y = np.asarray(expected['y'])
  for tap in range(len(flat) - 1):
    swapped = flat.copy()
    swapped[[tap, tap + 1]] = flat[[tap + 1, tap]]
    wrong = ops.conv_transpose(given['x'], jnp.asarray(swapped.reshape(*window, *flat.shape[1:])), **case['arguments'])
    assert not np.array_equal(wrong, y), f'taps {tap} and {tap + 1}'


@of('max_pool')
def test_max_pooling_and_its_switches(case):
  y, switches = ops.max_pool(**arrays(case, 'in'), **case['arguments'])
  np.testing.assert_array_equal(y, arrays(case, 'out')['y'])
  np.testing.assert_array_equal(switches, arrays(case, 'out')['switches'])


@of('max_unpool')
def test_unpooling_by_switches_with_a_window_and_without(case):
  given, expected = arrays(case, 'in'), arrays(case, 'out')['y']
  np.testing.assert_array_equal(ops.max_unpool(**given, **case['arguments']), expected)
  np.testing.assert_array_equal(ops.max_unpool(**given, output_size=case['arguments']['output_size']), expected)


@of('depth_to_space', 'space_to_depth')
def test_pixel_shuffle(case):
  operator = {'depth_to_space': ops.depth_to_space, 'space_to_depth': ops.space_to_depth}[case['operator']]
  np.testing.assert_array_equal(operator(**arrays(case, 'in'), **case['arguments']), arrays(case, 'out')['y'])


@of('avg_pool', 'resize_nearest', 'resize_bilinear', 'upsample_bicubic', 'downsample')
def test_average_pooling_and_resizing(case):
  operator = {
    'avg_pool': ops.avg_pool,
    'resize_nearest': ops.resize_nearest,
    'resize_bilinear': ops.resize_bilinear,
    'upsample_bicubic': resample.upsample_bicubic,
    'downsample': resample.downsample,
  }[case['operator']]
  y, expected = operator(**arrays(case, 'in'), **case['arguments']), arrays(case, 'out')['y']
  assert y.shape == expected.shape
  if case['operator'] in BORDER:
    border = BORDER[case['operator']](case['arguments']['factor'])
    y, expected = (a[:, border:-border, border:-border] for a in (y, expected))
    assert min(y.shape) > 0
  np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)
