"""The step of a discriminator, for every task that has one."""

import jax
import jax.numpy as jnp


def update_discriminator(disc, judge, objective, optimizer, reals, fakes):
  """One step of the discriminator; it sees the reals first, and its statistics follow both batches in that order.

  Args:
    disc: NetworkState.
    judge: (params, batch_stats, images, 'real' or 'fake') -> ((batch,) logits, new batch_stats), in training mode.
    objective: deconv.objectives.gan.Objective.
    optimizer: optax transformation.
    reals, fakes: float (batch, height, width, channels) in [-1, 1].

  Returns:
    (NetworkState, {'loss_disc', 'accuracy_real', 'accuracy_fake'}), float32 scalars; accuracies in [0, 1].
  """

  def loss_fn(params):
    real_logits, stats = judge(params, disc.batch_stats, reals, 'real')
    fake_logits, stats = judge(params, stats, fakes, 'fake')
    loss = jnp.mean(objective.disc(real_logits, fake_logits))
    return loss, (
      stats,
      {
        'loss_disc': loss,
        'accuracy_real': jnp.mean(real_logits > 0, dtype=jnp.float32),
        'accuracy_fake': jnp.mean(fake_logits < 0, dtype=jnp.float32),
      },
    )

  grads, (stats, scalars) = jax.grad(loss_fn, has_aux=True)(disc.params)
  return disc.update(optimizer, grads, stats), scalars
