"""Optimizers against updates worked out by hand in float64, schedules against their formulas."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deconv.errors import UserError
from deconv.options import OptimizerOptions
from deconv.training import optimizers

PARAMS = np.array([1.0, -2.0, 3.0])
GRADS = [np.array([0.5, -1.0, 2.0]), np.array([-0.25, 0.5, 1.0]), np.array([1.0, 1.0, -1.0])]


def run(options, grads=GRADS, **kwargs):
  """Parameters after each of the updates."""
  optimizer = optimizers.make_optimizer(options, len(grads), **kwargs)
  params = jnp.asarray(PARAMS, jnp.float32)
  state, trace = optimizer.init(params), []
  for grad in grads:
    updates, state = optimizer.update(jnp.asarray(grad, jnp.float32), state, params)
    params = params + updates
    trace.append(np.asarray(params, np.float64))
  return trace


def adam(rate, beta1, beta2, eps, weight_decay=0.0, grads=GRADS):
  params, m, v, trace = PARAMS.copy(), 0.0, 0.0, []
  for t, grad in enumerate(grads, 1):
    m, v = beta1 * m + (1 - beta1) * grad, beta2 * v + (1 - beta2) * grad**2
    step = (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps)
    params = params - rate * (step + weight_decay * params)
    trace.append(params)
  return trace


def test_adam():
  options = OptimizerOptions(learning_rate=0.1, beta1=0.5, beta2=0.9, eps=0.01)
  np.testing.assert_allclose(run(options), adam(0.1, 0.5, 0.9, 0.01), rtol=1e-5)


def test_adamw_decays_decoupled():
  options = OptimizerOptions(name='adamw', learning_rate=0.1, beta1=0.5, beta2=0.9, eps=0.01, weight_decay=0.3)
  np.testing.assert_allclose(run(options), adam(0.1, 0.5, 0.9, 0.01, weight_decay=0.3), rtol=1e-5)


def test_sgd_with_momentum():
  options = OptimizerOptions(name='sgd', learning_rate=0.1, momentum=0.9)
  params, velocity, expected = PARAMS.copy(), 0.0, []
  for grad in GRADS:
    velocity = 0.9 * velocity + grad
    params = params - 0.1 * velocity
    expected.append(params)
  np.testing.assert_allclose(run(options), expected, rtol=1e-6)


@pytest.mark.parametrize('momentum', [0.0, 0.5])
def test_rmsprop_adds_eps_to_the_root(momentum):
  options = OptimizerOptions(name='rmsprop', learning_rate=0.1, beta2=0.9, eps=0.5, momentum=momentum)
  params, v, velocity, expected = PARAMS.copy(), 0.0, 0.0, []
  for grad in GRADS:
    v = 0.9 * v + 0.1 * grad**2
    velocity = momentum * velocity + grad / (np.sqrt(v) + 0.5)
    params = params - 0.1 * velocity
    expected.append(params)
  np.testing.assert_allclose(run(options), expected, rtol=1e-5)


def test_clip_then_l2_then_scaled_learning_rate():
  options = OptimizerOptions(name='sgd', learning_rate=0.1, clip_norm=1.0, l2=0.2)
  grad = GRADS[0]
  clipped = grad / np.sqrt(np.sum(grad**2))
  expected = PARAMS - 0.1 * 3.0 * (clipped + 0.2 * PARAMS)
  np.testing.assert_allclose(run(options, [grad], scale=3.0)[0], expected, rtol=1e-6)


def test_a_small_gradient_is_not_clipped():
  options = OptimizerOptions(name='sgd', learning_rate=0.1, clip_norm=100.0)
  np.testing.assert_allclose(run(options, GRADS[:1])[0], PARAMS - 0.1 * GRADS[0], rtol=1e-6)


def rates(total=100, **fields):
  schedule = optimizers.learning_rate(OptimizerOptions(learning_rate=1.0, **fields), total)
  return [float(schedule(i)) for i in range(total + 1)]


@pytest.mark.parametrize(
  'fields, after_warmup',
  [
    (dict(schedule='constant'), lambda i: 1.0),
    (dict(schedule='linear', final_scale=0.2), lambda i: 1 - 0.8 * i / 90),
    (dict(schedule='linear', decay_steps=30), lambda i: max(0.0, 1 - i / 30)),
    (dict(schedule='cosine', final_scale=0.1), lambda i: 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * i / 90))),
    (dict(schedule='cosine', decay_steps=30), lambda i: 0.5 * (1 + math.cos(math.pi * min(i, 30) / 30))),
    (dict(schedule='step', decay_steps=20, decay_rate=0.5), lambda i: 0.5 ** (i // 20)),
  ],
)
def test_schedules_after_their_warmup(fields, after_warmup):
  expected = [i / 10 for i in range(10)] + [after_warmup(i) for i in range(91)]
  np.testing.assert_allclose(rates(warmup_steps=10, **fields), expected, atol=1e-6)


def test_schedule_without_warmup_starts_at_the_peak_and_ends_at_the_last_step():
  values = rates(schedule='linear')
  assert values[0] == 1.0 and values[100] == 0.0 and values[99] == pytest.approx(0.01)


def test_the_optimizer_follows_the_schedule():
  options = OptimizerOptions(name='sgd', learning_rate=1.0, schedule='linear')
  ones = [np.ones(3)] * 4
  expected = PARAMS - np.cumsum([1.0, 0.75, 0.5, 0.25])[:, None]
  np.testing.assert_allclose(run(options, ones), expected, rtol=1e-6)


def test_depends_on_total():
  assert OptimizerOptions(schedule='cosine').depends_on_total
  assert not OptimizerOptions(schedule='cosine', decay_steps=10).depends_on_total
  assert not OptimizerOptions().depends_on_total


@pytest.mark.parametrize(
  'fields, says',
  [
    (dict(name='adma'), "did you mean 'adam'"),
    (dict(schedule='cosin'), "did you mean 'cosine'"),
    (dict(name='adam', weight_decay=0.1), 'weight_decay=0.1 has no effect'),
    (dict(name='adam', momentum=0.9), 'only with rmsprop, sgd'),
    (dict(name='sgd', beta1=0.9), 'leave it at 0.5'),
    (dict(schedule='constant', decay_steps=5), 'decay_steps=5 has no effect'),
    (dict(schedule='linear', decay_rate=0.5), 'only with step'),
    (dict(schedule='step'), 'needs optimizer.decay_steps'),
    (dict(schedule='linear', warmup_steps=10), 'leaves nothing of a run of 10 steps'),
    (dict(learning_rate=0.0), 'must be above 0'),
    (dict(beta2=1.0), 'below 1'),
    (dict(clip_norm=-1.0), 'must not be negative'),
  ],
)
def test_mistakes_are_told_in_one_sentence(fields, says):
  with pytest.raises(UserError, match=says) as error:
    optimizers.make_optimizer(OptimizerOptions(**fields), 10)
  assert '\n' not in str(error.value)


def test_every_field_is_used_by_something():
  """Changing any field changes the update of an optimizer that uses it."""
  base_fields = {
    'beta1': 'adam',
    'beta2': 'adam',
    'eps': 'adam',
    'momentum': 'sgd',
    'weight_decay': 'adamw',
    'l2': 'sgd',
    'clip_norm': 'sgd',
    'learning_rate': 'sgd',
  }
  for field, name in base_fields.items():
    options = OptimizerOptions(name=name)
    changed = dataclasses.replace(options, **{field: 0.123})
    assert not np.allclose(run(options)[-1], run(changed)[-1], rtol=1e-7, atol=0), field


def test_state_is_a_pytree_of_arrays():
  optimizer = optimizers.make_optimizer(OptimizerOptions(clip_norm=1.0, l2=0.1), 10)
  assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(optimizer.init(jnp.zeros(3))))
