"""Penalties of disentanglement against closed forms and brute force."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deconv.errors import UserError
from deconv.objectives import disentanglement
from deconv.objectives.elbo import Posterior, kl_standard_normal
from deconv.objectives.regularizers import REGULARIZERS
from deconv.options.objectives.vae import VaeObjective

DIP = dict(dip_off_diagonal=3.0, dip_diagonal=7.0)
decompose = jax.jit(disentanglement.decompose_kl, static_argnums=(3, 4))


def penalty(name, mean, log_variance, z, **fields):
  """The penalty without the KL, and the scalars."""
  posterior = Posterior(mean, log_variance)
  total, scalars = jax.jit(disentanglement.REGULARIZERS[name](VaeObjective(name=name, **fields)))(posterior, z, 0)
  return float(total) - float(kl_standard_normal(posterior).sum(-1).mean()), scalars


def normal(rng, *shape):
  return jnp.asarray(rng.normal(size=shape), jnp.float32)


def gaussian_tc(covariance):
  """Total correlation of a Gaussian: half the difference of the log determinants of its diagonal and itself."""
  return 0.5 * (np.sum(np.log(np.diag(covariance))) - np.linalg.slogdet(covariance)[1])


def aggregate(rng, covariance, noise, num):
  """Posteriors whose mixture is a Gaussian of this covariance, and a draw from each."""
  mean = rng.multivariate_normal(np.zeros(len(covariance)), covariance - noise * np.eye(len(covariance)), num)
  logvar = np.full_like(mean, math.log(noise))
  z = mean + math.sqrt(noise) * rng.normal(size=mean.shape)
  return [jnp.asarray(x, jnp.float32) for x in (mean, logvar, z)]


@pytest.mark.parametrize('rho', [0.0, 0.6, 0.9])
def test_total_correlation_of_a_known_gaussian(rho):
  covariance = np.array([[1.0, rho, 0.0], [rho, 2.0, 0.0], [0.0, 0.0, 0.5]])
  mean, logvar, z = aggregate(np.random.default_rng(0), covariance, 0.1, 2000)
  # The minibatch is the whole data set, so that the mixture is the one that is sampled.
  found = decompose(mean, logvar, z, 2000, 'stratified')
  assert float(found.total_correlation) == pytest.approx(gaussian_tc(covariance), abs=0.06)
  marginal_kl = 0.5 * np.sum(np.diag(covariance) - 1 - np.log(np.diag(covariance)))
  assert float(found.dimension_kl) == pytest.approx(marginal_kl, abs=0.06)
  information = 0.5 * (np.linalg.slogdet(covariance)[1] - 3 * math.log(0.1))
  assert float(found.mutual_information) == pytest.approx(information, rel=0.04)


@pytest.mark.parametrize('sampling', ['weighted', 'stratified'])
def test_the_parts_add_up_to_the_kl_of_the_same_draws(sampling):
  rng = np.random.default_rng(1)
  mean, logvar, z = (normal(rng, 8, 5) for _ in range(3))
  found = decompose(mean, logvar, z, 1000, sampling)
  draws = (-0.5 * (logvar + (z - mean) ** 2 * jnp.exp(-logvar)) + 0.5 * z**2).sum(-1).mean()
  assert float(sum(found)) == pytest.approx(float(draws), rel=1e-4)


def test_stratified_weights_are_unbiased_over_all_minibatches():
  num, batch = 6, 4
  density = np.random.default_rng(2).uniform(0.1, 2.0, (num, num))  # q(z_i | x_j), z_i drawn from x_i
  weights = np.asarray(disentanglement.sampling_weights(batch, num, 'stratified'), np.float64)
  found = [weights[0] @ density[0, [0, *others]] for others in itertools.permutations(range(1, num), batch - 1)]
  assert np.mean(found) == pytest.approx(density[0].mean(), rel=1e-6)
  # Every image of the batch takes the place of z_i once.
  for i in range(batch):
    assert sorted(weights[i]) == pytest.approx(sorted(weights[0]))
    assert weights[i, i] == pytest.approx(1 / num)


def test_weighted_estimate_by_a_loop():
  rng = np.random.default_rng(3)
  mean, logvar, z = (normal(rng, 4, 2) for _ in range(3))

  def density(i, j, d):
    var = math.exp(logvar[j, d])
    return math.exp(-((z[i, d] - mean[j, d]) ** 2) / (2 * var)) / math.sqrt(2 * math.pi * var)

  tc = 0.0
  for i in range(4):
    joint = sum(density(i, j, 0) * density(i, j, 1) for j in range(4)) / (4 * 50)
    product = math.prod(sum(density(i, j, d) for j in range(4)) / (4 * 50) for d in range(2))
    tc += math.log(joint / product) / 4
  found, scalars = penalty('beta_tc', mean, logvar, z, beta=4.0, dataset_size=50)
  assert found == pytest.approx(3 * tc, rel=1e-4)
  assert float(scalars['total_correlation']) == pytest.approx(tc, rel=1e-5)


def test_wrong_sampling():
  with pytest.raises(ValueError, match='smaller than the batch'):
    disentanglement.sampling_weights(8, 4, 'weighted')
  with pytest.raises(ValueError, match='stratified'):
    disentanglement.sampling_weights(2, 4, 'uniform')


def test_dip_by_hand():
  mean = jnp.array(
    [[1.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [3.0, 3.0]]
  )  # covariance [[2, 1.5], [1.5, 2.75]] about (1, 0.5)
  centred = np.asarray(mean) - np.asarray(mean).mean(0)
  covariance = np.einsum('ni,nj->ij', centred, centred) / 4
  assert covariance.tolist() == [[2.0, 2.0], [2.0, 2.75]]
  logvar = jnp.log(jnp.full((4, 2), 0.5))
  found, _ = penalty('dip_i', mean, logvar, mean, **DIP)
  assert found == pytest.approx(3 * 2 * 4 + 7 * (1 + 1.75**2), rel=1e-5)
  # The covariance of q(z) has the mean variance on its diagonal, and the same corners.
  found, _ = penalty('dip_ii', mean, logvar, mean, **DIP)
  assert found == pytest.approx(3 * 2 * 4 + 7 * (1.5**2 + 2.25**2), rel=1e-5)


def test_dip_ii_is_zero_at_the_prior():
  mean = jnp.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]]) * math.sqrt(0.75)
  logvar = jnp.full((4, 2), math.log(0.25))
  assert penalty('dip_ii', mean, logvar, mean, **DIP)[0] == pytest.approx(0, abs=1e-6)
  assert penalty('dip_i', mean, logvar, mean, **DIP)[0] == pytest.approx(7 * 2 * 0.25**2, rel=1e-4)


@pytest.mark.parametrize(
  'name, neutral',
  [
    ('beta_tc', dict(beta=1.0)),
    ('dip_i', dict(dip_off_diagonal=0.0, dip_diagonal=0.0)),
    ('dip_ii', dict(dip_off_diagonal=0.0, dip_diagonal=0.0)),
  ],
)
def test_neutral_fields_are_the_plain_vae(name, neutral):
  assert REGULARIZERS[name] is disentanglement.REGULARIZERS[name]  # a user can choose it
  rng = np.random.default_rng(4)
  assert penalty(name, *(normal(rng, 8, 3) for _ in range(3)), **neutral)[0] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
  'name, fields, message',
  [
    ('beta_tc', dict(tc_sampling='uniform'), 'choose one of: weighted, stratified'),
    ('beta_tc', dict(tc_sampling='stratified'), 'set objective.dataset_size'),
    ('beta_tc', dict(beta=-1.0), 'objective.beta=-1.0'),
    ('dip_i', dict(dip_diagonal=-1.0), 'objective.dip_diagonal'),
    ('dip_ii', dict(dip_off_diagonal=-1.0), 'must not be negative'),
  ],
)
def test_wrong_fields(name, fields, message):
  with pytest.raises(UserError, match=message):
    VaeObjective(name=name, **fields)


def test_permuted_dimensions_keep_the_marginals_and_lose_the_correlation():
  z = normal(np.random.default_rng(5), 4000, 1) * jnp.ones((1, 3))
  found = np.asarray(disentanglement.permute_dimensions(jax.random.key(0), z))
  for d in range(3):
    assert np.array_equal(np.sort(found[:, d]), np.sort(np.asarray(z[:, 0])))
  correlation = np.corrcoef(found.T)
  assert np.abs(correlation - np.eye(3)).max() < 0.06


def test_the_best_discriminator_gives_the_total_correlation():
  rho = 0.8
  covariance = np.array([[1.0, rho], [rho, 1.0]])
  z = np.random.default_rng(6).multivariate_normal(np.zeros(2), covariance, 20000)
  exponent = np.einsum('ni,ij,nj->n', z, np.linalg.inv(covariance), z)
  logits = -0.5 * (exponent + np.linalg.slogdet(covariance)[1] - (z**2).sum(1))
  found = float(disentanglement.density_ratio_tc(jnp.asarray(logits)))
  assert found == pytest.approx(gaussian_tc(covariance), abs=0.02)


def test_density_ratio_loss():
  assert float(disentanglement.density_ratio_loss(jnp.zeros(3), jnp.zeros(5))) == pytest.approx(math.log(2))
  found = disentanglement.density_ratio_loss(jnp.array([2.0]), jnp.array([-1.0, 0.0]))
  assert float(found) == pytest.approx(
    0.5 * (math.log1p(math.exp(-2)) + 0.5 * (math.log1p(math.exp(-1)) + math.log(2)))
  )
