"""conv and conv_transpose under JAX's transformations."""

import functools

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P
import numpy as np
import pytest

from deconv.ops import conv, conv_transpose

RNG = np.random.default_rng(0)


def arr(*shape):
  return jnp.asarray(RNG.normal(size=shape), jnp.float32)


def plain(x, kernel):
  """The transposed convolution 4x4/2, padding 1, of `lax`, whose own derivatives are right, if slow."""
  return jax.lax.conv_general_dilated(
    x, jnp.flip(kernel, (0, 1)), (1, 1), [(2, 2)] * 2, lhs_dilation=(2, 2), dimension_numbers=('NHWC', 'HWIO', 'NHWC')
  )


up = jax.jit(functools.partial(conv_transpose, strides=2, padding=1))
down = jax.jit(functools.partial(conv, strides=2, padding=1))
X, K = arr(4, 3, 3, 4), arr(4, 4, 4, 3)
CASES = {
  'up': (up, X, K),
  'down': (down, arr(2, 6, 6, 3), arr(4, 4, 3, 4)),
  'grouped up': (jax.jit(functools.partial(conv_transpose, strides=2, groups=2)), arr(2, 3, 4), arr(3, 4, 2)),
  'grouped down': (jax.jit(functools.partial(conv, strides=2, groups=2)), arr(2, 7, 4), arr(3, 2, 4)),
  'depthwise up': (jax.jit(functools.partial(conv_transpose, strides=2, groups=4)), arr(2, 3, 4), arr(3, 4, 1)),
}


