"""KL terms with hand-computed values."""
import inspect

import jax.numpy as jnp
import numpy as np
import pytest

from configs import base
from deconv.errors import UserError
from deconv.objectives import elbo
from deconv.objectives.likelihoods import LIKELIHOODS
from deconv.objectives.regularizers import REGULARIZERS

# KL of the latents: mean^2 / 2 with unit variance, that is (2, 0.5) and (0, 0.5); their means over the batch (1, 0.5).
POSTERIOR = elbo.Posterior(jnp.array([[2., 1.], [0., -1.]]), jnp.zeros((2, 2)))


def penalty(name, step=0, **fields):
  value, scalars = REGULARIZERS[name](**fields)(POSTERIOR, POSTERIOR.mean, jnp.int32(step))
  return float(value), {name: float(x) for name, x in scalars.items()}


@pytest.mark.parametrize('fields, step, expected', [
    ({}, 0, 1.5),
    ({'beta': 4.}, 0, 6.0),
    ({'free_bits': 0.75}, 0, 1.75),           # 1 + 0.75
    ({'free_bits': 0.25}, 0, 1.5),            # both above
    ({'warmup_steps': 10}, 0, 0.0),
    ({'warmup_steps': 10, 'beta': 2.}, 5, 1.5),
    ({'warmup_steps': 10}, 1000, 1.5),
])
def test_weighted_kl(fields, step, expected):
  assert penalty('elbo', step, **fields)[0] == pytest.approx(expected)


@pytest.mark.parametrize('step, expected, target', [(0, 15., 0.), (25, 5., 1.), (75, 15., 3.), (1000, 25., 4.)])
def test_capacity_pulls_the_kl_to_a_rising_target(step, expected, target):
  value, scalars = penalty('capacity', step, gamma=10., capacity_nats=4., capacity_steps=100)
  assert value == pytest.approx(expected) and scalars['capacity'] == pytest.approx(target)


def test_mistakes():
  with pytest.raises(UserError, match='beta=-1'):
    REGULARIZERS['elbo'](beta=-1.)
  with pytest.raises(UserError, match='capacity_steps'):
    REGULARIZERS['capacity'](capacity_steps=0)


def test_config_fields_are_those_of_the_builders():
  """A field that no builder names would be dead, and one whose default differs would be refused as set without effect.
  """
  fields = {name: parameter.default for table in (REGULARIZERS, LIKELIHOODS) for builder in table.values()
            for name, parameter in inspect.signature(builder).parameters.items()}
  known = dict(base.OBJECTIVES['vae'])
  for name in ('name', 'likelihood', 'samples'):
    known.pop(name)
  assert set(fields) <= set(known)
  assert {name: known[name] for name in fields} == fields
