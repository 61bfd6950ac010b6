"""SNDCGAN: the layers and counts of the paper's table 3, by hand, and what its spectral norm is of."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deconv.errors import UserError
from deconv.models import MODELS
from deconv.options.models.gan import SndcganOptions

KEY = jax.random.key(0)


def build(image_shape=(32, 32, 3), **fields):
  return MODELS['sndcgan'](SndcganOptions(**fields), image_shape=image_shape, dtype=jnp.float32, batch_norm_axis=None)


def shapes(module, *args):
  def run():
    variables = module.init(KEY, *args, train=False)
    _, captured = module.apply(variables, *args, train=False, capture_intermediates=True, mutable=['intermediates'])
    layers = {name: value for name, value in captured['intermediates'].items() if name != '__call__'}
    return {name: value['__call__'][0] for name, value in layers.items() if '__call__' in value}, variables

  outputs, variables = jax.eval_shape(run)
  return {name: value.shape[1:] for name, value in outputs.items()}, variables


def count(tree):
  return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(tree))


def test_generator_layer_by_layer():
  generator, _, latent = build()
  assert (latent.size, latent.distribution) == (128, 'normal')
  layers, variables = shapes(generator, jnp.zeros((2, 128)))
  assert layers['project'] == (4 * 4 * 512,)
  assert [layers[f'up_{i}'] for i in (1, 2, 3)] == [(8, 8, 256), (16, 16, 128), (32, 32, 64)]
  assert layers['image'] == (32, 32, 3)
  kernels = 128 * 8192 + 16 * (512 * 256 + 256 * 128 + 128 * 64) + 9 * 64 * 3 + 3
  assert count(variables['params']) == kernels + 2 * (512 + 256 + 128 + 64) == 3_804_739
  assert 'spectral' not in variables


def test_discriminator_layer_by_layer():
  _, discriminator, _ = build()
  layers, variables = shapes(discriminator, jnp.zeros((2, 32, 32, 3)))
  expected = [(32, 64), (16, 64), (16, 128), (8, 128), (8, 256), (4, 256), (4, 512)]
  assert [layers[f'conv_{i}'] for i in range(7)] == [(side, side, width) for side, width in expected]
  assert [variables['params'][f'conv_{i}']['kernel'].shape[0] for i in range(7)] == [3, 4, 3, 4, 3, 4, 3]
  weights = [9 * 3 * 64, 16 * 64 * 64, 9 * 64 * 128, 16 * 128 * 128, 9 * 128 * 256, 16 * 256 * 256, 9 * 256 * 512]
  biases = 64 + 64 + 128 + 128 + 256 + 256 + 512
  assert count(variables['params']) == sum(weights) + biases + 4 * 4 * 512 + 1 == 2_935_873
  assert set(variables['spectral']) == {*(f'conv_{i}' for i in range(7)), 'logit'}


def test_other_sides_and_operators():
  generator, discriminator, _ = build((48, 48, 1), width=2, upsample='subpixel')
  layers, variables = shapes(generator, jnp.zeros((2, 128)))
  assert layers['project'] == (6 * 6 * 16,) and layers['image'] == (48, 48, 1)
  assert variables['params']['up_1']['kernel'].shape == (3, 3, 16, 8 * 4)
  assert shapes(discriminator, jnp.zeros((2, 48, 48, 1)))[0]['conv_6'] == (6, 6, 16)
  for shape in ((28, 28, 1), (32, 64, 1)):
    with pytest.raises(UserError, match='multiple of 8'):
      build(shape)