@pytest.mark.parametrize('name', CASES)
def test_jvp_equals_finite_differences(name):
  f, x, kernel = CASES[name]
  dx, dk = arr(*x.shape), arr(*kernel.shape)
  smooth = lambda x, k: jnp.sum(jnp.tanh(f(x, k)))
  _, tangent = jax.jit(lambda *a: jax.jvp(smooth, a[:2], a[2:]))(x, kernel, dx, dk)
  eps = 1e-3
  with jax.enable_x64(True):
    wide = [np.asarray(v, np.float64) for v in (x, kernel, dx, dk)]
    ends = [float(smooth(wide[0] + e * wide[2], wide[1] + e * wide[3])) for e in (eps, -eps)]
  np.testing.assert_allclose(tangent, (ends[0] - ends[1]) / (2 * eps), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize('name', CASES)
def test_jvp_and_vjp_agree(name):
  f, x, kernel = CASES[name]
  tangents = arr(*x.shape), arr(*kernel.shape)
  y, dy = jax.jvp(f, (x, kernel), tangents)
  ct = arr(*y.shape)
  gradients = jax.vjp(f, x, kernel)[1](ct)
  np.testing.assert_allclose(jnp.vdot(dy, ct), sum(map(jnp.vdot, gradients, tangents)), rtol=1e-4)


def penalty(f, x, kernel):
  """A gradient penalty: (|d f / d x| - 1)^2, to be differentiated again."""
  score = lambda x: jnp.sum(jnp.tanh(f(x, kernel)))
  norms = jnp.sqrt(jnp.sum(jax.grad(score)(x) ** 2, axis=(1, 2, 3)))
  return jnp.mean((norms - 1) ** 2)


def test_gradient_of_a_gradient_penalty():
  got = jax.jit(jax.grad(functools.partial(penalty, up), (0, 1)))(X, K)
  want = jax.jit(jax.grad(functools.partial(penalty, plain), (0, 1)))(X, K)
  for a, b in zip(got, want):
    np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


def test_forward_over_reverse():
  score = lambda f: lambda k: jnp.sum(jnp.sin(f(X, k)))
  v = arr(*K.shape)
  hvp = lambda f: jax.jit(lambda k: jax.jvp(jax.grad(score(f)), (k,), (v,))[1])(K)
  np.testing.assert_allclose(hvp(up), hvp(plain), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize('name', CASES)
@pytest.mark.parametrize('axes', [(0, None), (None, 0), (0, 0), (1, 2)])
def test_vmap_equals_a_loop(name, axes):
  f, x, kernel = CASES[name]
  xs = x if axes[0] is None else jnp.stack([x, 2 * x, x - 1], axes[0])
  ks = kernel if axes[1] is None else jnp.stack([kernel, kernel + 1, -kernel], axes[1])
  at = lambda a, axis, i: a if axis is None else jnp.take(a, i, axis)
  value_and_gradients = lambda x, k: (f(x, k), *jax.grad(lambda x, k: jnp.sum(f(x, k) ** 2), (0, 1))(x, k))
  got = jax.jit(jax.vmap(value_and_gradients, axes))(xs, ks)
  single = jax.jit(value_and_gradients)
  for i in range(3):
    for a, b in zip(got, single(at(xs, axes[0], i), at(ks, axes[1], i))):
      np.testing.assert_allclose(a[i], b, rtol=1e-4, atol=1e-3)


def test_vmap_of_vmap_over_kernels():
  ks = arr(2, 3, *K.shape)
  got = jax.jit(jax.vmap(jax.vmap(up, (None, 0)), (None, 0)))(X, ks)
  np.testing.assert_allclose(got[1, 2], up(X, ks[1, 2]), rtol=1e-4, atol=1e-4)


def test_remat_and_scan():
  def loss(k, layer):
    y, _ = jax.lax.scan(lambda x, _: (layer(x), None), X, length=2)
    return jnp.sum(y**2)

  def layer(k, x):
    return down(up(x, k), jnp.swapaxes(k, -1, -2)) * 0.1

  kept = jax.jit(jax.grad(lambda k: loss(k, functools.partial(layer, k))))(K)
  again = jax.jit(jax.grad(lambda k: loss(k, jax.checkpoint(functools.partial(layer, k)))))(K)
  np.testing.assert_allclose(kept, again, rtol=1e-4, atol=1e-3)


def mesh():
  return jax.make_mesh((4,), ('data',), axis_types=(jax.sharding.AxisType.Auto,))


def loss_of(f):
  return lambda x, k: jnp.mean(jnp.tanh(f(x, k)) ** 2)


def test_sharded_batch_under_jit():
  sharded = jax.device_put(X, NamedSharding(mesh(), P('data')))
  kernel = jax.device_put(K, NamedSharding(mesh(), P()))
  step = jax.jit(jax.value_and_grad(loss_of(up), (0, 1)))
  compiled = step.lower(sharded, kernel).compile()
  got, want = compiled(sharded, kernel), step(X, K)
  assert got[1][0].sharding.spec[0] == 'data'  # the input gradient stays with its images
  assert 'all-gather' not in compiled.as_text()
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), got, want)


@pytest.mark.parametrize('check_vma', [True, False])
def test_shard_map_gradient_is_the_full_batch_gradient(check_vma):
  want = jax.jit(jax.grad(loss_of(up), 1))(X, K)

  @functools.partial(jax.shard_map, mesh=mesh(), in_specs=(P('data'), P()), out_specs=P(), check_vma=check_vma)
  def gradient(x, k):
    if check_vma:
      return jax.grad(lambda k: jax.lax.pmean(loss_of(up)(x, k), 'data'))(k)
    return jax.lax.pmean(jax.grad(lambda k: loss_of(up)(x, k))(k), 'data')

  np.testing.assert_allclose(jax.jit(gradient)(X, K), want, rtol=1e-4, atol=1e-6)


def test_pmap_gradient_is_the_full_batch_gradient():
  want = jax.jit(jax.grad(loss_of(up), 1))(X, K)
  gradient = jax.pmap(lambda x, k: jax.lax.pmean(jax.grad(loss_of(up), 1)(x, k), 'data'), 'data', in_axes=(0, None))
  np.testing.assert_allclose(gradient(X[:, None], K)[0], want, rtol=1e-4, atol=1e-6)


