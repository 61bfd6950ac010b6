"""The loss of a classifier, an image at a time."""

import jax
import jax.numpy as jnp


def cross_entropy(logits, labels, smoothing=0.0):
  """Returns the cross-entropy (batch,) in nats between smoothed labels and class probabilities.

  The target is 1 - smoothing at the label plus smoothing / C at every class (Szegedy et al. 2016, section 7).

  Args:
    logits: floats (batch, C).
    labels: integers (batch,), 0 to C - 1.
    smoothing: in [0, 1).
  """
  log_p = jax.nn.log_softmax(logits)
  of_label = jnp.take_along_axis(log_p, labels[:, None], axis=-1)[:, 0]
  return -(1 - smoothing) * of_label - smoothing * jnp.mean(log_p, axis=-1)
