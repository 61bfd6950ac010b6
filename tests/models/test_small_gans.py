"""The 28x28 GAN, the MLP GAN and the latent codes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from deconv.errors import UserError
from deconv.models import MODELS
from deconv.models.latent import Latent
from deconv.options import Experiment
from deconv.options.models import gan

KEY = jax.random.key(0)


def build(name, image_shape, dtype=None, **fields):
  """(generator, discriminator, latent) of the options of these fields."""
  return MODELS[name](gan.MODELS[name](**fields), image_shape=image_shape, dtype=dtype, batch_norm_axis=None)


def count(tree):
  return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(tree))


def variables_of(module, *args):
  return jax.eval_shape(lambda *args: module.init(KEY, *args, train=False), *args)


def test_gan28_parameters_by_hand():
  generator, discriminator, spec = build('gan28', (28, 28, 1))
  assert spec == Latent(100, 'normal')
  gen = variables_of(generator, jnp.zeros((2, 100)))['params']
  assert gen['up_1']['kernel'].shape == (4, 4, 128, 128) and gen['up_2']['kernel'].shape == (4, 4, 128, 64)
  assert gen['image']['kernel'].shape == (7, 7, 64, 1)
  assert count(gen) == (100 + 1) * 7 * 7 * 128 + (16 * 128 + 1) * 128 + (16 * 128 + 1) * 64 + 49 * 64 + 1
  disc = variables_of(discriminator, jnp.zeros((2, 28, 28, 1)))['params']
  assert count(disc) == (25 * 1 + 1) * 64 + (25 * 64 + 1) * 128 + 7 * 7 * 128 + 1
  images = jax.eval_shape(
    lambda v, z: generator.apply(v, z, train=False), variables_of(generator, jnp.zeros((2, 100))), jnp.zeros((5, 100))
  )
  assert images.shape == (5, 28, 28, 1)


def test_gan28_makes_28_pixels_only():
  with pytest.raises(UserError, match='28x28, not 32x32.*dcgan'):
    build('gan28', (32, 32, 1))


def test_gan28_drops_features_in_training_only():
  _, discriminator, _ = build('gan28', (28, 28, 1), width=4)
  x = jax.random.normal(KEY, (3, 28, 28, 1))
  variables = jax.jit(lambda x: discriminator.lazy_init(KEY, x, train=False))(x)
  train = jax.jit(lambda key: discriminator.apply(variables, x, train=True, rngs={'dropout': key}))
  a, b = (train(jax.random.key(i)) for i in range(2))
  assert np.abs(a - b).max() > 1e-4
  jax.eval_shape(lambda: discriminator.apply(variables, x, train=False))  # asks for no random stream


def test_mlp_parameters_by_hand():
  generator, discriminator, _ = build('mlp_gan', (28, 28, 1))
  gen = variables_of(generator, jnp.zeros((2, 100)))['params']
  assert count(gen) == 101 * 128 + 129 * 128 + 129 * 784
  disc = variables_of(discriminator, jnp.zeros((2, 28, 28, 1)))['params']
  assert count(disc) == 785 * 128 + 129 * 128 + 129


def test_mlp_by_hand():
  generator, discriminator, _ = build('mlp_gan', (2, 3, 1), hidden=4, depth=1, leak=0.5, latent_size=3)
  z = jax.random.normal(KEY, (5, 3))
  variables = generator.init(KEY, z, train=False)
  p = variables['params']
  h = np.asarray(z @ p['hidden_1']['kernel'])
  images = np.tanh(np.where(h > 0, h, h / 2) @ p['image']['kernel']).reshape(5, 2, 3, 1)
  np.testing.assert_allclose(generator.apply(variables, z, train=True), images, atol=1e-6)
  variables = discriminator.init(KEY, images, train=False)
  p = variables['params']
  h = images.reshape(5, 6) @ np.asarray(p['hidden_1']['kernel'])
  logits = (np.where(h > 0, h, h / 2) @ p['logit']['kernel'])[:, 0]
  np.testing.assert_allclose(discriminator.apply(variables, images, train=True), logits, atol=1e-6)


def test_mlp_for_points_has_no_tanh():
  generator, _, _ = build('mlp_gan', (1, 1, 2), hidden=4, depth=1, output='linear')
  bounded, _, _ = build('mlp_gan', (1, 1, 2), hidden=4, depth=1)
  z = 100 * jax.random.normal(KEY, (5, 100))
  variables = generator.init(KEY, z, train=False)
  points = generator.apply(variables, z, train=False)
  assert points.shape == (5, 1, 1, 2) and np.abs(points).max() > 2
  np.testing.assert_allclose(bounded.apply(variables, z, train=False), np.tanh(points), atol=1e-6)


def test_mlp_refuses_an_upsampling_that_it_has_not():
  with pytest.raises(UserError, match="model.upsample='subpixel' has no effect"):
    gan.MlpGanOptions(upsample='subpixel')


@pytest.mark.parametrize('name, size', [('gan28', 28), ('mlp_gan', 12), ('dcgan', 16)])
def test_bfloat16_gives_float32_images_and_logits(name, size):
  width = {} if name == 'mlp_gan' else {'width': 2}
  generator, discriminator, spec = build(name, (size, size, 3), dtype=jnp.bfloat16, **width)

  def run(key):
    z = spec.sample(key, 2)
    gen = generator.lazy_init(key, z, train=False)
    images = generator.apply(gen, z, train=False)
    disc = discriminator.lazy_init(key, images, train=False)
    return gen, disc, images, discriminator.apply(disc, images, train=False)

  gen, disc, images, logits = jax.eval_shape(run, KEY)
  assert images.dtype == logits.dtype == jnp.float32 and images.shape == (2, size, size, 3) and logits.shape == (2,)
  assert {leaf.dtype for leaf in jax.tree.leaves([gen, disc])} == {jnp.dtype('float32')}


def test_misspelt_field_fails():
  with pytest.raises(UserError, match="no field model.widht.*'width'"):
    Experiment.from_config({'task': 'gan', 'model': {'name': 'dcgan', 'widht': 3}})


def test_every_network_has_its_options():
  assert set(MODELS) == set(gan.MODELS)


@pytest.mark.parametrize(
  'fields',
  [
    dict(name='gan28', dropout=1.0),
    dict(name='gan28', width=0),
    dict(name='mlp_gan', depth=-1),
    dict(name='mlp_gan', latent_size=0),
    dict(name='dcgan', batch_norm_momentum=1.0),
    dict(name='dcgan', kernel_size=0),
  ],
)
def test_field_out_of_range(fields):
  field = list(fields)[1]
  with pytest.raises(UserError, match=f'model.{field}='):
    gan.MODELS[fields['name']](**fields)


def test_latents_have_their_distribution():
  uniform, normal = (np.asarray(Latent(50, kind).sample(KEY, 400)) for kind in ('uniform', 'normal'))
  assert uniform.shape == (400, 50) and uniform.min() >= -1 and uniform.max() <= 1
  np.testing.assert_allclose([uniform.mean(), uniform.var()], [0, 1 / 3], atol=0.02)
  np.testing.assert_allclose([normal.mean(), normal.var()], [0, 1], atol=0.04)


def test_truncated_latents_have_the_distribution_of_those_drawn_again():
  drawn = np.asarray(Latent(50, 'normal').truncated(0.7).sample(KEY, 400)).ravel()
  assert np.abs(drawn).max() <= 0.7
  assert stats.kstest(drawn, stats.truncnorm(-0.7, 0.7).cdf).pvalue > 0.01
  assert stats.kstest(drawn, stats.uniform(-0.7, 1.4).cdf).pvalue < 1e-4  # the test can tell them apart
  drawn = np.asarray(Latent(50, 'uniform').truncated(0.25).sample(KEY, 400)).ravel()
  assert stats.kstest(drawn, stats.uniform(-0.25, 0.5).cdf).pvalue > 0.01
  with pytest.raises(UserError, match='eval.truncation=1 has no effect on .* uniform'):
    Latent(5, 'uniform').truncated(1.0)


def test_truncation_leaves_codes_and_labels_alone():
  latent = Latent(4 + 5 + 3, 'normal', 3, (3,), 2)
  whole, cut = (np.asarray(x.sample(KEY, 300)) for x in (latent, latent.truncated(0.1)))
  np.testing.assert_array_equal(cut[:, 4:], whole[:, 4:])
  assert np.abs(cut[:, :4]).max() <= 0.1 < np.abs(cut[:, 7:9]).max()
  np.testing.assert_array_equal(latent.truncated(0.0).sample(KEY, 300), whole)


def test_interpolation():
  line = Latent(2, 'uniform').interpolate(jnp.array([0.0, 1.0]), jnp.array([1.0, -1.0]), 5)
  np.testing.assert_allclose(line, [[0, 1], [0.25, 0.5], [0.5, 0], [0.75, -0.5], [1, -1]], atol=1e-6)
  arc = Latent(2, 'normal').interpolate(jnp.array([2.0, 0.0]), jnp.array([0.0, 2.0]), 3)
  np.testing.assert_allclose(arc, [[2, 0], [2**0.5, 2**0.5], [0, 2]], atol=1e-5)
  same = Latent(2, 'normal').interpolate(jnp.array([1.0, 2.0]), jnp.array([1.0, 2.0]), 4)
  np.testing.assert_allclose(same, [[1, 2]] * 4, atol=1e-3)
