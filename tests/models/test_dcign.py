"""DC-IGN's networks: the published shapes, and the forward pass written out."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deconv.errors import UserError
from deconv.models import dcign
from deconv.options import Experiment
from deconv.options.models.autoencoders import DcignOptions


def build(image_shape, outputs=(1, 0), **fields):
  """(encoder, decoder) of these fields of the section model."""
  return dcign.build(DcignOptions(**fields), image_shape=image_shape, outputs=outputs, dtype=jnp.float32)


def shapes(module, *arguments):
  variables = jax.eval_shape(module.init, jax.random.key(0), *arguments)
  return {name: layer['kernel'].shape for name, layer in variables['params'].items()}


@pytest.mark.parametrize(
  'preset, down, up', [('paper', (96, 64, 32), (32, 64, 96)), ('code', (96, 48, 24), (48, 96, 96))]
)
def test_published_sizes(preset, down, up):
  encoder, decoder = build((150, 150, 1), preset=preset, padding='valid')
  images, codes = jnp.zeros((2, 150, 150, 1)), jnp.zeros((2, 200))
  found = shapes(encoder, images)
  assert [found[f'conv_{i}'] for i in (1, 2, 3)] == [(5, 5, a, b) for a, b in zip((1, *down), down)]
  assert found['posterior'] == (15 * 15 * down[-1], 2 * 200)  # figure 1: 7200 for the paper
  found = shapes(decoder, codes)
  assert found['project'] == (200, 15 * 15 * down[-1])
  widths = *up, 1
  assert [found[f'up_{i}'] for i in (1, 2, 3, 4)] == [(7, 7, a, b) for a, b in zip((down[-1], *up), widths)]
  variables = jax.eval_shape(decoder.init, jax.random.key(0), codes)
  assert jax.eval_shape(decoder.apply, variables, codes).shape == (2, 150, 150, 1)


def convolve(x, layer, padding):
  y = jax.lax.conv_general_dilated(x, layer['kernel'], (1, 1), padding, dimension_numbers=('NHWC', 'HWIO', 'NHWC'))
  return y + layer['bias']


@functools.partial(jax.jit, static_argnums=2)
def decode_by_hand(params, z, valid):
  start = 15 if valid else 1
  x = jax.nn.relu(z @ params['project']['kernel'] + params['project']['bias']).reshape(len(z), start, start, -1)
  for i in range(1, 5):
    x = convolve(x.repeat(2, axis=1).repeat(2, axis=2), params[f'up_{i}'], 'VALID' if valid else 'SAME')
    x = jax.nn.relu(x) if i < 4 else x
  return x


@functools.partial(jax.jit, static_argnums=2)
def encode_by_hand(params, x, valid):
  for i in range(1, 4):
    x = convolve(x, params[f'conv_{i}'], 'VALID' if valid else 'SAME')
    x = jax.nn.relu(jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), 'VALID'))
  return x.reshape(len(x), -1) @ params['posterior']['kernel'] + params['posterior']['bias']


def test_forward_by_hand(padding='valid', side=150):
  encoder, decoder = build((side, side, 1), width=3, latent_size=3, padding=padding)
  images = jnp.asarray(np.random.default_rng(0).normal(size=(2, side, side, 1)), jnp.float32)
  codes = 3 * images[:, 0, :3, 0]
  for module, x, by_hand in ((encoder, images, encode_by_hand), (decoder, codes, decode_by_hand)):
    params = jax.jit(module.init)(jax.random.key(1), x)['params']
    # Larger than at first, so that every layer shows in the result.
    params = jax.tree.map(lambda p: 3 * p + 0.01, params)
    found, expected = jax.jit(module.apply)({'params': params}, x), by_hand(params, x, padding == 'valid')
    assert found.shape == expected.shape and float(jnp.std(found)) > 0
    assert np.asarray(found) == pytest.approx(np.asarray(expected), rel=2e-4, abs=2e-4 * float(jnp.abs(expected).max()))


@pytest.mark.parametrize(
  'image_shape, fields, message',
  [((40, 40, 1), {}, 'a multiple of 16'), ((64, 64, 1), {'padding': 'valid'}, 'side 150'), ((32, 16, 1), {}, 'square')],
)
def test_sizes_that_the_network_cannot_make(image_shape, fields, message):
  with pytest.raises(UserError, match=message):
    build(image_shape, **fields)


@pytest.mark.parametrize('field, value', [('preset', 'mine'), ('padding', 'full'), ('dense_init', 'mine')])
def test_unknown_names(field, value):
  with pytest.raises(UserError, match=f'model.{field}'):
    DcignOptions(**{field: value})


@pytest.mark.parametrize('task', ['vae', 'factor_vae', 'inverse_graphics'])
def test_no_numbers_that_all_pixels_share(task):
  vary = {'vary': (1.0, 1.0)} if task == 'inverse_graphics' else {}
  with pytest.raises(UserError, match='cannot learn a standard deviation'):
    Experiment.from_config(
      {
        'task': task,
        'model': {'name': 'dcign'},
        'data': vary,
        'objective': {'likelihood': 'gaussian_learned', 'binarization': 'grey'},
      }
    )


def test_the_networks_leave_no_shared_number_out():
  with pytest.raises(AssertionError, match='share'):
    dcign.build(DcignOptions(), image_shape=(32, 32, 1), outputs=(1, 1), dtype=jnp.float32)


def test_dense_layers_start_as_they_are_told():
  def spread(dense_init):
    encoder, decoder = build((32, 32, 1), width=24, latent_size=32, dense_init=dense_init)
    key = jax.random.key(0)
    posterior = jax.jit(encoder.init)(key, jnp.zeros((1, 32, 32, 1)))['params']['posterior']['kernel']
    project = jax.jit(decoder.init)(key, jnp.zeros((1, 32)))['params']['project']['kernel']
    return [float(jnp.std(kernel)) for kernel in (posterior, project)]

  assert spread('authors') == pytest.approx([0.01, 0.01], rel=0.1)
  assert spread('fan_in') == pytest.approx([128**-0.5, 32**-0.5], rel=0.1)
