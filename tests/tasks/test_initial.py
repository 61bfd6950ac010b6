"""The state at step 0 is the same whether the host or a compiled program makes it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deconv import layers
from deconv.tasks import initial


def draws(key):
  """Values of every kind that a network starts with."""
  keys = [jax.random.fold_in(key, i) for i in range(5)]
  return {
    'small': layers.normal(0.02)(keys[0], (3, 3, 1, 2)),
    'large': layers.fan_in_normal(2.0)(keys[1], (3, 3, 64, 80)),  # more than one piece
    'around_one': layers.normal(0.02, mean=1.0)(keys[2], (40_000,)),
    'zeros': jnp.zeros((2, 3)),
    'copy': jnp.copy(jnp.ones((4,))),
    'step': jnp.zeros((), jnp.int32),
  }


def equal(one, other):
  assert jax.tree.structure(one) == jax.tree.structure(other)
  for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other)):
    assert a.dtype == b.dtype and a.shape == b.shape
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize('seed', [0, 7])
def test_the_numbers_are_those_of_the_compiled_program(seed, monkeypatch):
  key = jax.random.key(seed)
  expected = jax.jit(draws)(key)
  # An independent draw: JAX's own, of the kernel's size.
  alone = jax.jit(lambda key: 0.02 * jax.random.normal(key, (18,)))(jax.random.fold_in(key, 0))
  np.testing.assert_array_equal(expected['small'].ravel(), alone)
  evaluated = []
  apply = initial._apply
  monkeypatch.setattr(initial, '_apply', lambda *args: evaluated.append(args) or apply(*args))
  equal(initial.on_host(draws)(key), expected)
  assert evaluated


@pytest.mark.parametrize('kind', ['another operation', 'another kind of key', 'inside a trace'])
def test_what_the_host_cannot_do_is_compiled(kind):
  key = jax.random.key(3, impl='rbg' if kind == 'another kind of key' else None)

  def function(key):
    values = draws(key)
    if kind == 'another operation':
      values['sine'] = jnp.sin(jnp.ones(3))
    return values

  made = initial.on_host(function)
  equal((jax.jit(made) if kind == 'inside a trace' else made)(key), jax.jit(function)(key))


def test_no_two_arrays_share_memory():
  one, two = initial.on_host(lambda key: [(x := layers.normal(1.0)(key, (7,))), jnp.copy(x)])(jax.random.key(0))
  jax.jit(lambda x: x + 1, donate_argnums=0)(one)
  assert two.sum() == two.sum() and not two.is_deleted()
