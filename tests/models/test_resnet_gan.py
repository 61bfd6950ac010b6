"""The residual GANs: the published counts, the blocks by hand, their shortcuts, the operator of the doublings."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deconv import ops
from deconv.errors import UserError
from deconv.models import MODELS
from deconv.options.models.gan import ResnetGanOptions

KEY = jax.random.key(0)


def build(side=32, channels=3, **fields):
  return MODELS['resnet_gan'](
    ResnetGanOptions(**fields), image_shape=(side, side, channels), dtype=jnp.float32, batch_norm_axis=None
  )


def variables_of(module, *args, **kwargs):
  return jax.eval_shape(lambda: module.init(KEY, *args, train=False, **kwargs))


def count(tree):
  return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(tree))


def conv(side, c_in, c_out):
  return side * side * c_in * c_out + c_out


def test_sngan_at_32_has_the_published_counts():
  generator, discriminator, latent = build()
  assert (latent.size, latent.distribution) == (128, 'normal')
  gen = variables_of(generator, jnp.zeros((2, 128)))['params']
  block = 2 * conv(3, 256, 256) + conv(1, 256, 256) + 4 * 256
  assert count(gen) == 129 * 4096 + 3 * block + 2 * 256 + conv(3, 256, 3) == 4_276_739
  disc = variables_of(discriminator, jnp.zeros((2, 32, 32, 3)))
  first = conv(3, 3, 128) + conv(3, 128, 128) + conv(1, 3, 128)
  halving = 2 * conv(3, 128, 128) + conv(1, 128, 128)
  assert count(disc['params']) == first + halving + 2 * 2 * conv(3, 128, 128) + 129 == 1_053_825
  assert 'shortcut_2' not in disc['params']  # equal channels, no halving: the input itself
  assert len(disc['spectral']) == 2 + 2 + 2 + 2 + 2 + 1  # every convolution and the dense layer


def test_wgan_gp_at_32():
  generator, _, _ = build(gen_width=128, disc_spectral_norm=False)
  gen = variables_of(generator, jnp.zeros((2, 128)))['params']
  block = 2 * conv(3, 128, 128) + conv(1, 128, 128) + 4 * 128
  assert count(gen) == 129 * 2048 + 3 * block + 2 * 128 + conv(3, 128, 3)


def test_64_layer_by_layer():
  generator, discriminator, _ = build(64, gen_width=64, disc_width=64, disc_spectral_norm=False, disc_norm='layer')
  gen = variables_of(generator, jnp.zeros((2, 128)))['params']
  assert gen['project']['kernel'].shape == (128, 4 * 4 * 1024)
  assert [gen[f'up_{i}']['kernel'].shape[2:] for i in range(1, 5)] == [(1024, 512), (512, 256), (256, 128), (128, 64)]
  disc = variables_of(discriminator, jnp.zeros((2, 64, 64, 3)))['params']
  assert [disc[f'conv_{i}_2']['kernel'].shape[2:] for i in range(5)] == [
    (64, 64),
    (64, 128),
    (128, 256),
    (256, 512),
    (512, 1024),
  ]
  assert disc['logit']['kernel'].shape == (1024, 1)
  assert 'norm_0_1' not in disc and 'norm_0_2' not in disc and disc['norm_1_1']['scale'].shape == (64,)


def randomly(variables):
  rng = np.random.default_rng(0)
  draw = lambda x: jnp.asarray(rng.normal(size=x.shape).astype(np.float32)) * 0.3
  return {name: jax.tree.map(draw, tree) if name == 'params' else tree for name, tree in variables.items()}


def mean(x):
  return (x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]) / 4


def apply(layer, x):
  return np.asarray(ops.conv(jnp.asarray(x), layer['kernel'], padding='SAME') + layer['bias'])


def relu(x):
  return np.maximum(x, 0)


def test_the_discriminator_by_hand():
  _, discriminator, _ = build(disc_width=2, disc_spectral_norm=False)
  x = np.random.default_rng(1).normal(size=(2, 32, 32, 3)).astype(np.float32)
  variables = randomly(jax.jit(lambda: discriminator.init(KEY, x, train=False))())
  p = variables['params']
  y = mean(apply(p['conv_0_2'], relu(apply(p['conv_0_1'], x)))) + apply(p['shortcut_0'], mean(x))
  z = mean(apply(p['conv_1_2'], relu(apply(p['conv_1_1'], relu(y))))) + mean(apply(p['shortcut_1'], y))
  for i in (2, 3):
    z = z + apply(p[f'conv_{i}_2'], relu(apply(p[f'conv_{i}_1'], relu(z))))
  logits = (relu(z).sum((1, 2)) @ p['logit']['kernel'] + p['logit']['bias'])[:, 0]
  np.testing.assert_allclose(jax.jit(discriminator.apply, static_argnums=2)(variables, x, False), logits, rtol=1e-3)


def test_the_generator_by_hand():
  generator, _, _ = build(gen_width=2, gen_norm='none')
  z = np.random.default_rng(1).normal(size=(2, 128)).astype(np.float32)
  variables = randomly(jax.jit(lambda: generator.init(KEY, z, train=False))())
  p = variables['params']
  x = np.asarray(z @ p['project']['kernel'] + p['project']['bias']).reshape(2, 4, 4, 2)

  def double(x):
    return x.repeat(2, axis=1).repeat(2, axis=2)

  for i in (1, 2, 3):
    y = apply(p[f'up_{i}'], double(relu(x)))
    x = apply(p[f'conv_{i}'], relu(y)) + apply(p[f'shortcut_{i}'], double(x))
  expected = np.tanh(apply(p['image'], relu(x)))
  images = jax.jit(generator.apply, static_argnums=2)(variables, z, False)
  np.testing.assert_allclose(images, expected, atol=2e-3)


def test_the_doubling_is_a_field():
  generator, _, _ = build(gen_width=4, upsample='deconv4')
  gen = variables_of(generator, jnp.zeros((2, 128)))['params']
  assert gen['up_1']['kernel'].shape == (4, 4, 4, 4)
  with pytest.raises(UserError, match="cannot upsample by 'unpool'"):
    ResnetGanOptions(upsample='unpool')


def test_other_sides_are_refused():
  with pytest.raises(UserError, match='32x32 and 64x64, not 28x28'):
    build(28)
