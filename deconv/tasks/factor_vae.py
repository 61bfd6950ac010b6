"""FactorVAE (Kim & Mnih 2018): a variational autoencoder whose total correlation a second network estimates.

The discriminator tells codes z ~ q(z) from codes whose coordinates are shuffled over the minibatch; its mean logit on
the former is the estimate, which the encoder pays for with a weight of `tc_weight` (gamma of the paper). Both networks
move at the old parameters of the other. The shuffled codes are those of the same minibatch, as in disentanglement_lib;
algorithm 2 of the paper encodes a second one for them. Under pmap the minibatch is the share of a device.
"""
import jax
import jax.numpy as jnp

from deconv.errors import UserError
from deconv.models.latent_discriminator import LatentDiscriminator
from deconv.objectives import disentanglement, elbo
from deconv.tasks import vae
from deconv.rng import stream
from deconv.tasks.state import NetworkState

_OWN = 'tc_weight', 'disc_learning_rate_scale', 'disc_hidden', 'disc_depth'


def build(config, make_optimizer, batch_norm_axis=None):
  """Returns the FactorVae task of a whole config; see deconv/tasks/__init__.py for the arguments.

  Raises:
    UserError: see deconv.tasks.vae.task_options; also a field out of range.
  """
  del batch_norm_axis  # no batch norm
  objective = config.objective
  if objective.name != 'elbo':
    raise UserError(f"objective.name='{objective.name}' is not for task='factor_vae'; set it to elbo")
  for field, least in (('tc_weight', 0), ('disc_hidden', 1), ('disc_depth', 1)):
    if not objective[field] >= least:
      raise UserError(f'objective.{field}={objective[field]} must be at least {least}; change it')
  discriminator = LatentDiscriminator(objective.disc_hidden, objective.disc_depth)
  optimizer, weight = make_optimizer(objective.disc_learning_rate_scale), objective.tc_weight
  config = config.copy_and_resolve_references()
  with config.unlocked():
    for field in _OWN:
      del config.objective[field]
  return FactorVae(discriminator=discriminator, disc_optimizer=optimizer, tc_weight=weight,
                   **vae.task_options(config, make_optimizer, {'elbo': _elbo}))


def _elbo():
  """The KL divergence with weight 1; the total correlation is added by the task."""


class FactorVae(vae.Vae):
  """Trains networks 'vae' (params {'encoder', 'decoder'}) and 'disc'; a Task (deconv/tasks/task.py)."""
  loss_names = ('loss', 'loss_disc')

  def __init__(self, networks, *, discriminator, disc_optimizer, tc_weight, **options):
    """Makes the task.

    Args:
      networks: (encoder, decoder).
      discriminator: Linen module, codes (batch, latent) -> logits (batch,).
      disc_optimizer: its optax transformation.
      tc_weight: weight of the total correlation.
      **options: of deconv.tasks.vae.Vae.
    """
    super().__init__(networks, **options)
    self.discriminator = discriminator
    self.disc_optimizer = disc_optimizer
    self.tc_weight = tc_weight

  def init(self, key, batch):
    """Returns the State at step 0; batch['image'] (n >= 1, height, width, channels) gives the shape."""
    state = super().init(key, batch)
    codes = jax.ShapeDtypeStruct((2, self.prior.size), jnp.float32)

    @jax.jit
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
    batch = {**self.draw(batch, key), **batch}
    autoencoder, disc = state.networks['vae'], state.networks['disc']
    grads, (scalars, z) = jax.grad(self.penalized_loss, has_aux=True)(autoencoder.params, disc.params, batch)
    shuffled = disentanglement.permute_dimensions(stream(key, 'permutation'), z)

    def disc_loss(params):
      joint, product = self.judge(params, z), self.judge(params, shuffled)
      accuracy = 0.5 * (jnp.mean(joint > 0) + jnp.mean(product < 0))
      loss = disentanglement.density_ratio_loss(joint, product)
      return loss, {'loss_disc': loss, 'disc_accuracy': accuracy}
    disc_grads, disc_scalars = jax.grad(disc_loss, has_aux=True)(disc.params)

    autoencoder = autoencoder.update(self.optimizer, grads, autoencoder.batch_stats).average(self.ema_decay, state.step)
    disc = disc.update(self.disc_optimizer, disc_grads, disc.batch_stats)
    return (state.replace(step=state.step + 1, networks={'vae': autoencoder, 'disc': disc}),
            {**scalars, **disc_scalars})

  def penalized_loss(self, params, disc_params, batch):
    """Negative ELBO + tc_weight * total correlation; returns (loss, (scalars, codes (batch, latent)))."""
    keys = jax.random.wrap_key_data(batch['noise_key'])
    targets = self.targets(batch, keys)
    posterior = self.encode(params, self.likelihood.inputs(targets))
    z = elbo.reparameterize(posterior, self.noise(keys, 'latent', self.samples))
    distortion = -jnp.mean(self.likelihood.log_prob(self.decode(params, z), targets))
    rate = jnp.mean(jnp.sum(elbo.kl_standard_normal(posterior), axis=-1))
    tc = disentanglement.density_ratio_tc(self.judge(disc_params, z[0]))
    loss = distortion + rate + self.tc_weight * tc
    return loss, ({'loss': loss, 'neg_elbo': distortion + rate, 'distortion': distortion, 'rate': rate,
                   'total_correlation': tc}, z[0])