def test_empty_batch_has_zero_gradient():
  y, vjp = jax.vjp(up, X[:0], K)
  dx, dk = vjp(y)
  assert y.shape == (0, 6, 6, 3) and dx.shape == (0, 3, 3, 4)
  np.testing.assert_array_equal(dk, 0)


def test_symbolic_batch_exports_for_every_platform():
  (batch,) = jax.export.symbolic_shape('b')
  gradient = jax.jit(jax.grad(loss_of(up), (0, 1)))
  exported = jax.export.export(gradient, platforms=('cpu', 'tpu', 'cuda'))(
    jax.ShapeDtypeStruct((batch, *X.shape[1:]), X.dtype), jax.ShapeDtypeStruct(K.shape, K.dtype)
  )
  for got, want in zip(exported.call(X, K), gradient(X, K)):
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def test_matmul_precision_is_the_one_of_the_call():
  def precise(x, k):
    with jax.default_matmul_precision('highest'):
      return up(x, k)

  assert 'HIGHEST' in jax.jit(precise).lower(X, K).as_text()
  assert 'HIGHEST' in jax.jit(jax.grad(lambda x, k: jnp.sum(precise(x, k)))).lower(X, K).as_text()
  assert 'HIGHEST' not in jax.jit(up).lower(X, K).as_text()


@pytest.mark.parametrize(
  'operator, kernel, options',
  [
    (conv, arr(3, 3, 4, 5), dict(padding='SAME')),
    (conv, arr(4, 4, 4, 5), dict(padding=2, dilation=2)),
    (conv, arr(3, 3, 2, 4), dict(padding=1, groups=2)),
    (conv, arr(3, 3, 1, 4), dict(padding=1, groups=4)),
    (conv_transpose, arr(4, 4, 4, 3), dict(strides=2, padding=1)),
    (conv_transpose, arr(5, 5, 4, 3), dict(strides=2, padding='SAME')),
    (conv_transpose, arr(3, 3, 4, 3), dict(strides=2, dilation=3, output_padding=2)),
    (conv_transpose, arr(3, 3, 4, 3), dict(strides=3, padding=1, groups=2)),
    (conv_transpose, arr(3, 3, 4, 1), dict(strides=2, groups=4)),
  ],
)
def test_symbolic_sizes_export_with_their_gradients(operator, kernel, options):
  def run(x, kernel):
    y, pull = jax.vjp(functools.partial(operator, **options), x, kernel)
    return y, pull(y)

  sizes = jax.export.symbolic_shape('b, h, w', constraints=['h >= 8', 'w >= 8'])
  exported = jax.export.export(jax.jit(run), platforms=('cpu', 'tpu', 'cuda'))(
    jax.ShapeDtypeStruct((*sizes, 4), jnp.float32), jax.ShapeDtypeStruct(kernel.shape, kernel.dtype)
  )
  for size in ((1, 9, 8), (3, 8, 17)):
    x = arr(*size, 4)
    jax.tree.map(
      lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-3), exported.call(x, kernel), run(x, kernel)
    )


@pytest.mark.parametrize('options', [dict(strides=2), dict(strides=(2, 3), padding=1), dict(strides=2, groups=4)])
def test_strided_convolutions_of_symbolic_sizes_export(options):
  """As those of `lax`, whose gradients have a padding that depends on the size, which it refuses; so do ours."""
  kernel = arr(4, 4, 4 // options.get('groups', 1), 4)
  sizes = jax.export.symbolic_shape('h, w', constraints=['h >= 8', 'w >= 8'])
  exported = jax.export.export(jax.jit(functools.partial(conv, **options)))(
    jax.ShapeDtypeStruct((2, *sizes, 4), jnp.float32), jax.ShapeDtypeStruct(kernel.shape, kernel.dtype)
  )
  for size in ((8, 9), (11, 10), (13, 16)):  # pixels that no window reaches
    x = arr(2, *size, 4)
    np.testing.assert_allclose(exported.call(x, kernel), conv(x, kernel, **options), rtol=1e-4, atol=1e-4)
