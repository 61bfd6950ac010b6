"""The programs of a GPU: values of every form by force, on this CPU; what is chosen; what is compiled for an H100."""

import functools
import math

from hypothesis import given, settings
import jax
from jax import lax
import jax.numpy as jnp
import numpy as np
import pytest

from deconv.ops import bilinear, conv, conv_transpose, gpu
from deconv.ops.geometry import conv_geometry, conv_transpose_geometry
from scripts import benchmark_ops, compile_for, program_counts
from tests.ops import conv_reference as reference
from tests.ops.test_conv import BOUNDED, draw_array, run, transposed_cases

# Values of every form.


def forms_of(g, depthwise):
  """{map: the forms that can compute this geometry}."""
  pixel = {'pixel'} if math.prod(g.small) == 1 else set()
  expand = {'overlap', 'phases'} | pixel | ({'taps'} if depthwise else set())
  if max(g.strides) == 1 or max(g.dilation) == 1:
    expand.add('library')
  return {'expand': expand, 'reduce': {'library', 'columns'} | pixel, 'correlate': {'library', 'columns'} | pixel}


def check_forms(batch, small, window, strides, padding, output_padding, dilation, groups, c_in, c_out, seed):
  rng = np.random.default_rng(seed)
  x, kernel = draw_array(rng, batch, *small, c_in), draw_array(rng, *window, c_in, c_out)
  g = conv_transpose_geometry(x.shape, kernel.shape, strides, padding, output_padding, dilation, groups)
  y = draw_array(rng, batch, *g.large, groups * c_out)
  forms = forms_of(g, c_in == groups > 1 == c_out)

  def all_of_them(x, kernel, y):
    return {
      'expand': {form: gpu.EXPAND[form](x, kernel, g) for form in forms['expand']},
      'reduce': {form: gpu.REDUCE[form](y, kernel, g) for form in forms['reduce']},
      'correlate': {form: gpu.CORRELATE[form](x, y, g) for form in forms['correlate']},
    }

  found = run(all_of_them, x, kernel, y)
  args = g.large, strides, [low for low, _ in padding], dilation, groups
  down, both = reference.conv_transpose_grads(x, kernel, y, *args)
  want = {'expand': reference.conv_transpose(x, kernel, *args), 'reduce': down, 'correlate': both}
  for name, values in found.items():
    for form, value in values.items():
      np.testing.assert_allclose(value, want[name], rtol=1e-4, atol=3e-4, err_msg=f'{name} by {form}: {g}')
  assert gpu.expand_form(g, batch, c_in // groups, c_out) in forms['expand']
  assert gpu.reduce_form(g) in forms['reduce'] and gpu.correlate_form(g) in forms['correlate']


@settings(max_examples=50, **BOUNDED)
@given(transposed_cases(1))
def test_every_form_in_1d_equals_loops(case):
  check_forms(**case)


@settings(max_examples=40, **BOUNDED)
@given(transposed_cases(2))
def test_every_form_in_2d_equals_loops(case):
  check_forms(**case)


@settings(max_examples=6, **BOUNDED)
@given(transposed_cases(3))
def test_every_form_in_3d_equals_loops(case):
  check_forms(**case)


# Layers for each form: operator, shapes of image and kernel, arguments; the form of expand, reduce and correlate.
LAYERS = {
  'backward data': (conv_transpose, (2, 5, 5, 4), (4, 4, 4, 3), dict(strides=2, padding=1), 'library library library'),
  'small image': (conv_transpose, (2, 3, 3, 4), (5, 5, 4, 3), dict(strides=2, padding=2), 'overlap library library'),
  'one pixel': (conv_transpose, (2, 1, 1, 4), (4, 4, 4, 3), dict(), 'pixel pixel pixel'),
  'one row': (conv_transpose, (2, 4, 4, 4), (1, 3, 4, 3), dict(strides=(1, 2)), 'overlap library library'),
  'groups': (conv_transpose, (2, 5, 5, 4), (3, 3, 4, 2), dict(strides=2, groups=2), 'overlap library library'),
  'depthwise': (conv_transpose, (2, 5, 5, 4), (3, 3, 4, 1), dict(strides=2, groups=4), 'taps library library'),
  'dilation': (
    conv_transpose,
    (2, 5, 5, 4),
    (3, 3, 4, 3),
    dict(strides=2, dilation=2, padding=2, output_padding=1),
    'overlap library library',
  ),
  'dilation at stride 1': (conv, (2, 7, 7, 4), (3, 3, 4, 3), dict(dilation=2, padding=(1, 2)), 'library ' * 3),
  'wide dilation': (conv, (2, 4, 4), (5, 4, 3), dict(dilation=2, padding=3), 'overlap columns library'),
  'downward': (conv, (2, 8, 8, 4), (3, 3, 4, 3), dict(strides=2, padding='SAME'), 'library library library'),
}


def geometry_of(name):
  operator, x, kernel, options, _ = LAYERS[name]
  given = dict(strides=1, padding=0, output_padding=0, dilation=1, groups=1) | options
  if operator is conv_transpose:
    return conv_transpose_geometry(x, kernel, *given.values())
  del given['output_padding']
  return conv_geometry(x, kernel, *given.values())


@pytest.mark.parametrize('name', LAYERS)
def test_the_rule(name):
  operator, x, kernel, _, forms = LAYERS[name]
  g = geometry_of(name)
  c_small, c_large = kernel[-2:] if operator is conv_transpose else kernel[:-3:-1]
  expand = gpu.expand_form(g, x[0], c_small // g.groups, c_large)
  assert [expand, gpu.reduce_form(g), gpu.correlate_form(g)] == forms.split()


def test_a_large_unfolded_array_goes_by_phases():
  g = conv_transpose_geometry((1, 64, 64, 8), (9, 9, 8, 64), 3, 4, 2, 1, 2)
  assert gpu.expand_form(g, 1, 4, 64) == 'overlap'
  assert gpu.expand_form(g, 16, 4, 64) == 'phases'


@pytest.fixture
def on_a_gpu(monkeypatch):
  """The operators run a GPU's programs on this CPU."""
  jax.clear_caches()
  monkeypatch.setattr(lax, 'platform_dependent', lambda *operands, cuda, **others: cuda(*operands))
  yield
  jax.clear_caches()


@pytest.mark.parametrize('name', LAYERS)
def test_derivatives_and_vmap_on_a_gpu(name, on_a_gpu):
  """Forward mode, gradients, gradients of gradients, and mapped kernels: against the same by `lax` alone."""
  operator, x_shape, kernel_shape, options, _ = LAYERS[name]
  rng = np.random.default_rng(0)
  x, kernel = draw_array(rng, *x_shape), draw_array(rng, *kernel_shape)
  dx, dk = draw_array(rng, *x_shape), draw_array(rng, *kernel_shape)
  f = functools.partial(operator, **options)
  by_lax = lambda x, k: _by_lax(operator, x, k, geometry_of(name))

  def all_of_it(f, x, kernel, dx, dk):
    score = lambda x, k: jnp.sum(jnp.tanh(f(x, k * 0.5)))
    gradient = jax.grad(score, (0, 1))
    penalty = lambda x, k: sum(jnp.sum(part**2) for part in gradient(x, k))
    return (
      f(x, kernel),
      jax.jvp(score, (x, kernel), (dx, dk)),
      gradient(x, kernel),
      jax.grad(penalty, (0, 1))(x, kernel),
      jax.vmap(f, (None, 0))(x, jnp.stack([kernel, dk])),
      jax.vmap(lambda x, k: jax.grad(score, 1)(x, k))(jnp.stack([x, dx]), jnp.stack([kernel, dk])),
    )

  found, want = (run(functools.partial(all_of_it, g), x, kernel, dx, dk) for g in (f, by_lax))
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-3), found, want)


