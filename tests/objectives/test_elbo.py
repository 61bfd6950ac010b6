"""Bounds of log p(x): closed forms against Monte Carlo, order of the bounds, a marginal that is known exactly."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from deconv.objectives import elbo

KEY = jax.random.key(0)


def test_kl_equals_monte_carlo():
  posterior = elbo.Posterior(
    jnp.array([[0.5, -1.0, 0.0], [2.0, 0.1, -0.3]]), jnp.array([[0.0, -2.0, 1.0], [-1.0, 0.5, -4.0]])
  )
  noise = jax.random.normal(KEY, (200_000, 2, 3))
  z = np.asarray(elbo.reparameterize(posterior, noise), np.float64)
  scale = np.exp(0.5 * np.asarray(posterior.log_variance))
  log_ratio = stats.norm.logpdf(z, posterior.mean, scale) - stats.norm.logpdf(z)
  error = log_ratio.std(axis=0) / np.sqrt(len(z))
  assert np.all(np.abs(elbo.kl_standard_normal(posterior) - log_ratio.mean(axis=0)) < 4 * error)
  np.testing.assert_allclose(
    elbo.log_posterior(posterior, noise[:5]), stats.norm.logpdf(z[:5], posterior.mean, scale).sum(-1), rtol=1e-4
  )
  np.testing.assert_allclose(elbo.log_standard_normal(z[:5]), stats.norm.logpdf(z[:5]).sum(-1), rtol=1e-5)


def test_kl_is_zero_at_the_prior_and_positive_elsewhere():
  grid = jnp.linspace(-3, 3, 13)
  kl = elbo.kl_standard_normal(elbo.Posterior(*jnp.meshgrid(grid, grid)))
  assert kl[6, 6] == 0 and np.sum(np.asarray(kl) <= 0) == 1
  # Close to the prior KL = log_variance^2 / 4: exp(v) - 1 - v would round to nothing.
  near = elbo.kl_standard_normal(elbo.Posterior(jnp.zeros(1), jnp.full(1, 1e-3)))
  assert near[0] == pytest.approx(1e-6 / 4, rel=1e-2)


@pytest.mark.parametrize('value', [1e4, -1e4, 1e30, -1e30])
def test_extreme_statistics_stay_finite(value):
  def loss(statistics):
    posterior = elbo.make_posterior(statistics)
    z = elbo.reparameterize(posterior, jnp.ones((2, 3)))
    return jnp.sum(elbo.kl_standard_normal(posterior)) + jnp.sum(z)

  statistics = jnp.concatenate([jnp.ones((2, 3)), jnp.full((2, 3), value)], axis=-1)
  total, grads = jax.value_and_grad(loss)(statistics)
  assert np.isfinite(total) and np.isfinite(grads).all() and np.all(grads[:, :3] != 0)
  assert np.abs(elbo.make_posterior(statistics).log_variance).max() == elbo.LOG_VARIANCE_LIMIT


# x = W z + b + sigma e in two latents and five pixels: p(x) = N(b, W W' + sigma^2 I), posterior known.
RNG = np.random.default_rng(0)
WEIGHTS, BIAS, SIGMA = RNG.normal(size=(5, 2)), RNG.normal(size=5), 0.7
X = RNG.normal(size=(4, 5)) @ np.diag([1, 2, 1, 0.5, 1]) + BIAS
EXACT = stats.multivariate_normal.logpdf(X, BIAS, WEIGHTS @ WEIGHTS.T + SIGMA**2 * np.eye(5))


def linear_weights(noise, widen=1.0, shift=0.0):
  """Log weights (samples, 4) with the exact posterior's diagonal, its scale times `widen` and its mean plus `shift`."""
  precision = np.eye(2) + WEIGHTS.T @ WEIGHTS / SIGMA**2
  mean = np.linalg.solve(precision, WEIGHTS.T @ (X - BIAS).T / SIGMA**2).T + shift
  posterior = elbo.Posterior(
    jnp.asarray(mean, jnp.float32),
    jnp.broadcast_to(jnp.log(widen**2 / jnp.diag(precision)), (4, 2)).astype(jnp.float32),
  )
  z = elbo.reparameterize(posterior, noise)
  log_likelihood = jnp.sum(jax.scipy.stats.norm.logpdf(X, z @ WEIGHTS.T + BIAS, SIGMA), axis=-1)
  return elbo.log_weights(posterior, noise, log_likelihood)


def test_importance_estimate_is_the_exact_marginal():
  noise = jax.random.normal(KEY, (100_000, 4, 2))
  weights = np.asarray(linear_weights(noise, widen=1.3), np.float64)
  ratio = np.exp(weights - weights.max(axis=0))
  error = ratio.std(axis=0) / ratio.mean(axis=0) / np.sqrt(len(ratio))
  estimate = elbo.iwae(jnp.asarray(weights))
  assert np.all(np.abs(estimate - EXACT) < 4 * error + 1e-4) and error.max() < 0.01


def test_bounds_are_ordered_in_expectation():
  """ELBO <= IWAE-k <= IWAE-2k <= log p(x): means over many draws, differences far above their errors."""
  weights = linear_weights(jax.random.normal(KEY, (16 * 4000, 4, 2)), widen=1.5, shift=0.5)
  means, errors = [], []
  for k in (1, 2, 4, 8, 16):
    bounds = np.asarray(jax.vmap(elbo.iwae)(weights.reshape(-1, k, 4)))
    means.append(bounds.mean(axis=0))
    errors.append(bounds.std(axis=0) / np.sqrt(len(bounds)))
  gaps = np.diff(np.array(means), axis=0)
  assert np.all(gaps > 3 * np.array(errors[:-1]))
  assert np.all(means[-1] < EXACT + 3 * errors[-1]) and np.all(EXACT - means[0] > 0.1)


@pytest.mark.parametrize('num, chunk', [(1, 1), (7, 3), (12, 4), (5, 8)])
def test_streaming_equals_one_logsumexp(num, chunk):
  # exp overflows.
  weights = 300 * np.random.default_rng(1).normal(size=(-(-num // chunk) * chunk, 6)).astype(np.float32)
  parts = jnp.asarray(weights).reshape(-1, chunk, 6)
  found = jax.jit(lambda: elbo.streaming_log_mean_exp(lambda i: parts[i], num, chunk))()
  np.testing.assert_allclose(found, special.logsumexp(weights[:num], axis=0) - np.log(num), rtol=1e-6)


def test_bits_per_dim():
  assert elbo.bits_per_dim(10 * 8 * np.log(2), 10) == pytest.approx(8)  # ten dimensions of 256 equal levels
