"""FactorVAE (Kim & Mnih 2018): a variational autoencoder whose total correlation a second network estimates.

The discriminator tells codes z ~ q(z) from codes whose coordinates are shuffled over the minibatch; its mean logit on
the former is the estimate, which the encoder pays for with a weight of `tc_weight` (gamma of the paper). Both networks
move at the old parameters of the other. The shuffled codes are those of the same minibatch, as in disentanglement_lib;
algorithm 2 of the paper encodes a second one for them. Under pmap the minibatch is the share of a device.
"""

import jax
import jax.numpy as jnp

from deconv.models.latent_discriminator import LatentDiscriminator
from deconv.objectives import disentanglement
from deconv.rng import stream
from deconv.tasks import vae
from deconv.tasks.state import NetworkState, compiled_fast

_LEAK = 0.2  # slope of the discriminator's LeakyReLU below zero (paper, appendix A)


class FactorVae(vae.Vae):
  """Trains networks 'vae' (params {'encoder', 'decoder'}) and 'disc'; a Task (deconv/tasks/task.py).

  Attributes: as in Vae, and
    discriminator: Linen module, codes (batch, latent) -> logits (batch,).
    disc_optimizer: its optax transformation.
  """

  loss_names = ('loss', 'loss_disc')

  def __init__(self, options, make_optimizer, batch_norm_axis):
    """Makes the networks; see Vae."""
    super().__init__(options, make_optimizer, batch_norm_axis)
    objective = options.objective
    self.discriminator = LatentDiscriminator(objective.disc_hidden, objective.disc_depth, _LEAK)
    self.disc_optimizer = make_optimizer(objective.disc_learning_rate_scale)

  def make_regularizer(self):
    """None: the KL divergence has weight 1, and the total correlation is added by `penalized_loss`."""

  def init(self, key, batch):
    """Returns the State at step 0; batch['image'] (n >= 1, height, width, channels) gives the shape."""
    state = super().init(key, batch)
    codes = jax.ShapeDtypeStruct((2, self.latent.size), jnp.float32)

    @compiled_fast
    def create(key):
      return NetworkState.create(self.discriminator.lazy_init(stream(key, 'disc'), codes), self.disc_optimizer)

    return state.replace(networks={**state.networks, 'disc': create(key)})

  def judge(self, params, z):
    """Codes (batch, latent) -> logits (batch,)."""
    return self.discriminator.apply({'params': params}, z)

  def train_step(self, state, batch, key):
    """One minibatch: both networks are updated once.

    Args:
      state: State.
      batch: 'image' uint8 (batch, height, width, channels); optional 'noise_key'.
      key: PRNG key of this step (and device).

    Returns:
      (State, scalars): `loss`, `neg_elbo`, `distortion`, `rate`, `total_correlation` (the discriminator's estimate) and
        `loss_disc` in nats; `disc_accuracy` in [0, 1].
    """
    batch = {**self.random_inputs(batch, key), **batch}
    autoencoder, disc = state.networks['vae'], state.networks['disc']
    grads, (scalars, z) = jax.grad(self.penalized_loss, has_aux=True)(autoencoder.params, disc.params, batch)
    shuffled = disentanglement.permute_dimensions(stream(key, 'permutation'), z)

    def disc_loss(params):
      joint, product = self.judge(params, z), self.judge(params, shuffled)
      accuracy = 0.5 * (jnp.mean(joint > 0, dtype=jnp.float32) + jnp.mean(product < 0, dtype=jnp.float32))
      loss = disentanglement.density_ratio_loss(joint, product)
      return loss, {'loss_disc': loss, 'disc_accuracy': accuracy}

    disc_grads, disc_scalars = jax.grad(disc_loss, has_aux=True)(disc.params)

    disc = disc.update(self.disc_optimizer, disc_grads, disc.batch_stats)
    return self.updated(state, grads, disc=disc), {**scalars, **disc_scalars}

  def penalized_loss(self, params, disc_params, batch):
    """Negative ELBO + tc_weight * total correlation; returns (loss, (scalars, codes (batch, latent)))."""
    bound = self.bound(params, batch, self.options.objective.samples)
    scalars, z = bound.scalars(), bound.z[0]
    tc = disentanglement.density_ratio_tc(self.judge(disc_params, z))
    loss = scalars['neg_elbo'] + self.options.objective.tc_weight * tc
    return loss, ({'loss': loss, **scalars, 'total_correlation': tc}, z)
