"""Likelihoods against SciPy, at extremes, and as distributions that sum to one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from deconv.data import to_uint8
from deconv.errors import UserError
from deconv.objectives import likelihoods
from deconv.objectives.likelihoods import LIKELIHOODS
from deconv.options.objectives.vae import AutoencoderObjective

KEYS = jax.random.split(jax.random.key(0), 2)
RNG = np.random.default_rng(0)


def make(name, **fields):
  """The likelihood of these fields of the section objective; all but Bernoulli need grey targets."""
  grey = {} if name == 'bernoulli' else {'binarization': 'grey'}
  return LIKELIHOODS[name](AutoencoderObjective(likelihood=name, **grey, **fields))


def test_bernoulli_equals_scipy():
  logits, targets = 5 * RNG.normal(size=(2, 4, 4, 1)), RNG.integers(0, 2, (2, 4, 4, 1)).astype(np.float32)
  expected = stats.bernoulli.logpmf(targets, special.expit(logits)).sum(axis=(1, 2, 3))
  found = make('bernoulli').log_prob(jnp.asarray(logits), targets)
  np.testing.assert_allclose(found, expected, rtol=1e-5)
  grey = RNG.uniform(size=(2, 4, 4, 1)).astype(np.float32)
  cross_entropy = -special.xlogy(grey, special.expit(logits)) - special.xlogy(1 - grey, special.expit(-logits))
  found = make('bernoulli', binarization='grey').log_prob(jnp.asarray(logits), grey)
  np.testing.assert_allclose(-found, cross_entropy.sum(axis=(1, 2, 3)), rtol=1e-5)


@pytest.mark.parametrize('logit', [0.0, 90.0, 1e4, 1e30, -90.0, -1e4, -1e30])
@pytest.mark.parametrize('target', [0.0, 1.0])
def test_bernoulli_at_extreme_logits(logit, target):
  likelihood = make('bernoulli')
  value, grad = jax.value_and_grad(lambda x: likelihood.log_prob(x, jnp.full((1, 1, 1), target)))(
    jnp.full((1, 1, 1), logit)
  )
  wrong = logit if target == 0 else -logit  # > 0 where the logit is on the wrong side: costs as many nats
  expected = -np.logaddexp(0, np.float64(wrong))
  assert value == pytest.approx(expected, rel=1e-6, abs=1e-30)
  assert grad[0, 0, 0] == pytest.approx(target - special.expit(logit), abs=1e-6)


@pytest.mark.parametrize('name', sorted(LIKELIHOODS))
@pytest.mark.parametrize('value', [1e4, -1e4, 1e18])
def test_extreme_outputs_stay_finite(name, value):
  likelihood = make(name)
  images = jnp.array([[[[0, 128, 255]]]], jnp.uint8)
  targets = likelihood.targets(images, KEYS[:1])
  outputs = jnp.full((1, 1, 1, sum(likelihood.outputs(3))), value)
  log_prob, grads = jax.value_and_grad(lambda y: jnp.sum(likelihood.log_prob(y, targets)))(outputs)
  assert np.isfinite(log_prob) and np.isfinite(grads).all()
  mean = likelihood.mean(outputs, 3)
  assert mean.shape == (1, 1, 1, 3) and np.abs(mean).max() <= 1


def all_levels(channels=1):
  """Images of one pixel, one for each level (the same in all channels)."""
  return jnp.broadcast_to(jnp.arange(256, dtype=jnp.uint8)[:, None, None, None], (256, 1, 1, channels))


@pytest.mark.parametrize('log_scale', [-9.0, -4.0, -1.0, 3.0, 8.0])
def test_logistic_mixture_sums_to_one_over_the_levels(log_scale):
  likelihood = make('logistic_mixture', mixtures=2)
  outputs = jnp.array([0.3, -0.2, -0.9, 0.4, log_scale, log_scale + 1])  # logits, means, log-scales of two components
  targets = likelihood.targets(all_levels(), None)
  log_prob = np.asarray(likelihood.log_prob(jnp.broadcast_to(outputs, (256, 1, 1, 6)), targets), np.float64)
  assert np.exp(log_prob).sum() == pytest.approx(1, abs=1e-4)


def test_logistic_mixture_equals_scipy():
  likelihood = make('logistic_mixture', mixtures=3)
  y = RNG.normal(size=9).astype(np.float32)
  weights, means, scales = special.softmax(y[:3]), y[3:6], np.exp(y[6:9])
  edges = np.concatenate([[-np.inf], (np.arange(255) + 0.5) / 127.5 - 1, [np.inf]])
  expected = np.log(np.diff(stats.logistic.cdf(edges[:, None], means, scales), axis=0) @ weights)
  found = likelihood.log_prob(jnp.broadcast_to(y, (256, 1, 1, 9)), likelihood.targets(all_levels(), None))
  np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_colours_are_coupled_as_in_the_paper():
  """One component: p(r) p(g|r) p(b|r,g) by hand, means shifted by tanh(coefficient) times the channels before."""
  y = RNG.normal(size=10).astype(np.float32)
  _, means, scales, c = y[0], y[1:4].copy(), np.exp(y[4:7]), np.tanh(y[7:10])
  rgb = np.array([30, 200, 117])
  x = rgb / 127.5 - 1
  means += [0, c[0] * x[0], c[1] * x[0] + c[2] * x[1]]
  expected = np.log(
    stats.logistic.cdf(x + 1 / 255, means, scales) - stats.logistic.cdf(x - 1 / 255, means, scales)
  ).sum()
  likelihood = make('logistic_mixture', mixtures=1)
  targets = likelihood.targets(jnp.asarray(rgb, jnp.uint8).reshape(1, 1, 1, 3), None)
  assert likelihood.log_prob(y.reshape(1, 1, 1, 10), targets)[0] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
  'name, log_variance', [('gaussian_fixed', 2 * np.log(0.5)), ('gaussian_learned', -1.0), ('gaussian_pixel', -1.0)]
)
def test_gaussian_density_a_level(name, log_variance):
  likelihood = make(name, **({'noise_scale': 0.25} if name == 'gaussian_fixed' else {}))  # 0.5 of [-1, 1]
  images = jnp.asarray(RNG.integers(0, 256, (2, 3, 3, 2)), jnp.uint8)
  targets = likelihood.targets(images, KEYS)
  level = (np.asarray(targets) + 1) * 128
  # Dequantised within the level.
  assert np.array_equal(np.floor(level), images) and np.ptp(level - np.floor(level)) > 0.5
  means = RNG.normal(size=(2, 3, 3, 2)).astype(np.float32)
  outputs = jnp.concatenate([means, jnp.full_like(means, log_variance)], axis=-1)[..., : sum(likelihood.outputs(2))]
  expected = stats.norm.logpdf(targets, means, np.exp(log_variance / 2)) - np.log(128)
  np.testing.assert_allclose(likelihood.log_prob(outputs, targets), expected.sum(axis=(1, 2, 3)), rtol=1e-5)


def test_gaussian_nats_bound_those_of_the_levels():
  """The mean over dequantisation noise is below the log of the density integrated over the level."""
  likelihood = likelihoods.Gaussian('fixed', 0.01)
  keys = jax.random.split(jax.random.key(1), 20_000)
  targets = likelihood.targets(jnp.full((20_000, 1, 1, 1), 100, jnp.uint8), keys)
  mean = 100.2 / 128 - 1
  bound = np.mean(likelihood.log_prob(jnp.full((20_000, 1, 1, 1), mean), targets))
  edges = np.array([100, 101]) / 128 - 1
  exact = np.log(np.diff(stats.norm.cdf(edges, mean, 0.02))[0])
  assert exact - 0.1 < bound < exact


@pytest.mark.parametrize('name', ['gaussian_fixed', 'logistic_mixture'])
def test_mean_of_a_sure_model_is_the_level(name):
  likelihood = make(name)
  targets = likelihood.targets(all_levels(3), jax.random.split(jax.random.key(0), 256))
  if name == 'gaussian_fixed':
    outputs = jnp.floor((targets + 1) * 128) / 128 - 1 + 0.5 / 128
  else:  # means in the first channel of each pixel, no coupling
    k = likelihood.mixtures
    means = jnp.repeat(targets, k, axis=-1)
    outputs = jnp.concatenate([jnp.zeros((256, 1, 1, k)), means, jnp.zeros((256, 1, 1, 6 * k))], axis=-1)
  np.testing.assert_array_equal(to_uint8(likelihood.mean(outputs, 3)), all_levels(3))


@pytest.mark.parametrize(
  'name, fields, expected',
  [
    ('bernoulli', {}, {'binarization': 'dynamic'}),
    (
      'bernoulli',
      {'binarization': 'static', 'binarization_seed': 3},
      {'binarization': 'static', 'binarization_seed': 3},
    ),
    ('bernoulli', {'binarization': 'grey', 'binarization_seed': 3}, {'binarization': 'grey'}),  # nothing is drawn
    ('gaussian_fixed', {}, {'binarization': 'grey'}),
    ('gaussian_learned', {}, {'binarization': 'grey'}),
    ('gaussian_pixel', {}, {'binarization': 'grey'}),
    ('logistic_mixture', {}, {'binarization': 'grey'}),
  ],
)
def test_protocol_says_what_the_targets_are(name, fields, expected):
  assert make(name, **fields).protocol() == expected


def test_only_likelihoods_of_levels_count_them():
  assert {name for name in LIKELIHOODS if make(name).counts_levels} == set(LIKELIHOODS) - {'bernoulli'}


def test_mistakes():
  with pytest.raises(UserError, match='dynamic, static, grey'):
    make('bernoulli', binarization='gray')
  with pytest.raises(UserError, match='noise_scale'):
    make('gaussian_fixed', noise_scale=0.0)
  with pytest.raises(UserError, match='mixtures=0 must be at least 1'):
    make('logistic_mixture', mixtures=0)
