"""The form 'native' of a CPU, by force wherever it can be had: through the tests of all forms, and what it chooses."""

import functools

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P
import numpy as np
import pytest

from deconv import native
from deconv.ops import conv, conv_transpose, cpu, onednn
from deconv.ops.geometry import conv_transpose_geometry
from tests.native import building
from tests.ops import test_conv, test_conv_transforms, test_cpu


@pytest.fixture(scope='module', autouse=True)
def library():
  yield from building.use()


@pytest.fixture(scope='module', autouse=True)
def forced(library):
  """Whatever it can compute, it computes; and it is counted, so that no test passes by the other forms."""
  calls = []

  def carries(name, dtype, g, batch, c_small, c_large):
    if onednn.can(dtype, g, batch):
      calls.append(name)
      return True
    return False

  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(cpu.onednn, 'carries', carries)
    yield calls


def test_it_is_forced(forced):
  """Nothing below passes by the other forms."""
  forced.clear()
  x, kernel = normal(3, 5, 8), normal(3, 8, 4)
  gradients = jax.jit(jax.grad(lambda x, k: jnp.sum(conv_transpose(x, k, strides=2) ** 2), (0, 1))).lower(x, kernel)
  assert set(forced) == {'expand', 'reduce', 'correlate'} and gradients.as_text().count('custom_call @deconv_') == 3


test_transposed_1d = test_conv.test_transposed_1d_and_both_gradients_equal_loops
test_transposed_2d = test_conv.test_transposed_2d_and_both_gradients_equal_loops
test_transposed_3d = test_conv.test_transposed_3d_and_both_gradients_equal_loops
test_conv_and_both_gradients = test_conv.test_conv_and_both_gradients_equal_loops
test_adjoint = test_conv.test_transposed_is_the_vjp_of_the_convolution
test_same = test_conv.test_same_is_the_adjoint_of_a_same_convolution
test_hand_computed = test_conv.test_hand_computed
test_half_precision = test_conv.test_half_precision_accumulates_in_float32
test_long_rows = test_conv.test_stride_one_with_long_rows_and_both_gradients_equal_loops

test_all_forms_1d = test_cpu.test_forms_1d_equal_loops
test_all_forms_2d = test_cpu.test_forms_2d_equal_loops
test_all_forms_3d = test_cpu.test_forms_3d_equal_loops
test_all_forms_at_stride_one = test_cpu.test_forms_at_stride_one_equal_loops

test_jvp = test_conv_transforms.test_jvp_equals_finite_differences
test_jvp_and_vjp = test_conv_transforms.test_jvp_and_vjp_agree
test_gradient_penalty = test_conv_transforms.test_gradient_of_a_gradient_penalty
test_forward_over_reverse = test_conv_transforms.test_forward_over_reverse
test_vmap = test_conv_transforms.test_vmap_equals_a_loop
test_vmap_of_vmap = test_conv_transforms.test_vmap_of_vmap_over_kernels
test_remat_and_scan = test_conv_transforms.test_remat_and_scan
test_shard_map = test_conv_transforms.test_shard_map_gradient_is_the_full_batch_gradient
test_pmap = test_conv_transforms.test_pmap_gradient_is_the_full_batch_gradient
test_empty_batch = test_conv_transforms.test_empty_batch_has_zero_gradient
test_symbolic_batch = test_conv_transforms.test_symbolic_batch_exports_for_every_platform
test_symbolic_sizes = test_conv_transforms.test_symbolic_sizes_export_with_their_gradients


def normal(*shape):
  return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def test_a_batch_divided_over_devices_under_jit():
  """XLA gathers it for the call; the values are the same."""
  mesh = jax.make_mesh((4,), ('data',), axis_types=(jax.sharding.AxisType.Auto,))
  step = jax.jit(jax.value_and_grad(lambda x, k: jnp.mean(conv_transpose(x, k, strides=2, padding=1) ** 2), (0, 1)))
  x, kernel = normal(8, 3, 3, 4), normal(4, 4, 4, 8)
  want = step(x, kernel)
  got = step(jax.device_put(x, NamedSharding(mesh, P('data'))), jax.device_put(kernel, NamedSharding(mesh, P())))
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), got, want)


