"""The classifier's loss by hand and against scikit-learn and optax."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from sklearn.metrics import log_loss

from deconv.objectives.classification import cross_entropy

LOGITS = np.array([[0.0, 0.0, 0.0], [2.0, -1.0, 0.5], [-3.0, 4.0, 1.0]])
LABELS = np.array([0, 2, 1])


def test_by_hand():
  # Two classes with probabilities 3/4 and 1/4; a fifth of the target is spread: 9/10 and 1/10.
  (loss,) = cross_entropy(jnp.log(jnp.array([[3.0, 1.0]])), jnp.array([1]), 0.2)
  assert loss == pytest.approx(-0.9 * np.log(0.25) - 0.1 * np.log(0.75), rel=1e-6)


def test_without_smoothing_it_is_scikit_learns():
  shares = np.exp(LOGITS) / np.exp(LOGITS).sum(-1, keepdims=True)
  found = cross_entropy(jnp.asarray(LOGITS, jnp.float32), jnp.asarray(LABELS))
  assert np.mean(found) == pytest.approx(log_loss(LABELS, shares, labels=range(3)), rel=1e-6)


@pytest.mark.parametrize('smoothing', [0.0, 0.1, 0.7])
def test_value_and_gradient_are_those_of_optax(smoothing):
  def expected(logits):
    targets = optax.smooth_labels(jax.nn.one_hot(jnp.asarray(LABELS), 3), smoothing)
    return optax.softmax_cross_entropy(logits, targets)

  logits = jnp.asarray(LOGITS, jnp.float32)
  found = cross_entropy(logits, jnp.asarray(LABELS), smoothing)
  np.testing.assert_allclose(found, expected(logits), rtol=1e-5)
  slopes = [
    jax.grad(lambda x, f=f: f(x).sum())(logits) for f in (expected, lambda x: cross_entropy(x, LABELS, smoothing))
  ]
  np.testing.assert_allclose(*slopes, atol=1e-6)


def test_sure_and_wrong_is_finite():
  assert cross_entropy(jnp.array([[1e4, -1e4]]), jnp.array([1]), 0.1)[0] == pytest.approx(19000.0)