def _by_lax(operator, x, kernel, g):
  """The plain convolution, with JAX's own derivatives."""
  n = g.ndim
  space = 'DHW'[-n:]
  numbers = ('N' + space + 'C', space + 'IO', 'N' + space + 'C')
  if operator is conv:
    return lax.conv_general_dilated(
      x, kernel, g.strides, g.padding, rhs_dilation=g.dilation, dimension_numbers=numbers, feature_group_count=g.groups
    )
  reach = [d * (k - 1) for k, d in zip(g.window, g.dilation)]
  pads = [
    (r - low, large - (small - 1) * s - 1 + low)
    for r, (low, _), large, small, s in zip(reach, g.padding, g.large, g.small, g.strides)
  ]
  c = kernel.shape[-2] // g.groups
  kernel = jnp.moveaxis(kernel.reshape(*g.window, g.groups, c, -1), n, n + 1).reshape(*g.window, c, -1)
  return lax.conv_general_dilated(
    x,
    jnp.flip(kernel, range(n)),
    (1,) * n,
    pads,
    lhs_dilation=g.strides,
    rhs_dilation=g.dilation,
    dimension_numbers=numbers,
    feature_group_count=g.groups,
  )


@pytest.mark.parametrize('name', LAYERS)
def test_bfloat16_on_a_gpu(name, on_a_gpu):
  """Close to float32 on the rounded arguments: what is added up here is added up in float32."""
  operator, x_shape, kernel_shape, options, _ = LAYERS[name]
  rng = np.random.default_rng(1)
  x, kernel = (jnp.asarray(draw_array(rng, *shape), jnp.bfloat16) for shape in (x_shape, kernel_shape))

  def forward_and_gradients(x, kernel):
    y, pull = jax.vjp(functools.partial(operator, **options), x, kernel)
    return y, *pull(jnp.ones_like(y))

  found = run(forward_and_gradients, x, kernel)
  want = run(forward_and_gradients, *(a.astype(jnp.float32) for a in (x, kernel)))
  for a, b in zip(found, want):
    assert a.dtype == jnp.bfloat16
    np.testing.assert_allclose(np.asarray(a, np.float32), b, rtol=2e-2, atol=2e-2 * float(jnp.abs(b).max()))


