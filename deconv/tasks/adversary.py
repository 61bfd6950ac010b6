"""The step of a discriminator, for every task that has one."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


class Seen(NamedTuple):
  """What a discriminator said of the two halves of a minibatch.

  Attributes:
    real, fake: logits (batch,).
    collections: its variables besides the parameters afterwards, see deconv.tasks.state.NetworkState.collections.
    real_heads, fake_heads: {name: array (batch, ...)}, what else it said; None where it says nothing else.
  """

  real: Any
  fake: Any
  collections: Any
  real_heads: Any = None
  fake_heads: Any = None


class Gradient(NamedTuple):
  """The gradient of a discriminator's loss on a minibatch.

  Attributes:
    grads: pytree like the parameters.
    seen: Seen.
    scalars: {'loss_disc', 'accuracy_real', 'accuracy_fake', and what was added}, float32 scalars; 'loss_disc' without
      what was added; accuracies in [0, 1].
  """

  grads: Any
  seen: Seen
  scalars: dict


def apart(judge, params, collections, reals, fakes):
  """Shows a discriminator the reals, then the fakes, each as a batch of its own; its statistics follow both.

  Args:
    judge: (params, collections, images) -> ((batch,) logits, new collections), in training mode.
    params, collections: of the discriminator.
    reals, fakes: float (batch, height, width, channels) in [-1, 1].

  Returns:
    Seen.
  """
  real, collections = judge(params, collections, reals)
  fake, collections = judge(params, collections, fakes)
  return Seen(real, fake, collections)


def gradient(
  params, look, objective, *, mean: Callable = jnp.mean, extra: Callable = lambda params, seen: {}
) -> Gradient:
  """Differentiates a discriminator's loss on a minibatch.

  Args:
    params: of the discriminator.
    look: params -> Seen, in training mode.
    objective: deconv.objectives.gan.Objective.
    mean: logits (batch,) -> their mean over the whole batch, on all devices.
    extra: (params, Seen) -> {name: scalar}, losses that are added.
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

  grads, (seen, scalars) = jax.grad(loss_fn, has_aux=True)(params)
  return Gradient(grads, seen, scalars)


def update_discriminator(disc, look, objective, optimizer):
  """One step of the discriminator; see `gradient`.

  Returns:
    (NetworkState, scalars).
  """
  found = gradient(disc.params, look, objective)
  disc = disc.update(optimizer, found.grads, found.seen.collections['batch_stats'])
  return disc, found.scalars
