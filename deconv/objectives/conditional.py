"""What a discriminator's other answers cost, an example at a time, in nats: the class of an image, and its codes."""

import jax
import jax.numpy as jnp


def classification(logits, labels):
  """-log p(label) (batch,) of logits (batch, classes) and labels int (batch,): Odena et al. 2017, equation 3."""
  return -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1)[:, 0]


def categorical_codes(said, codes):
  """-log Q(c | G(z, c)) of the categorical codes, summed over them: Chen et al. 2016, equation 5.

  Args:
    said: logits [(batch, values), ...].
    codes: one-hot vectors of the same shapes.

  Returns:
    (batch,); minus this, plus the entropy of the codes, is a lower bound of the mutual information.
  """
  return sum(-jnp.sum(code * jax.nn.log_softmax(logits), axis=-1) for logits, code in zip(said, codes))


def continuous_codes(said, codes):
  """-log Q(c | G(z, c)) of the continuous codes up to a constant: Q is normal with variance 1, as in the authors' code.

  Args:
    said: means (batch, codes).
    codes: (batch, codes).

  Returns:
    (batch,).
  """
  return 0.5 * jnp.sum(jnp.square(said - codes), axis=-1)
