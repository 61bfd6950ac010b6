"""The norms of GANs: over what each takes its mean and variance, and that gain and bias are a number a channel."""

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deconv.models import MODELS, norms
from deconv.options.models import gan

KEY = jax.random.key(0)
X = np.random.default_rng(0).normal(2, 3, (4, 5, 6, 3)).astype(np.float32)
AXES = {'batch': (0, 1, 2), 'layer': (1, 2, 3), 'instance': (1, 2)}


class Normed(nn.Module):
  """A norm alone."""

  kind: str
  affine: bool = True

  @nn.compact
  def __call__(self, x):
    return norms.make(self.kind, 'norm', train=True, axis_name=None, dtype=None, affine=self.affine)(x)


def test_the_names_are_those_of_the_options():
  assert gan.NORMS == norms.NORMS == (*AXES, 'none')


@pytest.mark.parametrize('kind', AXES)
def test_statistics_by_hand(kind):
  module = Normed(kind)
  variables = module.init(KEY, X)
  gain, bias = np.array([1, 2, 3.0], np.float32), np.array([0, 1, -1.0], np.float32)
  assert jax.tree.map(jnp.shape, variables['params']) == {'norm': {'scale': (3,), 'bias': (3,)}}
  variables = {**variables, 'params': {'norm': {'scale': gain, 'bias': bias}}}
  y, _ = module.apply(variables, X, mutable=['batch_stats'])
  mean, var = X.mean(AXES[kind], keepdims=True), X.var(AXES[kind], keepdims=True)
  np.testing.assert_allclose(y, (X - mean) / np.sqrt(var + 1e-5) * gain + bias, atol=2e-5)


def test_none_and_instance_of_a_vector_change_nothing():
  assert Normed('none').init_with_output(KEY, X)[0] is X
  vector = X[:, 0, 0]
  np.testing.assert_array_equal(Normed('instance').init_with_output(KEY, vector)[0], vector)
  assert not Normed('layer', affine=False).init(KEY, vector)  # no parameters


@pytest.mark.parametrize('name, size', [('dcgan', 16), ('dcgan28', 28)])
@pytest.mark.parametrize('kind', norms.NORMS)
def test_every_network_takes_every_norm(name, size, kind):
  fields = {'hidden': 4} if name == 'dcgan28' else {}
  options = gan.MODELS[name](width=2, gen_norm=kind, disc_norm=kind, **fields)
  generator, discriminator, latent = MODELS[name](
    options, image_shape=(size, size, 1), dtype=jnp.float32, batch_norm_axis=None
  )

  def run():
    z = latent.sample(KEY, 3)
    gen = generator.init(KEY, z, train=False)
    images = generator.apply(gen, z, train=False)
    disc = discriminator.init(KEY, images, train=False)
    return gen, disc, discriminator.apply(disc, images, train=False)

  gen, disc, logits = jax.eval_shape(run)
  assert logits.shape == (3,)
  assert ('batch_stats' in gen) == ('batch_stats' in disc) == (kind == 'batch')
  assert options.disc_batch_norm == (kind == 'batch')
  if name == 'dcgan':  # a bias where no norm has one
    assert ('bias' in disc['params']['down_2']) == (kind == 'none')
