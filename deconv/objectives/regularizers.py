"""What is added to the reconstruction error of a variational autoencoder: the KL term and its modifications, in nats.

A regularizer is a function (posterior, z, step) -> (penalty, {name: scalar}): Posterior of (batch, latent), the codes
z (batch, latent) drawn from it, the steps done (int32 scalar); the penalty is a scalar, averaged over the batch. Under
pmap the batch is the share of a device.

REGULARIZERS maps `config.objective.name` to a builder that takes the options of the objective
(deconv.options.objectives.vae.VaeObjective). The importance-weighted bound ('iwae') is no sum of two terms and has no
entry here.
"""

import jax.numpy as jnp

from deconv.objectives import disentanglement, elbo


def weighted_kl(options):
  """beta * KL: the negative ELBO with beta = 1, beta-VAE otherwise (Higgins et al. 2017, equation 4).

  Args:
    options: `beta` is the weight of the KL divergence; it rises linearly from 0 over `warmup_steps` (Bowman et al.
      2016; Sonderby et al. 2016). `free_bits` nats of each latent, averaged over the batch, cost nothing extra:
      max(KL_j, free_bits) is summed (Kingma et al. 2016, appendix C.8).
  """

  def penalty(posterior, z, step):
    del z
    kl = jnp.mean(elbo.kl_standard_normal(posterior), axis=0)
    weight = options.beta * (jnp.minimum(1.0, step / options.warmup_steps) if options.warmup_steps else 1.0)
    return weight * jnp.sum(jnp.maximum(kl, options.free_bits) if options.free_bits else kl), {}

  return penalty


def capacity(options):
  """gamma * |KL - C|, C rising linearly from 0 to `capacity_nats` over `capacity_steps` (Burgess et al. 2018, equation
  8)."""

  def penalty(posterior, z, step):
    del z
    target = options.capacity_nats * jnp.minimum(1.0, step / options.capacity_steps)
    return options.gamma * jnp.abs(jnp.mean(elbo.rate(posterior)) - target), {'capacity': target}

  return penalty


REGULARIZERS = {'elbo': weighted_kl, 'capacity': capacity, **disentanglement.REGULARIZERS}
