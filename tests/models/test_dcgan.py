"""The paper's network: layers, shapes and parameter counts by hand, initialisation, presets, types."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deconv import ops
from deconv.errors import UserError
from deconv.models import MODELS
from deconv.models.dcgan import Discriminator
from deconv.options.models.gan import DcganOptions

KEY = jax.random.key(0)


def build(image_shape, dtype=None, **fields):
  """(generator, discriminator, latent) of the options of these fields."""
  return MODELS['dcgan'](DcganOptions(**fields), image_shape=image_shape, dtype=dtype, batch_norm_axis=None)


def shapes(module, *args):
  """{layer name: output shape} and the parameter shapes, without computing anything."""

  def run(*args):
    variables = module.init(KEY, *args, train=False)
    _, captured = module.apply(variables, *args, train=False, capture_intermediates=True, mutable=['intermediates'])
    layers = {name: value for name, value in captured['intermediates'].items() if name != '__call__'}
    return {name: value['__call__'][0] for name, value in layers.items()}, variables

  outputs, variables = jax.eval_shape(run, *args)
  return {name: value.shape[1:] for name, value in outputs.items()}, variables


def init(module, *args):
  """Compiled as one program: many small ones take longer to compile."""
  return jax.jit(lambda *args: module.lazy_init(KEY, *args, train=False))(*args)


def count(tree):
  return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(tree))


def latent(n=2, size=100):
  return jnp.zeros((n, size))


def test_paper_generator_layer_by_layer():
  generator, _, spec = build((64, 64, 3))
  assert (spec.size, spec.distribution) == (100, 'uniform')
  layers, variables = shapes(generator, latent())
  assert layers['project'] == (4 * 4 * 1024,)
  assert [layers[f'norm_{i}'] for i in range(4)] == [(4, 4, 1024), (8, 8, 512), (16, 16, 256), (32, 32, 128)]
  assert [layers[f'up_{i}'] for i in range(1, 5)] == [(8, 8, 512), (16, 16, 256), (32, 32, 128), (64, 64, 3)]
  kernels = 100 * 16384 + 25 * (1024 * 512 + 512 * 256 + 256 * 128 + 128 * 3)
  norms = 2 * (1024 + 512 + 256 + 128)
  assert count(variables['params']) == kernels + norms + 3 == 18_855_043
  assert count(variables['batch_stats']) == norms


def test_paper_discriminator_layer_by_layer():
  _, discriminator, _ = build((64, 64, 3))
  layers, variables = shapes(discriminator, jnp.zeros((2, 64, 64, 3)))
  assert [layers[f'down_{i}'] for i in range(1, 5)] == [(32, 32, 128), (16, 16, 256), (8, 8, 512), (4, 4, 1024)]
  assert layers['logit'] == (1,)
  assert 'norm_1' not in layers  # no batch norm on the discriminator's input layer
  kernels = 25 * (3 * 128 + 128 * 256 + 256 * 512 + 512 * 1024) + 16384
  assert count(variables['params']) == kernels + 2 * (256 + 512 + 1024) + 128 + 1 == 17_232_897


def test_code_preset_normalises_units_and_has_no_biases():
  generator, discriminator, _ = build((64, 64, 3), preset='code')
  _, gen = shapes(generator, latent())
  _, disc = shapes(discriminator, jnp.zeros((2, 64, 64, 3)))
  assert gen['params']['norm_0']['scale'].shape == (16384,)
  # gw, gg, gb, gw2, gg2, gb2, ..., gwx and dw, dw2, dg2, db2, ..., dwy of the authors' script.
  assert count(gen['params']) == 100 * 16384 + 25 * (1024 * 512 + 512 * 256 + 256 * 128 + 128 * 3) + 2 * (
    16384 + 512 + 256 + 128
  )
  assert count(disc['params']) == 25 * (3 * 128 + 128 * 256 + 256 * 512 + 512 * 1024) + 16384 + 2 * (256 + 512 + 1024)


def test_code_preset_draws_the_gain():
  generator, _, _ = build((8, 8, 1), width=64, preset='code')
  gain = init(generator, latent())['params']['norm_0']['scale']
  np.testing.assert_allclose([gain.mean(), gain.std()], [1, 0.02], atol=0.003)
  generator, _, _ = build((8, 8, 1), width=64)
  assert np.all(init(generator, latent())['params']['norm_0']['scale'] == 1)


@pytest.mark.parametrize('kernel_size', [3, 4, 5])
@pytest.mark.parametrize('size', [8, 16, 32])
def test_any_resolution(size, kernel_size):
  generator, discriminator, _ = build((size, size, 2), width=4, kernel_size=kernel_size)
  layers, _ = shapes(generator, latent())
  n = {8: 1, 16: 2, 32: 3}[size]
  assert layers[f'up_{n}'] == (size, size, 2) and f'up_{n + 1}' not in layers
  if n > 1:
    assert layers[f'up_{n - 1}'] == (size // 2, size // 2, 4)  # the layer next to the image has `width` channels
  layers, _ = shapes(discriminator, jnp.zeros((2, size, size, 2)))
  assert layers[f'down_{n}'] == (4, 4, 4 * 2 ** (n - 1))


@pytest.mark.parametrize(
  'shape, near',
  [
    ((28, 28, 1), '16 or 32'),
    ((4, 4, 1), '8'),
    ((65, 65, 3), '64 or 128'),
    ((32, 64, 3), '32'),
    ((96, 96, 3), '64 or 128'),
    ((1, 1, 1), '8'),
  ],
)
def test_size_that_the_network_cannot_make(shape, near):
  with pytest.raises(UserError, match=f'not {shape[0]}x{shape[1]}.*image_size to {near}'):
    build(shape)


def test_unknown_preset():
  with pytest.raises(UserError, match='paper, code'):
    DcganOptions(preset='papr')


def test_four_transposed_convolutions_and_no_pooling(monkeypatch):
  calls = []
  plain = ops.conv_transpose
  monkeypatch.setattr(ops, 'conv_transpose', lambda x, *args, **kw: calls.append(x.shape) or plain(x, *args, **kw))
  generator, discriminator, _ = build((64, 64, 3), width=2)
  _, variables = shapes(generator, latent())
  calls.clear()
  trace = jax.make_jaxpr(lambda v, z: generator.apply(v, z, train=False))(variables, latent())
  assert [shape[1] for shape in calls] == [4, 8, 16, 32]
  images = jnp.zeros((2, 64, 64, 3))
  _, variables = shapes(discriminator, images)
  calls.clear()
  trace = f'{trace}{jax.make_jaxpr(lambda v, x: discriminator.apply(v, x, train=False))(variables, images)}'
  assert not calls and 'reduce_window' not in trace and 'select_and_scatter' not in trace


def test_kernels_are_normal_002_and_reproducible():
  generator, discriminator, _ = build((16, 16, 3), width=32)
  for module, x in ((generator, latent()), (discriminator, jnp.zeros((2, 16, 16, 3)))):
    params = init(module, x)['params']
    for name, layer in params.items():
      if 'kernel' in layer:
        kernel = np.asarray(layer['kernel'])
        error = 5 / np.sqrt(kernel.size)
        assert abs(kernel.mean()) < 0.02 * error and abs(kernel.std() / 0.02 - 1) < error, name
        assert np.abs(kernel).max() > 0.05 or kernel.size < 1000  # normal, not truncated at two deviations
    again = init(module, x)['params']
    jax.tree.map(np.testing.assert_array_equal, params, again)


def test_bfloat16_computes_in_bfloat16_and_keeps_float32():
  generator, discriminator, _ = build((16, 16, 1), width=4, dtype=jnp.bfloat16)
  z = jax.random.uniform(KEY, (4, 100), minval=-1.0, maxval=1.0)
  variables = init(generator, z)
  run = jax.jit(
    lambda variables, z: generator.apply(
      variables, z, train=True, mutable=['batch_stats', 'intermediates'], capture_intermediates=True
    )
  )
  images, new = run(variables, z)
  assert new['intermediates']['up_1']['__call__'][0].dtype == jnp.bfloat16
  assert new['intermediates']['norm_1']['__call__'][0].dtype == jnp.bfloat16
  assert images.dtype == jnp.float32
  assert {leaf.dtype for leaf in jax.tree.leaves([variables, new['batch_stats']])} == {jnp.dtype('float32')}
  reference, _, _ = build((16, 16, 1), width=4)
  exact = jax.jit(lambda v, z: reference.apply(v, z, train=True, mutable=['batch_stats'])[0])(variables, z)
  assert 0 < np.abs(exact - images).max() < 0.05
  _, variables = shapes(discriminator, images)
  assert jax.eval_shape(lambda v, x: discriminator.apply(v, x, train=False), variables, images).dtype == jnp.float32


def test_activations():
  """ReLU in the generator, LeakyReLU of slope `leak` in the discriminator, tanh at the end: a network done by hand."""
  generator, discriminator, _ = build((8, 8, 1), width=2, kernel_size=4, leak=0.25)
  z = jax.random.uniform(KEY, (3, 100), minval=-1.0, maxval=1.0)
  variables = init(generator, z)
  variables = jax.tree.map(lambda x: x + 0.1, variables)  # no bias or mean left at zero
  p, s = variables['params'], variables['batch_stats']
  x = np.asarray(z @ p['project']['kernel']).reshape(3, 4, 4, 2)
  x = (x - s['norm_0']['mean']) / np.sqrt(s['norm_0']['var'] + 1e-5) * p['norm_0']['scale'] + p['norm_0']['bias']
  x = ops.conv_transpose(jnp.maximum(x, 0), p['up_1']['kernel'], strides=2, padding=1) + p['up_1']['bias']
  images = jax.jit(lambda *args: generator.apply(*args, train=False))(variables, z)
  np.testing.assert_allclose(images, np.tanh(x), atol=1e-5)

  variables = jax.tree.map(lambda x: x - 0.05, init(discriminator, images))
  p = variables['params']
  x = ops.conv(images, p['down_1']['kernel'], strides=2, padding=1) + p['down_1']['bias']
  x = np.where(x > 0, x, 0.25 * x).reshape(3, -1)
  logits = jax.jit(lambda *args: discriminator.apply(*args, train=False))(variables, images)
  np.testing.assert_allclose(logits, (x @ p['logit']['kernel'] + p['logit']['bias'])[:, 0], atol=1e-5)


def test_upsample_kind_is_handed_down():
  generator, _, _ = build((16, 16, 1), width=4, upsample='subpixel')
  _, variables = shapes(generator, latent())
  assert variables['params']['up_1']['kernel'].shape == (5, 5, 8, 4 * 4)
  with pytest.raises(UserError, match="did you mean 'unpool'"):
    DcganOptions(upsample='unpol')


def test_momentum_is_the_decay_of_the_statistics():
  generator, _, _ = build((8, 8, 1), width=2, batch_norm_momentum=0.75)
  z = jax.random.uniform(KEY, (64, 100), minval=-1.0, maxval=1.0)
  variables = init(generator, z)
  variables['batch_stats'] = jax.tree.map(lambda x: x + 0.5, variables['batch_stats'])  # not those of the start
  _, new = jax.jit(lambda *args: generator.apply(*args, train=True, mutable=['batch_stats']))(variables, z)
  x = np.asarray(z @ variables['params']['project']['kernel']).reshape(-1, 2)
  np.testing.assert_allclose(new['batch_stats']['norm_0']['mean'], 0.75 * 0.5 + 0.25 * x.mean(0), atol=1e-6)
  np.testing.assert_allclose(new['batch_stats']['norm_0']['var'], 0.75 * 1.5 + 0.25 * x.var(0), atol=1e-5)


def test_batch_norm_takes_the_statistics_of_all_devices():
  """Of the mapped axis that the builder is given, and of each device's own share without."""
  images = jax.random.normal(KEY, (2, 3, 16, 16, 1))
  means = []
  for axis in ('batch', None):
    _, discriminator, _ = MODELS['dcgan'](
      DcganOptions(width=2), image_shape=(16, 16, 1), dtype=None, batch_norm_axis=axis
    )
    variables = init(discriminator, images[0])
    judge = functools.partial(discriminator.apply, variables, train=True, mutable=['batch_stats'])
    _, new = jax.jit(jax.vmap(judge, axis_name='batch'))(images)
    means.append(np.asarray(new['batch_stats']['norm_2']['mean']))
  np.testing.assert_allclose(means[0], np.broadcast_to(means[1].mean(0), (2, 4)), rtol=1e-4)
  assert np.abs(means[1][0] - means[1][1]).max() > 1e-5


def test_discriminator_alone():
  """As other tasks make it: options of their own, any size that it can halve to 4x4."""
  discriminator = Discriminator(options=DcganOptions(width=2, kernel_size=4), axis_name=None, dtype=jnp.float32)
  assert hash(discriminator) == hash(discriminator.clone())  # may be a static argument
  layers, variables = shapes(discriminator, jnp.zeros((2, 16, 16, 3)))
  assert variables['params']['down_1']['kernel'].shape == (4, 4, 3, 2) and layers['logit'] == (1,)
