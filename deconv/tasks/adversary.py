"""The step of a discriminator, for every task that has one."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


class Seen(NamedTuple):
  """What a discriminator said of the two halves of a minibatch.

  Attributes:
    real, fake: logits (batch,).
    batch_stats: its running statistics afterwards.
  """

  real: Any
  fake: Any
  batch_stats: Any


def apart(judge, params, batch_stats, reals, fakes):
  """Shows a discriminator the reals, then the fakes, each as a batch of its own; its statistics follow both.

  Args:
    judge: (params, batch_stats, images, 'real' or 'fake') -> ((batch,) logits, new batch_stats), in training mode.
    params, batch_stats: of the discriminator.
    reals, fakes: float (batch, height, width, channels) in [-1, 1].

  Returns:
    Seen.
  """
  real, batch_stats = judge(params, batch_stats, reals, 'real')
  fake, batch_stats = judge(params, batch_stats, fakes, 'fake')
  return Seen(real, fake, batch_stats)


def update_discriminator(
  disc, look, objective, optimizer, *, mean: Callable = jnp.mean, extra: Callable = lambda params, seen: {}
):
  """One step of the discriminator.

  Args:
    disc: NetworkState.
    look: params -> Seen, in training mode.
    objective: deconv.objectives.gan.Objective.
    optimizer: optax transformation.
    mean: logits (batch,) -> their mean over the whole batch, on all devices.
    extra: (params, Seen) -> {name: scalar}, losses that are added.

  Returns:
    (NetworkState, Seen, {'loss_disc', 'accuracy_real', 'accuracy_fake', and those of `extra`}), float32 scalars;
    'loss_disc' without what `extra` adds; accuracies in [0, 1].
  """

  def loss_fn(params):
    seen = look(params)
    means = mean(seen.real), mean(seen.fake)
    loss = jnp.mean(objective.disc_loss(seen.real, seen.fake, means))
    added = extra(params, seen)
    middle = objective.middle(means)
    scalars = {
      'loss_disc': loss,
      'accuracy_real': jnp.mean(seen.real > middle, dtype=jnp.float32),
      'accuracy_fake': jnp.mean(seen.fake < middle, dtype=jnp.float32),
    }
    return sum(added.values(), loss), (seen, {**scalars, **added})

  grads, (seen, scalars) = jax.grad(loss_fn, has_aux=True)(disc.params)
  return disc.update(optimizer, grads, seen.batch_stats), seen, scalars
