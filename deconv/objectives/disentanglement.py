"""Penalties that are added to a variational autoencoder's -ELBO so that its latents come apart. All in nats.

beta-TC-VAE (Chen et al. 2018) and FactorVAE (Kim & Mnih 2018) weigh the total correlation of the aggregate posterior
q(z) = E_x q(z|x), the one by a minibatch estimate, the other by a discriminator; DIP-VAE (Kumar et al. 2018) pulls the
covariance of the latents to the identity. KL = mutual information + total correlation + dimension-wise KL.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from deconv.objectives.elbo import rate


class Decomposition(NamedTuple):
  """The three parts of E_x KL(q(z|x) || p(z)), scalars in nats (Chen et al. 2018, equation 2)."""

  mutual_information: jax.Array
  total_correlation: jax.Array
  dimension_kl: jax.Array


def decompose_kl(mean, logvar, z, dataset_size, sampling):
  """Estimates the three parts from one minibatch.

  log q(z_i) is estimated by log sum_j w_ij q(z_i | x_j) over the minibatch, as is that of every coordinate. Both are
  biased by the logarithm; 'stratified' makes the sum itself unbiased (Chen et al. 2018, appendix C).

  Args:
    mean, logvar: of the diagonal Gaussian q(z|x), (batch, latent) each.
    z: (batch, latent), one draw from each q(z|x).
    dataset_size: N, number of training images, >= batch.
    sampling: 'weighted' (every w is 1 / (N batch)) or 'stratified' (see `sampling_weights`; batch >= 2).

  Returns:
    Decomposition, means over the batch. With the same draws, its sum is an estimate of the KL whatever the weights.
  """
  batch = z.shape[0]
  log_weight = jnp.log(sampling_weights(batch, dataset_size, sampling))  # i j
  each = log_normal(z[:, None], mean[None], logvar[None])  # i j latent
  log_joint = jax.nn.logsumexp(log_weight + each.sum(-1), axis=1)  # log q(z_i)
  log_product = jax.nn.logsumexp(log_weight[..., None] + each, axis=1).sum(-1)  # sum_d log q(z_id)
  log_posterior = log_normal(z, mean, logvar).sum(-1)
  log_prior = log_normal(z, 0.0, 0.0).sum(-1)
  return Decomposition(
    jnp.mean(log_posterior - log_joint), jnp.mean(log_joint - log_product), jnp.mean(log_product - log_prior)
  )


def log_normal(z, mean, logvar):
  """Log density of a normal distribution, element by element, in nats."""
  return -0.5 * (math.log(2 * math.pi) + logvar + jnp.square(z - mean) * jnp.exp(-logvar))


def sampling_weights(batch, dataset_size, sampling):
  """Returns w (batch, batch), positive, such that sum_j w_ij q(z_i | x_j) estimates q(z_i).

  'weighted': 1 / (N batch) (equation S4 of Chen et al. 2018): an importance bound, smaller than q(z) by a constant that
  the gradient does not see, but the total correlation does: (1 - latent) log N.
  'stratified' (equation S9): the image that z_i was drawn from counts 1 / N; of the M = batch - 1 others all count 1 /
  M but one, which counts (N - M) / (N M). The expectation over minibatches is q(z_i) exactly.

  Raises:
    ValueError: another `sampling`, or a data set smaller than the batch.
  """
  if dataset_size < batch:
    raise ValueError(f'dataset_size={dataset_size} is smaller than the batch of {batch}')
  if sampling == 'weighted':
    return jnp.full((batch, batch), 1.0 / (batch * dataset_size))
  if sampling != 'stratified':
    raise ValueError(f"sampling='{sampling}' must be 'weighted' or 'stratified'")
  others = batch - 1
  place = (jnp.arange(batch)[None] - jnp.arange(batch)[:, None]) % batch  # 0: z_i's own image
  last = (dataset_size - others) / (dataset_size * others)
  return jnp.where(place == 0, 1.0 / dataset_size, jnp.where(place == others, last, 1.0 / others))


def beta_tc(options):
  """KL + (beta - 1) TC, that is mutual information + beta TC + dimension-wise KL (Chen et al. 2018, equation 4 with
  alpha = gamma = 1): the KL in closed form, the total correlation by `decompose_kl`.

  Args:
    options: `beta` is the weight of the total correlation, 1 = the ELBO; `tc_sampling` and `dataset_size` are those of
      `sampling_weights`. A size of 0 is the batch, which with 'weighted' moves the reported value by a constant and no
      gradient.
  """

  def penalty(posterior, z, step):
    del step
    size = max(options.dataset_size, len(z))
    tc = decompose_kl(posterior.mean, posterior.log_variance, z, size, options.tc_sampling).total_correlation
    return jnp.mean(rate(posterior)) + (options.beta - 1) * tc, {'total_correlation': tc}

  return penalty


def dip_i(options):
  """KL + a sum_{i != j} C_ij^2 + b sum_i (C_ii - 1)^2 with C = Cov_x[mean] (DIP-VAE-I, Kumar et al. 2018, equation 6).

  Args:
    options: a is `dip_off_diagonal` (lambda_od of the paper), b `dip_diagonal` (lambda_d; the paper's DIP-VAE-I has b =
      10 a, its DIP-VAE-II b = a).
  """

  def penalty(posterior, z, step):
    del z, step
    extra = _off_identity(_covariance(posterior.mean), options)
    return jnp.mean(rate(posterior)) + extra, {'dip': extra}

  return penalty


def dip_ii(options):
  """As `dip_i` with C = Cov_x[mean] + E_x[diag(variance)], the covariance of q(z) (DIP-VAE-II, equation 7)."""

  def penalty(posterior, z, step):
    del z, step
    variance = jnp.mean(jnp.exp(posterior.log_variance), axis=0)
    extra = _off_identity(_covariance(posterior.mean) + jnp.diag(variance), options)
    return jnp.mean(rate(posterior)) + extra, {'dip': extra}

  return penalty


def _covariance(x):
  centred = x - jnp.mean(x, axis=0, keepdims=True)
  return centred.T @ centred / len(x)


def _off_identity(covariance, options):
  variances = jnp.diag(covariance)
  off = covariance - jnp.diag(variances)
  return options.dip_off_diagonal * jnp.sum(off**2) + options.dip_diagonal * jnp.sum((variances - 1) ** 2)


# As those of deconv.objectives.regularizers, of which they are part: name -> builder of (posterior, z, step) ->
# (penalty, scalars). FactorVAE, whose penalty has a network, is a task of its own (deconv/tasks/factor_vae.py).
REGULARIZERS = {'beta_tc': beta_tc, 'dip_i': dip_i, 'dip_ii': dip_ii}


def permute_dimensions(key, z):
  """Shuffles each coordinate of z (batch, latent) over the batch on its own: a draw from the product of the marginals
  (Kim & Mnih 2018, algorithm 1)."""
  return jax.random.permutation(key, z, axis=0, independent=True)


def density_ratio_tc(logits):
  """The total correlation by a discriminator's logits (batch,) on z ~ q(z): E log D / (1 - D) = their mean (Kim & Mnih
  2018, equation 3). Exact where logit = log q(z) - sum_d log q(z_d)."""
  return jnp.mean(logits)


def density_ratio_loss(joint_logits, product_logits):
  """Cross entropy, in nats, of a discriminator that says 'joint' (positive logit) or 'product of marginals'; both
  (batch,). The mean over the two batches: log 2 for a discriminator that knows nothing."""
  return 0.5 * (jnp.mean(jax.nn.softplus(-joint_logits)) + jnp.mean(jax.nn.softplus(product_logits)))
