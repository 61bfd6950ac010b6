"""What is added to the reconstruction error of a variational autoencoder: the KL term and its modifications, in nats.

A regularizer is a function (posterior, z, step) -> (penalty, {name: scalar}): Posterior of (batch, latent), the codes
z (batch, latent) drawn from it, the steps done (int32 scalar); the penalty is a scalar, averaged over the batch. Under
pmap the batch is the share of a device.

REGULARIZERS maps `config.objective.name` to a builder that takes those fields of `config.objective` that it names. The
importance-weighted bound ('iwae') is no sum of two terms and has no entry here.
"""
import jax.numpy as jnp

from deconv.errors import UserError
from deconv.objectives import disentanglement
from deconv.objectives.elbo import kl_standard_normal


def weighted_kl(beta=1., warmup_steps=0, free_bits=0.):
  """beta * KL: the negative ELBO with beta = 1, beta-VAE otherwise (Higgins et al. 2017, equation 4).

  Args:
    beta: weight of the KL divergence.
    warmup_steps: the weight rises linearly from 0 over so many steps (Bowman et al. 2016; Sonderby et al. 2016).
    free_bits: nats of each latent, averaged over the batch, that cost nothing extra: max(KL_j, free_bits) is summed
      (Kingma et al. 2016, appendix C.8).

  Raises:
    UserError: a negative field.
  """
  _not_negative(beta=beta, warmup_steps=warmup_steps, free_bits=free_bits)

  def penalty(posterior, z, step):
    del z
    kl = jnp.mean(kl_standard_normal(posterior), axis=0)
    weight = beta * (jnp.minimum(1., step / warmup_steps) if warmup_steps else 1.)
    return weight * jnp.sum(jnp.maximum(kl, free_bits) if free_bits else kl), {}
  return penalty


def capacity(gamma=1000., capacity_nats=25., capacity_steps=100_000):
  """gamma * |KL - C|, C rising linearly from 0 (Burgess et al. 2018, equation 8).

  Args:
    gamma: weight (paper: 1000).
    capacity_nats: final C, in nats (paper: 25).
    capacity_steps: steps until then (paper: 100,000).

  Raises:
    UserError: a negative field, or no steps.
  """
  _not_negative(gamma=gamma, capacity_nats=capacity_nats)
  if capacity_steps < 1:
    raise UserError(f'objective.capacity_steps={capacity_steps} must be at least 1; change it')

  def penalty(posterior, z, step):
    del z
    target = capacity_nats * jnp.minimum(1., step / capacity_steps)
    kl = jnp.mean(jnp.sum(kl_standard_normal(posterior), axis=-1))
    return gamma * jnp.abs(kl - target), {'capacity': target}
  return penalty


def _not_negative(**fields):
  for name, value in fields.items():
    if not value >= 0:
      raise UserError(f'objective.{name}={value} must not be negative; change it')


REGULARIZERS = {
    'elbo': weighted_kl,
    'capacity': capacity,
    **disentanglement.REGULARIZERS,
}
