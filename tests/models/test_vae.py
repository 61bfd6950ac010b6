"""VAE networks: sizes, parameters counted by hand, what doubles the resolution, no neighbours in a batch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deconv.errors import UserError
from deconv.models import AUTOENCODERS
from deconv.models.vae import halvings
from deconv.options.models.autoencoders import MODELS, VaeMlpOptions

KEY = jax.random.key(0)


def build(name, image_shape, outputs=(1, 0), dtype=jnp.float32, **fields):
  """(encoder, decoder) of these fields of the section model."""
  return AUTOENCODERS[name](MODELS[name](**fields), image_shape=image_shape, outputs=outputs, dtype=dtype)


def shapes(name, image_shape, outputs=(1, 0), latent=5, **fields):
  """Shapes of the encoder's and the decoder's output, and their numbers of parameters, with nothing computed."""
  encoder, decoder = build(name, image_shape, outputs, latent_size=latent, **fields)
  found = []
  for module, size in ((encoder, image_shape), (decoder, (latent,))):
    y, variables = jax.eval_shape(lambda x, m=module: m.init_with_output(KEY, x), jnp.zeros((3, *size)))
    assert set(variables) == {'params'}  # no batch statistics
    found += [y.shape, sum(x.size for x in jax.tree.leaves(variables))]
  return found


@pytest.mark.parametrize(
  'hidden, latent, size', [(400, 20, (28, 28, 1)), (500, 20, (28, 28, 1)), (400, 32, (64, 64, 3))]
)
def test_perceptron_presets(hidden, latent, size):
  pixels = int(np.prod(size))
  encoder = (pixels + 1) * hidden + (hidden + 1) * 2 * latent
  decoder = (latent + 1) * hidden + (hidden + 1) * pixels
  assert shapes('vae_mlp', size, (size[2], 0), latent, hidden=hidden) == [(3, 2 * latent), encoder, (3, *size), decoder]


@pytest.mark.parametrize('side, channels', [(8, 1), (16, 3), (28, 1), (64, 3), (128, 1)])
def test_convolutions_at_any_size(side, channels):
  outputs = shapes('vae_conv', (side, side, channels), (2 * channels, channels), width=4, hidden=8)
  assert outputs[0] == (3, 10) and outputs[2] == (3, side, side, 3 * channels)


def test_convolutions_by_hand():
  """28 -> 14 -> 7 with 4 and 8 channels, and back with 2 channels at 28x28."""
  encoder = (16 * 1 * 4 + 4) + (16 * 4 * 8 + 8) + (49 * 8 + 1) * 10 + (10 + 1) * 6
  decoder = (3 + 1) * 10 + (10 + 1) * 49 * 8 + (16 * 8 * 4 + 4) + (16 * 4 * 2 + 2) + (9 * 2 * 1 + 1)
  assert shapes('vae_conv', (28, 28, 1), latent=3, width=4, hidden=10) == [(3, 6), encoder, (3, 28, 28, 1), decoder]
  block = 2 * (9 * 4 * 4 + 4), 2 * (9 * 8 * 8 + 8)
  deeper = shapes('vae_conv', (28, 28, 1), latent=3, width=4, hidden=10, blocks=1)
  assert deeper[1] == encoder + sum(block) and deeper[3] == decoder + sum(block)
  assert shapes('vae_conv', (28, 28, 1), latent=3, width=4, max_width=4, hidden=10)[1] < encoder


@pytest.mark.parametrize(
  'side, expected', [(8, (4, 1)), (28, (7, 2)), (32, (4, 3)), (20, (5, 2)), (48, (6, 3)), (256, (4, 6))]
)
def test_halvings(side, expected):
  assert halvings(side, side) == expected


@pytest.mark.parametrize('height, width', [(27, 27), (36, 36), (7, 7), (32, 28), (4, 4)])
def test_other_sizes_are_refused(height, width):
  with pytest.raises(UserError, match=f'{height}x{width}'):
    build('vae_conv', (height, width, 1))


def test_upsample_changes_the_decoder():
  def decoder(kind):
    module = build('vae_conv', (8, 8, 1), width=4, hidden=8, latent_size=2, upsample=kind)[1]
    return jax.eval_shape(module.init, KEY, jnp.zeros((1, 2)))['params']['up_1']['kernel'].shape

  assert (
    decoder('deconv') == (4, 4, 4, 2)
    and decoder('resize_nearest') == (3, 3, 4, 2)
    and decoder('subpixel') == (3, 3, 4, 8)
  )
  with pytest.raises(UserError, match='upsample'):
    VaeMlpOptions(upsample='subpixel')
  with pytest.raises(UserError, match='relu'):
    VaeMlpOptions(activation='rellu')


def test_shared_outputs_are_one_parameter():
  decoder = build('vae_mlp', (4, 4, 1), (1, 1), hidden=3, latent_size=2)[1]
  variables = decoder.init(KEY, jnp.zeros((1, 2)))
  variables['params']['shared'] = jnp.array([-2.5])
  y = decoder.apply(variables, jax.random.normal(KEY, (3, 2)))
  assert y.shape == (3, 4, 4, 2) and np.all(y[..., 1] == -2.5) and np.std(y[..., 0]) > 0


@pytest.mark.parametrize(
  'name, fields', [('vae_mlp', {'hidden': 3}), ('vae_conv', {'width': 2, 'hidden': 3}), ('dcign', {'width': 3})]
)
def test_bfloat16_is_computed_in_and_float32_kept(name, fields):
  """Hidden layers are of the type that the builder was given; parameters and what comes out stay float32."""
  for module, size in zip(build(name, (16, 16, 1), dtype=jnp.bfloat16, latent_size=2, **fields), ((16, 16, 1), (2,))):

    def run(x, module=module):
      params = module.init(KEY, x)
      return params, *module.apply(params, x, capture_intermediates=True, mutable=['intermediates'])

    params, y, captured = jax.eval_shape(run, jnp.zeros((1, *size)))
    assert y.dtype == jnp.float32 and {x.dtype for x in jax.tree.leaves(params)} == {jnp.dtype('float32')}
    layers = {
      layer: outputs['__call__'][0].dtype for layer, outputs in captured['intermediates'].items() if layer != '__call__'
    }
    posterior = layers.pop('posterior', None)  # computed in float32
    assert posterior in (None, jnp.float32) and set(layers.values()) == {jnp.dtype('bfloat16')}