@pytest.mark.parametrize('batch', [1, 2, 7, 11, 24, 37])
@pytest.mark.parametrize('groups', [1, 4])
def test_batches_that_divide_unevenly(batch, groups):
  """Each shard of a batch takes its own images, whatever their number."""
  x, kernel = normal(batch, 5, 6, 8), normal(3, 3, 8, 64 // groups)

  def run(x, kernel):
    y, vjp = jax.vjp(functools.partial(conv_transpose, strides=2, padding=1, groups=groups), x, kernel)
    return y, *vjp(y)

  got = jax.jit(run)(x, kernel)
  with native.left_out():
    want = jax.jit(lambda x, kernel: run(x, kernel))(x, kernel)
  for a, b in zip(got, want):
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-3)


def test_a_kernel_of_several_slices():
  """More output channels than a slice of the kernel has, and not a multiple of them."""
  x, kernel = normal(8, 6, 6, 72), normal(3, 3, 72, 200)
  program = lambda x, k: conv(x, k, padding=1)
  got = jax.jit(jax.value_and_grad(lambda x, k: jnp.sum(jnp.sin(program(x, k))), (0, 1)))(x, kernel)
  with native.left_out():
    want = jax.jit(jax.value_and_grad(lambda x, k: jnp.sum(jnp.sin(program(x, k))), (0, 1)))(x, kernel)
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-2, atol=1e-2), got, want)


def test_an_exported_program_does_not_need_it():
  program = jax.jit(lambda x, k: conv_transpose(x, k, strides=2, padding=1))
  x, kernel = normal(2, 3, 3, 4), normal(4, 4, 4, 8)
  assert 'deconv_expand' in program.lower(x, kernel).as_text()
  exported = jax.export.export(program)(x, kernel)
  assert 'deconv_expand' not in exported.mlir_module()
  np.testing.assert_allclose(exported.call(x, kernel), program(x, kernel), rtol=1e-4, atol=1e-5)


def geometry(batch, side, window, stride, padding, c_small, c_large, groups=1, n=2):
  x, kernel = (batch, *(side,) * n, c_small * groups), (*(window,) * n, c_small * groups, c_large)
  return conv_transpose_geometry(x, kernel, stride, padding, 0, 1, groups)


MAPS = ('expand', 'reduce', 'correlate')


@pytest.mark.parametrize(
  'shape, carried',
  [
    ((16, 48, 3, 1, 1, 32, 32), MAPS),  # a layer of RED-Net
    ((64, 16, 4, 2, 1, 128, 64), MAPS),  # of DCGAN-64
    ((64, 32, 4, 2, 1, 64, 3), ('reduce', 'correlate')),  # its last one: three channels out
    ((16, 48, 3, 1, 1, 1, 32), ('expand',)),
    ((64, 4, 4, 2, 1, 512, 256), ()),  # the kernel is larger than the images
    ((64, 1, 4, 1, 0, 100, 512), ()),  # a matrix product
    ((8, 32, 1, 1, 0, 64, 64), ('correlate',)),
    ((1, 32, 4, 2, 1, 128, 64), ('correlate',)),
    ((1, 64, 3, 1, 1, 64, 64), MAPS),
    ((8, 16, 4, 2, 1, 8, 8, 8), MAPS),  # groups
    ((8, 32, 4, 2, 1, 1, 1, 64), MAPS),  # depthwise
  ],
)
def test_the_rule(shape, carried, monkeypatch):
  g, (batch, *_, c_small, c_large) = geometry(*shape), shape[:7]
  rule = CARRIES
  assert tuple(name for name in MAPS if rule(name, jnp.float32, g, batch, c_small, c_large)) == carried
  assert not any(rule(name, jnp.float16, g, batch, c_small, c_large) for name in MAPS)
  for amx in (True, False):
    monkeypatch.setattr(onednn, 'multiplies_bfloat16', lambda amx=amx: amx)
    halves = tuple(name for name in MAPS if rule(name, jnp.bfloat16, g, batch, c_small, c_large))
    assert halves == (carried if amx else ())
  with native.left_out():
    assert not any(rule(name, jnp.float32, g, batch, c_small, c_large) for name in MAPS)


CARRIES = onednn.carries  # before it is replaced
