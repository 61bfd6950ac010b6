"""Labels and codes: projection, auxiliary classifier, norms by class, the layout of the latent."""

from flax import linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deconv.errors import UserError
from deconv.models import MODELS, heads, norms
from deconv.models.latent import Latent
from deconv.options.models import gan

KEY = jax.random.key(0)
X = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
LABELS = np.array([0, 2, 1, 2, 0])


class Said(nn.Module):
  """The last layers alone."""

  options: gan.MlpGanOptions

  @nn.compact
  def __call__(self, x, labels=None):
    return heads.say(self, x, labels, kernel_init=nn.initializers.normal(1.0))


def say(labels=LABELS, **fields):
  module = Said(gan.MlpGanOptions(**fields))
  variables = module.init(KEY, X, labels)
  return module.apply(variables, X, labels), variables['params']


def test_plain():
  logits, params = say(None)
  np.testing.assert_allclose(logits, (X @ params['logit']['kernel'])[:, 0], rtol=1e-5)


def test_projection_by_hand():
  logits, params = say(num_classes=3, gen_label='concat', disc_label='projection')
  table = np.asarray(params['projection']['kernel'])
  assert table.shape == (3, 4) and 'bias' not in params['projection']
  expected = (X @ params['logit']['kernel'])[:, 0] + np.sum(table[LABELS] * X, axis=1)
  np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5)


def test_an_auxiliary_classifier_does_not_see_the_label():
  (logits, others), params = say(num_classes=3, gen_label='concat', disc_label='auxiliary')
  np.testing.assert_allclose(others['classes'], X @ params['classes']['kernel'], rtol=1e-4, atol=1e-5)
  again, _ = say(LABELS[::-1].copy(), num_classes=3, gen_label='concat', disc_label='auxiliary')
  np.testing.assert_array_equal(again[0], logits)


def test_codes_have_their_place():
  (_, others), params = say(None, categorical_codes=(3, 2), continuous_codes=2)
  assert others['codes'].shape == (5, 7) and params['codes_hidden']['kernel'].shape == (4, 128)
  latent = Latent(4 + 7 + 3, 'normal', 3, (3, 2), 2)
  assert (latent.noise, latent.codes) == (4, 7)
  z = latent.sample(KEY, 500, np.full(500, 1))
  (first, second), continuous = latent.codes_of(z)
  np.testing.assert_array_equal(z[:, 4:7], first)
  np.testing.assert_array_equal(z[:, 7:9], second)
  np.testing.assert_array_equal(z[:, 9:11], continuous)
  np.testing.assert_array_equal(latent.labels(z), 1)
  assert np.all(np.sort(first, axis=1) == [0, 0, 1])
  np.testing.assert_allclose(np.mean(first, axis=0), 1 / 3, atol=0.07)
  assert np.abs(continuous).max() <= 1 and np.var(continuous) == pytest.approx(1 / 3, abs=0.05)
  (categorical, rest) = Latent(9, 'normal', continuous=2).codes_of(jnp.zeros((1, 9)))
  assert categorical == [] and rest.shape == (1, 2)


def test_what_a_search_may_change_and_how_far():
  latent = Latent(2 + 5 + 1 + 3, 'normal', 3, (3, 2), 1)
  np.testing.assert_array_equal(latent.moves, [True] * 2 + [False] * 5 + [True] + [False] * 3)
  z = np.array([[2.0, -3.0, 0, 1, 0, 1, 0, 1.5, 0, 0, 1]], np.float32)
  np.testing.assert_array_equal(latent.within(z), [[2.0, -3.0, 0, 1, 0, 1, 0, 1.0, 0, 0, 1]])
  np.testing.assert_array_equal(Latent(2, 'uniform').within(z[:, :2]), [[1.0, -1.0]])
  assert Latent(2, 'uniform').moves.all()


class Normed(nn.Module):
  """A norm by class alone."""

  @nn.compact
  def __call__(self, x, label):
    return norms.make('batch', 'norm', train=True, axis_name=None, dtype=None, label=label)(x)


def test_norm_by_class_by_hand():
  label = jax.nn.one_hot(LABELS, 3)
  variables = Normed().init(KEY, X, label)
  assert jax.tree.map(jnp.shape, variables['params']) == {'norm': {'gain': (3, 4), 'bias': (3, 4)}}
  assert jax.tree.map(jnp.shape, variables['batch_stats']) == {'norm': {'norm': {'mean': (4,), 'var': (4,)}}}
  rng = np.random.default_rng(1)
  gain, bias = rng.normal(size=(2, 3, 4)).astype(np.float32)
  y, _ = Normed().apply(
    {**variables, 'params': {'norm': {'gain': gain, 'bias': bias}}}, X, label, mutable=['batch_stats']
  )
  plain = (X - X.mean(0)) / np.sqrt(X.var(0) + 1e-5)
  np.testing.assert_allclose(y, plain * gain[LABELS] + bias[LABELS], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('gen_label, disc_label', [('concat', 'concat'), ('norm', 'projection'), ('norm', 'auxiliary')])
@pytest.mark.parametrize(
  'name, side', [('dcgan', 16), ('dcgan28', 28), ('sndcgan', 16), ('resnet_gan', 32), ('mlp_gan', 8)]
)
def test_every_network_takes_every_label(name, side, gen_label, disc_label):
  small = {'resnet_gan': dict(gen_width=2, disc_width=2), 'mlp_gan': dict(hidden=4), 'dcgan28': dict(hidden=4, width=2)}
  fields = dict(small.get(name, dict(width=2)), num_classes=3, gen_label=gen_label, disc_label=disc_label)
  if name == 'mlp_gan' and gen_label == 'norm':
    with pytest.raises(UserError, match='needs norms'):
      gan.MODELS[name](**fields)
    return
  generator, discriminator, latent = MODELS[name](
    gan.MODELS[name](**fields), image_shape=(side, side, 1), dtype=jnp.float32, batch_norm_axis=None
  )

  def run(labels):
    z = latent.sample(KEY, 5, labels)
    gen = generator.init(KEY, z, train=False)
    images = generator.apply(gen, z, train=False)
    disc = discriminator.init(KEY, images, train=False, labels=labels)
    said = discriminator.apply(disc, images, train=False, labels=labels)
    gradient = jax.grad(lambda z: jnp.sum(jnp.square(generator.apply(gen, z, train=False))))(z)
    return images, said, gradient

  images, said, _ = jax.eval_shape(run, LABELS)
  assert images.shape == (5, side, side, 1)
  assert isinstance(said, tuple) == (disc_label == 'auxiliary')


@pytest.mark.parametrize(
  'fields, sentence',
  [
    (dict(name='gan28', num_classes=3, gen_label='concat', disc_label='concat'), 'takes neither labels nor codes'),
    (dict(name='gan28', continuous_codes=1), 'takes neither labels nor codes'),
    (dict(name='dcgan', categorical_codes=(1,)), '2 values or more'),
    (dict(name='dcgan', disc_label='project'), "did you mean 'projection'"),
    (dict(name='gan28', gen_norm='batch'), 'has no layer that normalises'),
  ],
)
def test_mistakes(fields, sentence):
  with pytest.raises(UserError, match=sentence):
    gan.MODELS[fields['name']](**fields)
