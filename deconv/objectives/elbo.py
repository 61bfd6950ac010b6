"""Bounds on the log-likelihood of a variational autoencoder (Kingma & Welling 2014; Burda et al. 2016), in nats.

Everything is summed over pixels and latents and is one number per image; averaging over images is the caller's.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from deconv.ops.arguments import of_rank

# exp(+-12) = 163,000: no posterior that is of use is wider or narrower, and products of two such numbers stay finite.
LOG_VARIANCE_LIMIT = 12.0
_LOG_2PI = float(np.log(2 * np.pi))


class Posterior(NamedTuple):
  """A diagonal Gaussian q(z|x) for each image.

  Attributes:
    mean: float32 (batch, latent).
    log_variance: float32 (batch, latent), natural logarithm.
  """

  mean: jax.Array
  log_variance: jax.Array


def make_posterior(statistics):
  """Returns the Posterior of what an encoder puts out, (batch, 2 * latent): means, then log-variances, in float32.

  Log-variances are clamped to [-LOG_VARIANCE_LIMIT, LOG_VARIANCE_LIMIT].
  """
  mean, log_variance = jnp.split(statistics.astype(jnp.float32), 2, axis=-1)
  return Posterior(mean, jnp.clip(log_variance, -LOG_VARIANCE_LIMIT, LOG_VARIANCE_LIMIT))


def reparameterize(posterior, noise):
  """Returns z = mean + exp(log_variance / 2) * noise (Kingma & Welling 2014, section 2.4).

  Args:
    posterior: Posterior of (batch, latent).
    noise: standard normal (batch, latent) or (samples, batch, latent).

  Returns:
    Array of the shape of `noise`.
  """
  return of_rank(posterior.mean, noise.ndim) + of_rank(jnp.exp(0.5 * posterior.log_variance), noise.ndim) * noise


def kl_standard_normal(posterior):
  """KL(q(z_j | x) || N(0, 1)) of each latent, (batch, latent), in closed form (Kingma & Welling 2014, appendix B)."""
  mean, log_variance = posterior
  return 0.5 * (jnp.square(mean) + jnp.expm1(log_variance) - log_variance)


def rate(posterior):
  """KL(q(z|x) || N(0, I)) of each image, (batch,): the sum over its latents."""
  return jnp.sum(kl_standard_normal(posterior), axis=-1)


def log_standard_normal(z):
  """log N(z; 0, I), summed over the last axis: (..., latent) -> (...)."""
  return -0.5 * jnp.sum(jnp.square(z) + _LOG_2PI, axis=-1)


def log_posterior(posterior, noise):
  """log q(z|x) at z = reparameterize(posterior, noise), summed over latents: (..., batch, latent) -> (..., batch).

  From the noise and not from z: (z - mean) / scale loses its digits where the mean is large and the scale small.
  """
  return -0.5 * jnp.sum(jnp.square(noise) + of_rank(posterior.log_variance, noise.ndim) + _LOG_2PI, axis=-1)


def log_weights(posterior, noise, log_likelihood):
  """Importance weights log p(x|z) + log p(z) - log q(z|x), (samples, batch); prior N(0, I).

  Args:
    posterior: Posterior of (batch, latent).
    noise: (samples, batch, latent), what z was made of.
    log_likelihood: log p(x|z), (samples, batch).
  """
  z = reparameterize(posterior, noise)
  return log_likelihood + log_standard_normal(z) - log_posterior(posterior, noise)


def iwae(weights):
  """The importance-weighted bound log(1/k sum_i exp(w_i)) (Burda et al. 2016, equation 8): (k, batch) -> (batch,)."""
  return jax.nn.logsumexp(weights, axis=0) - jnp.log(weights.shape[0])


def streaming_log_mean_exp(chunk, num, chunk_size):
  """log(1/num sum exp(w)) of `num` log weights per image that are never all in memory.

  Args:
    chunk: function of an int32 scalar i = 0, 1, ... that returns the i-th (chunk_size, batch) of the log weights.
    num: number of weights that count; what the last chunk has beyond it is ignored.
    chunk_size: rows of a chunk.

  Returns:
    float32 (batch,).
  """

  def add(carry, i):
    highest, total = carry
    inside = i * chunk_size + jnp.arange(chunk_size) < num
    weights = jnp.where(inside[:, None], chunk(i), -jnp.inf)
    new = jnp.maximum(highest, jnp.max(weights, axis=0))
    # A sum relative to the highest weight so far: thousands of terms keep their digits, none overflows.
    return (new, total * jnp.exp(highest - new) + jnp.sum(jnp.exp(weights - new[None]), axis=0)), None

  shape = jax.eval_shape(functools.partial(chunk, jnp.int32(0))).shape[1:]
  start = jnp.full(shape, jnp.finfo(jnp.float32).min, jnp.float32), jnp.zeros(shape, jnp.float32)
  (highest, total), _ = jax.lax.scan(add, start, jnp.arange(-(-num // chunk_size)))
  return highest + jnp.log(total) - jnp.log(num)


def bits_per_dim(nats, dimensions):
  """Nats per image -> bits for each of its `dimensions` numbers (pixels times channels)."""
  return nats / (dimensions * np.log(2))
