"""Losses of generative adversarial networks, an example at a time, on logits.

A discriminator's logit l means p(real) = sigmoid(l); -log sigmoid(l) = softplus(-l) and -log(1 - sigmoid(l)) =
softplus(l), which neither overflow nor saturate in float32, where the log of a rounded probability would. Losses are
in nats.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax


class Objective(NamedTuple):
  """The two losses of a game, both to be minimised and averaged over the batch by the caller.

  Attributes:
    disc: (logits of real images (batch,), logits of generated images (batch,)) -> loss of the discriminator (batch,).
    gen: logits of generated images (batch,) -> loss of the generator (batch,).
  """

  disc: Callable
  gen: Callable


def cross_entropy(real_logits, fake_logits):
  """-log D(x) - log(1 - D(G(z))): Goodfellow et al. 2014, equation 1 with the sign turned."""
  return jax.nn.softplus(-real_logits) + jax.nn.softplus(fake_logits)


def non_saturating(fake_logits):
  """-log D(G(z)): Goodfellow et al. 2014, section 3, "rather than training G to minimize log(1 - D(G(z)))"."""
  return jax.nn.softplus(-fake_logits)


def minimax(fake_logits):
  """log(1 - D(G(z))): the value function of Goodfellow et al. 2014, equation 1; no gradient where D is sure."""
  return -jax.nn.softplus(fake_logits)


OBJECTIVES = {'non_saturating': Objective(cross_entropy, non_saturating), 'minimax': Objective(cross_entropy, minimax)}
