"""Codes whose entries mean something: the training rule of DC-IGN (Kulkarni et al. 2015, section 3).

In a minibatch only one factor of the scene varies, so only the latents of that factor (the active ones) may differ
between its images.
"""

import jax
import jax.numpy as jnp

# Who stands in for the inactive latents: their mean over the minibatch (paper, section 3.1, step 5), or those of its
# first image (modules/SelectiveOutputClamp.lua of the authors' code).
CLAMPS = {'mean': lambda codes: jnp.mean(codes, axis=0, keepdims=True), 'first': lambda codes: codes[:1]}


def clamp(codes, active, kind):
  """Inactive latents become the same for all images, and no gradient passes through them.

  Args:
    codes: (batch, latent).
    active: bool (latent,).
    kind: a key of CLAMPS.

  Returns:
    (batch, latent).
  """
  return jnp.where(active[None], codes, jax.lax.stop_gradient(CLAMPS[kind](codes)))


def invariance(codes, active):
  """Half the squared distance of the inactive latents from their mean over the minibatch; a mean over its images.

  Its gradient is that of the paper (section 3.2): at an inactive latent of an image, its difference from the mean (over
  the number of images, as that of every mean is), at an active one 0.
  """
  squares = jnp.square(codes - jnp.mean(codes, axis=0, keepdims=True))
  return 0.5 * jnp.mean(jnp.sum(jnp.where(active[None], 0.0, squares), axis=-1))


def active_latents(varies, num_factors, latent_size):
  """Which latents belong to a factor: one to each but the last (the intrinsic properties), which has the rest.

  Args:
    varies: int scalar, the factor.
    num_factors: number of factors, at most latent_size.
    latent_size: length of z.

  Returns:
    bool (latent_size,).
  """
  return jnp.minimum(jnp.arange(latent_size, dtype=jnp.int32), num_factors - 1) == varies
