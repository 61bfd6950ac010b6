"""The DCGAN authors' conditional MNIST networks: the counts of their script, the label at every layer, the mapping."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deconv import ops
from deconv.errors import UserError
from deconv.models import MODELS
from deconv.models.latent import Latent
from deconv.options.models.gan import Dcgan28Options

KEY = jax.random.key(0)
LABELLED = dict(num_classes=10, gen_label='concat', disc_label='concat')


def build(image_shape=(28, 28, 1), **fields):
  return MODELS['dcgan28'](Dcgan28Options(**fields), image_shape=image_shape, dtype=jnp.float32, batch_norm_axis=None)


def shapes(module, *args, **kwargs):
  return jax.eval_shape(lambda: module.init(KEY, *args, train=False, **kwargs))


def test_parameters_are_those_of_the_script():
  generator, discriminator, latent = build(**LABELLED)
  assert latent == Latent(110, 'uniform', 10) and latent.noise == 100
  gen = shapes(generator, jnp.zeros((2, 110)))['params']
  # gw, gw2, gw3, gwx; no bias, no gain.
  assert {name: layer['kernel'].shape for name, layer in gen.items()} == {
    'dense_1': (110, 1024),
    'dense_2': (1034, 6272),
    'up_1': (5, 5, 138, 64),
    'up_2': (5, 5, 74, 1),
  }
  disc = shapes(discriminator, jnp.zeros((2, 28, 28, 1)), labels=jnp.zeros(2, jnp.int32))['params']
  # dw, dw2, dw3, dwy.
  assert {name: layer['kernel'].shape for name, layer in disc.items()} == {
    'down_1': (5, 5, 11, 64),
    'down_2': (5, 5, 74, 128),
    'dense': (6282, 1024),
    'logit': (1034, 1),
  }


def test_the_label_may_be_left_out():
  generator, discriminator, latent = build()
  assert latent == Latent(100, 'uniform')
  assert shapes(generator, jnp.zeros((2, 100)))['params']['up_1']['kernel'].shape == (5, 5, 128, 64)
  assert shapes(discriminator, jnp.zeros((2, 28, 28, 1)))['params']['dense']['kernel'].shape == (6272, 1024)


def test_a_network_without_norm_has_biases():
  generator, discriminator, _ = build(gen_norm='none', disc_norm='none', disc_spectral_norm=True)
  for network, inputs in ((generator, jnp.zeros((2, 100))), (discriminator, jnp.zeros((2, 28, 28, 1)))):
    params = shapes(network, inputs)['params']
    assert len(params) == 4 and {tuple(layer) for layer in params.values()} == {('bias', 'kernel')}


def test_the_generator_by_hand():
  """Running statistics as they begin: mean 0, variance 1."""
  generator, _, latent = build(width=2, hidden=4, kernel_size=4, **{**LABELLED, 'num_classes': 3})
  z = latent.sample(KEY, 2, np.array([2, 0]))
  np.testing.assert_array_equal(z[:, 100:], [[0, 0, 1], [1, 0, 0]])
  variables = jax.jit(lambda: generator.init(KEY, z, train=False))()
  params = {name: 30 * layer['kernel'] for name, layer in variables['params'].items()}
  scale, y = 1 / np.sqrt(1 + 1e-5), z[:, 100:]

  def join(x):
    return np.concatenate([x, np.broadcast_to(np.reshape(y, (2, 1, 1, 3)), (*x.shape[:3], 3))], -1)

  x = np.maximum(z @ params['dense_1'] * scale, 0)
  x = np.maximum(np.concatenate([x, y], -1) @ params['dense_2'] * scale, 0).reshape(2, 7, 7, 4)
  x = np.maximum(ops.conv_transpose(join(x), params['up_1'], strides=2, padding=1) * scale, 0)
  x = np.asarray(ops.conv_transpose(join(x), params['up_2'], strides=2, padding=1))
  variables = {**variables, 'params': {name: {'kernel': kernel} for name, kernel in params.items()}}
  images = jax.jit(lambda: generator.apply(variables, z, train=False))()
  assert np.abs(images).max() > 0.1
  np.testing.assert_allclose(images, 2 / (1 + np.exp(-x)) - 1, atol=1e-5)  # a sigmoid in [0, 1], shown in [-1, 1]


def test_every_layer_of_the_discriminator_sees_the_label():
  _, discriminator, _ = build(width=2, hidden=4, **LABELLED)
  images = jax.random.uniform(KEY, (2, 28, 28, 1), minval=-1.0)
  labels = jnp.array([0, 1])
  variables = jax.jit(lambda: discriminator.init(KEY, images, train=False, labels=labels))()
  judge = jax.jit(lambda params, labels: discriminator.apply({**variables, 'params': params}, images, False, labels))
  for layer, window in (('down_1', 1), ('down_2', 2), ('dense', 98 * 2), ('logit', 4)):
    # Only the rows of this layer that see the label are kept from zero.
    params = jax.tree.map(jnp.copy, variables['params'])
    for other in params:
      if other != layer:
        kernel = params[other]['kernel']
        rows = {'down_1': 1, 'down_2': 2, 'dense': 98 * 2, 'logit': 4}[other]
        params[other]['kernel'] = kernel.at[..., rows:, :].set(0)
    assert np.abs(judge(params, labels) - judge(params, labels + 1)).max() > 0, layer
    kernel = params[layer]['kernel']
    params[layer]['kernel'] = kernel.at[..., window:, :].set(0)
    assert np.abs(judge(params, labels) - judge(params, labels + 1)).max() == 0


@pytest.mark.parametrize(
  'fields, sentence',
  [
    (dict(num_classes=10), 'a way for the label into both networks'),
    (dict(num_classes=1, gen_label='concat', disc_label='concat'), 'tells nothing apart'),
    (dict(gen_label='concat'), 'need model.num_classes'),
    (dict(disc_norm='group'), 'model.disc_norm'),
  ],
)
def test_mistakes(fields, sentence):
  with pytest.raises(UserError, match=sentence):
    Dcgan28Options(**fields)


def test_other_sizes_are_refused():
  with pytest.raises(UserError, match='28x28, not 32x32'):
    build((32, 32, 1))
