"""KL terms with hand-computed values, and which fields of the options have an effect."""

import jax
import jax.numpy as jnp
import pytest

from deconv.errors import UserError
from deconv.objectives import elbo
from deconv.objectives.likelihoods import LIKELIHOODS
from deconv.objectives.regularizers import REGULARIZERS
from deconv.options.objectives.vae import VaeObjective
from deconv.options.options import kinds

# KL of the latents: mean^2 / 2 with unit variance, that is (2, 0.5) and (0, 0.5); their means over the batch (1, 0.5).
POSTERIOR = elbo.Posterior(jnp.array([[2.0, 1.0], [0.0, -1.0]]), jnp.zeros((2, 2)))


def penalty(name, step=0, **fields):
  value, scalars = REGULARIZERS[name](VaeObjective(name=name, **fields))(POSTERIOR, POSTERIOR.mean, jnp.int32(step))
  return float(value), {name: float(x) for name, x in scalars.items()}


@pytest.mark.parametrize(
  'fields, step, expected',
  [
    ({}, 0, 1.5),
    ({'beta': 4.0}, 0, 6.0),
    ({'free_bits': 0.75}, 0, 1.75),  # 1 + 0.75
    ({'free_bits': 0.25}, 0, 1.5),  # both above
    ({'warmup_steps': 10}, 0, 0.0),
    ({'warmup_steps': 10, 'beta': 2.0}, 5, 1.5),
    ({'warmup_steps': 10}, 1000, 1.5),
  ],
)
def test_weighted_kl(fields, step, expected):
  assert penalty('elbo', step, **fields)[0] == pytest.approx(expected)


@pytest.mark.parametrize('step, expected, target', [(0, 15.0, 0.0), (25, 5.0, 1.0), (75, 15.0, 3.0), (1000, 25.0, 4.0)])
def test_capacity_pulls_the_kl_to_a_rising_target(step, expected, target):
  value, scalars = penalty('capacity', step, gamma=10.0, capacity_nats=4.0, capacity_steps=100)
  assert value == pytest.approx(expected) and scalars['capacity'] == pytest.approx(target)


def test_mistakes():
  with pytest.raises(UserError, match='beta=-1'):
    VaeObjective(beta=-1.0)
  with pytest.raises(UserError, match='capacity_steps'):
    VaeObjective(name='capacity', capacity_steps=0)


class Recorder:
  """Options that note which of their fields are read."""

  def __init__(self, options):
    self.options, self.read = options, set()

  def __getattr__(self, field):
    self.read.add(field)
    return getattr(self.options, field)


def with_effect(choice, value):
  """The fields that, by the options, have an effect with this value of the field `choice`."""
  return {field for field, choices in VaeObjective.EFFECT.items() if value in choices.get(choice, ())}


@pytest.mark.parametrize('name', sorted(REGULARIZERS))
def test_fields_of_regularizers_are_those_that_the_options_say(name):
  """A field that nobody reads would be dead; one that is read and may not be set would be refused."""
  options = Recorder(VaeObjective(name=name))
  jax.eval_shape(REGULARIZERS[name](options), POSTERIOR, POSTERIOR.mean, jnp.int32(0))
  assert options.read == with_effect('name', name)


@pytest.mark.parametrize('name', sorted(LIKELIHOODS))
def test_fields_of_likelihoods_are_those_that_the_options_say(name):
  options = Recorder(VaeObjective(likelihood=name, binarization='grey'))
  LIKELIHOODS[name](options)
  own_check = {'binarization'} if name == 'bernoulli' else set()
  assert options.read == with_effect('likelihood', name) | own_check


def test_no_field_is_dead():
  tables = (('name', REGULARIZERS), ('likelihood', LIKELIHOODS))
  for_someone = set().union(*(with_effect(choice, value) for choice, table in tables for value in table))
  of_every_bound = {'name', 'likelihood', 'binarization', 'samples'}
  assert for_someone | of_every_bound == set(kinds(VaeObjective))
