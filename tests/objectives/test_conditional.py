"""Classes and codes by hand."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

from deconv.objectives import conditional


def test_classification_by_hand():
  logits = jnp.log(jnp.array([[1.0, 2, 1], [6, 1, 1]]))
  cost = conditional.classification(logits, jnp.array([1, 2]))
  np.testing.assert_allclose(cost, [math.log(2), math.log(8)], rtol=1e-6)


def test_codes_by_hand():
  said = [jnp.log(jnp.array([[1.0, 3]])), jnp.log(jnp.array([[1.0, 1, 2]]))]
  codes = [jnp.array([[0.0, 1]]), jnp.array([[1.0, 0, 0]])]
  assert float(conditional.categorical_codes(said, codes)[0]) == pytest.approx(math.log(4 / 3) + math.log(4))
  cost = conditional.continuous_codes(jnp.array([[1.0, -1.0]]), jnp.array([[0.0, 1.0]]))
  assert float(cost[0]) == pytest.approx(0.5 * (1 + 4))