def test_the_programs_of_other_platforms_are_untouched():
  """A TPU, and a platform that nobody looked at, get the plain convolutions; a GPU keeps its kernel together."""
  x, kernel = (jax.ShapeDtypeStruct(shape, jnp.float32) for shape in ((2, 5, 5, 4), (4, 4, 4, 3)))
  traced = jax.jit(functools.partial(conv_transpose, strides=2, padding=1)).trace(x, kernel)
  texts = {platform: traced.lower(lowering_platforms=(platform,)).as_text() for platform in ('tpu', 'cuda', 'rocm')}
  assert 'optimization_barrier' not in texts['tpu']
  assert 'optimization_barrier' in texts['cuda'] and 'optimization_barrier' in texts['rocm']
  assert all(text.count('stablehlo.convolution') == 1 for text in texts.values())


# Compiled for a GPU that is not there.

needs_compiler = pytest.mark.skipif(
  bool(compile_for.missing('h100')), reason=f'nothing to compile for an H100 with: {compile_for.INSTALL}'
)
# Shapes that are no row of the benchmark: what the rule must go round.
HARD = (
  benchmark_ops.Case('1x4/2 window', 4, (8, 8), (1, 4), 2, 0, 0, 1, 1, 32, 16),
  benchmark_ops.Case('groups of a small image', 4, (3, 3), (4, 4), 2, 1, 0, 1, 4, 32, 16),
  benchmark_ops.Case('dilated of a small image', 4, (3, 3), (3, 3), 2, 1, 1, 3, 1, 32, 16),
  benchmark_ops.Case('dilated 1-D groups', 4, (16,), (5,), 3, 2, 2, 2, 4, 32, 16),
  benchmark_ops.Case('dilated 3-D', 2, (4, 4, 4), (3, 3, 3), 2, 2, 1, 2, 1, 16, 8),
)


