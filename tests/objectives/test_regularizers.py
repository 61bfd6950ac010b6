"""KL terms with hand-computed values."""
import jax.numpy as jnp
import numpy as np
import pytest

from deconv.errors import UserError
from deconv.objectives import elbo
from deconv.objectives.regularizers import REGULARIZERS
from deconv.options.objectives import vae
from deconv.options.objectives.vae import VaeObjective

# KL of the latents: mean^2 / 2 with unit variance, that is (2, 0.5) and (0, 0.5); their means over the batch (1, 0.5).
POSTERIOR = elbo.Posterior(jnp.array([[2., 1.], [0., -1.]]), jnp.zeros((2, 2)))


def penalty(name, step=0, **fields):
  value, scalars = REGULARIZERS[name](VaeObjective(name=name, **fields))(POSTERIOR, POSTERIOR.mean, jnp.int32(step))
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
    VaeObjective(beta=-1.)
  with pytest.raises(UserError, match='capacity_steps'):
    VaeObjective(name='capacity', capacity_steps=0)


# Where each field that not all of them take has an effect, as (field, a value, choice, names).
EFFECTS = [
    ('beta', 2., 'name', ('elbo', 'beta_tc')), ('warmup_steps', 5, 'name', ('elbo',)),
    ('free_bits', 50., 'name', ('elbo',)), ('gamma', 5., 'name', ('capacity',)),
    ('capacity_nats', 5., 'name', ('capacity',)), ('capacity_steps', 5, 'name', ('capacity',)),
    ('dataset_size', 9, 'name', ('beta_tc',)), ('dip_off_diagonal', 5., 'name', ('dip_i', 'dip_ii')),
    ('dip_diagonal', 5., 'name', ('dip_i', 'dip_ii')), ('binarization_seed', 3, 'likelihood', ('bernoulli',)),
    ('noise_scale', 0.2, 'likelihood', ('gaussian_fixed',)), ('mixtures', 3, 'likelihood', ('logistic_mixture',))]
CHOICES = {'name': vae.BOUNDS, 'likelihood': vae.LIKELIHOODS}


@pytest.mark.parametrize('field, value, choice, names', EFFECTS, ids=lambda x: x if isinstance(x, str) else '')
def test_a_field_is_refused_wherever_nothing_reads_it(field, value, choice, names):
  default = getattr(VaeObjective, field)
  for name in CHOICES[choice]:
    fields = {choice: name, 'binarization': 'grey', field: value}
    if name in names:
      assert getattr(VaeObjective(**fields), field) == value
      continue
    users = ' or '.join(f"objective.{choice}='{user}'" for user in names)
    with pytest.raises(UserError) as error:
      VaeObjective(**fields)
    assert str(error.value) == (f'objective.{field}={value} has no effect here (only with {users}); leave it at '
                                f'{default}')
    VaeObjective(**{**fields, field: default})


def test_a_field_with_an_effect_changes_the_penalty():
  """What EFFECTS says of the regularizers is what they do: no field that they read is one that the options refuse."""
  z, far = POSTERIOR.mean + 0.3, elbo.Posterior(3 * POSTERIOR.mean, POSTERIOR.log_variance - 1)
  for field, value, choice, names in EFFECTS:
    if choice == 'name':
      for name in names:
        base = {'beta': 3.} if field == 'dataset_size' else {}
        plain, other = (REGULARIZERS[name](VaeObjective(name=name, **base, **fields))(far, z, jnp.int32(3))[0]
                        for fields in ({}, {field: value}))
        assert not np.isclose(plain, other, rtol=1e-6), (field, name)
