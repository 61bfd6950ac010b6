"""Losses of generative adversarial networks, an example at a time, on logits.

A discriminator's logit l means p(real) = sigmoid(l); -log sigmoid(l) = softplus(-l) and -log(1 - sigmoid(l)) =
softplus(l), which neither overflow nor saturate in float32, where the log of a rounded probability would. Losses of
probabilities are in nats. A critic's logit is a score without a unit.

A relativistic game judges differences: C(x) - E C(G(z)) and C(G(z)) - E C(x) take the place of the logits
(Jolicoeur-Martineau 2018, section 4), and reals are in the generator's loss too. The two means are the caller's
business: in training those of the minibatch over all devices, through which the gradient flows, in evaluation running
ones, so that the loss of an example does not depend on its neighbours.
"""

from collections.abc import Callable
import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from deconv.errors import UserError


class Objective(NamedTuple):
  """The two losses of a game, both to be minimised and averaged over the batch by the caller.

  Attributes:
    disc: (logits of real images (batch,), logits of generated images (batch,)) -> loss of the discriminator (batch,).
    gen: logits of generated images (batch,) -> loss of the generator (batch,). Where `relativistic`: (logits of
      generated images, logits of real images) -> the same.
    relativistic: whether both take logits minus the mean of the other side's: see `centred`.
    boundary: the logit at which an image is as likely real as generated; None where only differences mean something.
    has_labels: whether `disc` compares with a label of the reals, which may be smoothed.
    constants: losses of a discriminator that says the same of every image (but for one of scores without a zero), and
      of one that is past the margins of a hinge everywhere: where a training sits still.
    probabilities: whether the sigmoid of a logit is the probability that the image is real.
  """

  disc: Callable
  gen: Callable
  relativistic: bool = False
  boundary: float | None = 0.0
  has_labels: bool = False
  constants: tuple[float, ...] = ()
  probabilities: bool = False

  def disc_loss(self, real, fake, means):
    """Returns the discriminator's loss (batch,) of logits (batch,), whose means over the whole batch are given."""
    return self.disc(*self.centred(real, fake, means))

  def gen_loss(self, real, fake, means):
    """Returns the generator's loss (batch,); only a relativistic game looks at `real` and `means`."""
    if not self.relativistic:
      return self.gen(fake)
    real, fake = self.centred(real, fake, means)
    return self.gen(fake, real)

  def prior(self, fake, means):
    """Returns how little like a real image each generated one looks (batch,), for a search of the latent.

    log(1 - D(G(z))) where D is a probability (Yeh et al. 2017, section 3.2), else the generator's loss, in which the
    mean of the reals takes the place of the reals.
    """
    if self.probabilities:
      return minimax(fake)
    return self.gen_loss(jnp.full_like(fake, means[0]), fake, means)

  def centred(self, real, fake, means):
    """Returns the logits that the losses take; `means` are those of the reals and of the generated images."""
    if not self.relativistic:
      return real, fake
    return real - means[1], fake - means[0]

  def middle(self, means):
    """Returns the logit above which an image counts as taken for real; without `boundary` that between the means."""
    return (means[0] + means[1]) / 2 if self.boundary is None else self.boundary

  def smoothed(self, amount):
    """Returns the game whose reals have the label 1 - amount (Salimans et al. 2016, section 3.4, one-sided).

    Raises:
      UserError: a game without labels.
    """
    if not amount:
      return self
    if not self.has_labels:
      raise UserError(
        'this objective compares with no label that could be smoothed; set objective.label_smoothing to 0'
      )
    return self._replace(disc=functools.partial(self.disc, smoothing=amount))


# Games of probabilities.


def cross_entropy(real_logits, fake_logits, smoothing=0.0):
  """-log D(x) - log(1 - D(G(z))): Goodfellow et al. 2014, equation 1 with the sign turned.

  With smoothing s the label of the reals is 1 - s: -(1 - s) log D(x) - s log(1 - D(x)).
  """
  return jax.nn.softplus(-real_logits) + smoothing * real_logits + jax.nn.softplus(fake_logits)


def non_saturating(fake_logits):
  """-log D(G(z)): Goodfellow et al. 2014, section 3, "rather than training G to minimize log(1 - D(G(z)))"."""
  return jax.nn.softplus(-fake_logits)


def minimax(fake_logits):
  """log(1 - D(G(z))): the value function of Goodfellow et al. 2014, equation 1; no gradient where D is sure."""
  return -jax.nn.softplus(fake_logits)


# Games of scores.


def wasserstein_disc(real_logits, fake_logits):
  """f(G(z)) - f(x): Arjovsky et al. 2017, algorithm 1. Bounded only by what keeps f Lipschitz."""
  return fake_logits - real_logits


def wasserstein_gen(fake_logits):
  """-f(G(z)): Arjovsky et al. 2017, algorithm 1; also the generator's side of the hinge game."""
  return -fake_logits


def least_squares_disc(real_logits, fake_logits, smoothing=0.0):
  """((D(x) - b)^2 + (D(G(z)) - a)^2) / 2 with a = 0, b = 1 - smoothing: Mao et al. 2017, equation 9."""
  return 0.5 * (jnp.square(real_logits - (1 - smoothing)) + jnp.square(fake_logits))


def least_squares_gen(fake_logits):
  """(D(G(z)) - c)^2 / 2 with c = 1: Mao et al. 2017, equation 9."""
  return 0.5 * jnp.square(fake_logits - 1)


def hinge_disc(real_logits, fake_logits):
  """max(0, 1 - D(x)) + max(0, 1 + D(G(z))): Miyato et al. 2018, equation 16."""
  return jax.nn.relu(1 - real_logits) + jax.nn.relu(1 + fake_logits)


def relativistic_least_squares(real_logits, fake_logits):
  """(C~(x) - 1)^2 + (C~(G(z)) + 1)^2, C~ the centred logit: Jolicoeur-Martineau 2018, appendix B.3 (RaLSGAN).

  The generator's loss is the same with the two sides exchanged, as in every relativistic average game.
  """
  return jnp.square(real_logits - 1) + jnp.square(fake_logits + 1)


_BLIND = 2 * math.log(2)  # cross entropy of probabilities of 1/2

OBJECTIVES = {
  'non_saturating': Objective(cross_entropy, non_saturating, has_labels=True, constants=(_BLIND,), probabilities=True),
  'minimax': Objective(cross_entropy, minimax, has_labels=True, constants=(_BLIND,), probabilities=True),
  'wasserstein': Objective(wasserstein_disc, wasserstein_gen, boundary=None, constants=(0.0,)),
  'lsgan': Objective(least_squares_disc, least_squares_gen, boundary=0.5, has_labels=True, constants=(0.25,)),
  'hinge': Objective(hinge_disc, wasserstein_gen, constants=(0.0, 2.0)),
  'ragan': Objective(
    cross_entropy, cross_entropy, relativistic=True, boundary=None, has_labels=True, constants=(_BLIND,)
  ),
  'ralsgan': Objective(
    relativistic_least_squares, relativistic_least_squares, relativistic=True, boundary=None, constants=(2.0,)
  ),
  'rahinge': Objective(hinge_disc, hinge_disc, relativistic=True, boundary=None, constants=(0.0, 2.0)),
}