def programs_for(target, case, dtype, maps=('expand', 'reduce', 'correlate'), options=None):
  """The scripts.program_counts.Program of the maps of a layer, compiled together; kernels arrive scaled."""
  shapes = ((case.batch, *case.small, case.c_in), (*case.window, case.c_in, case.c_out // case.groups))
  g = conv_transpose_geometry(*shapes, case.stride, case.padding, case.output_padding, case.dilation, case.groups)
  (device,) = compile_for.devices_of(target)
  here = jax.sharding.SingleDeviceSharding(device)
  x, kernel, y = (
    jax.ShapeDtypeStruct(shape, dtype, sharding=here) for shape in (*shapes, (case.batch, *g.large, case.c_out))
  )
  programs = {
    'expand': lambda x, k, y: bilinear.expand(x, k * 0.5, g),
    'reduce': lambda x, k, y: bilinear.reduce(y, k * 0.5, g),
    'correlate': lambda x, k, y: bilinear.correlate(x, y, g),
  }
  f = jax.jit(lambda *arguments: [programs[name](*arguments) for name in maps], out_shardings=here)
  return program_counts.Program(f.lower(x, kernel, y).compile(compiler_options=options).as_text())


@needs_compiler
@pytest.mark.parametrize('dtype', ['float32', 'bfloat16'])
@pytest.mark.parametrize('case', (*benchmark_ops.CASES, *HARD), ids=lambda case: case.name)
def test_products_for_an_h100(case, dtype):
  program = programs_for('h100', case, jnp.dtype(dtype))
  assert program.products() <= 1.05e9 * benchmark_ops.gflop(case, 'all')
  pixel = math.prod(case.small) == 1  # its output has zeros of its own where it is dilated
  assert pixel or not program.zero_stuffed()


@needs_compiler
def test_the_count_for_an_h100_sees_zeros():
  """The plain convolutions have what the rule goes round, and the same reading finds it."""
  (case,) = (case for case in benchmark_ops.CASES if case.name == 'paper 5x5/2 at 4')
  (device,) = compile_for.devices_of('h100')
  here = jax.sharding.SingleDeviceSharding(device)
  x, kernel, _ = (jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=here) for a in benchmark_ops.arrays(case))
  f = jax.jit(benchmark_ops.lax_conv_transpose(case), out_shardings=here)
  program = program_counts.Program(f.lower(x, kernel).compile().as_text())
  assert program.products() > 3e9 * benchmark_ops.gflop(case, 'forward')
  assert program.zero_stuffed()


@needs_compiler
def test_depthwise_is_one_kernel():
  (case,) = (case for case in benchmark_ops.CASES if case.name == 'depthwise 4x4/2')
  for name in ('expand', 'reduce', 'correlate'):
    program = programs_for('h100', case, jnp.float32, (name,))
    images = [call for call in program.calls if call.bytes > 2**20]
    assert len(images) == 1, (name, program.calls)


@needs_compiler
@pytest.mark.parametrize('window, padding, output_padding', [(3, 1, 1), (5, 2, 1), (4, 1, 0)])
def test_no_copy_of_the_image_for_padding(window, padding, output_padding):
  """The low padding serves at both sides where the high one is smaller by less than a stride."""
  case = benchmark_ops.Case('', 8, (16, 16), (window, window), 2, padding, output_padding, 1, 1, 32, 16)
  program = programs_for('h100', case, jnp.float32, ('reduce',))
  assert [call.kind for call in program.calls if call.bytes > 2**18] == ['forward']


@needs_compiler
def test_no_transposed_images_on_an_a100_with_the_option():
  (case,) = (case for case in benchmark_ops.CASES if case.name == 'dcgan 4x4/2 at 16')
  copied = lambda options: max(
    [call.bytes for call in programs_for('a100', case, jnp.float32, options=options).calls if call.kind == 'copy'],
    default=0,
  )
  assert copied({'xla_gpu_force_conv_nhwc': True}) < 2**21 < copied(None)
