"""The three networks of the whole-step benchmark are the same network."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest

from deconv import layers
from scripts import benchmark_ops, benchmark_train


def sizes(up, down):
  gen = jax.eval_shape(benchmark_train.Generator(up).init, jax.random.key(0), jnp.zeros((2, 100)))
  disc = jax.eval_shape(benchmark_train.Discriminator(down).init, jax.random.key(0), jnp.zeros((2, 64, 64, 3)))
  return [sum(leaf.size for leaf in jax.tree.leaves(v['params'])) for v in (gen, disc)]


def test_networks_have_the_published_sizes():
  # The networks of the PyTorch examples: 3,576,704 and 2,765,568 parameters.
  assert sizes(layers.ConvTranspose, layers.Conv) == [3576704, 2765568]
  assert sizes(nn.ConvTranspose, nn.Conv) == [3576704, 2765568]


def test_torch_step_has_the_same_sizes():
  if not benchmark_ops.installed('torch'):
    pytest.skip('PyTorch is not installed: no step of it to compare with')
  step = benchmark_train.torch_dcgan64(2)
  networks = dict(zip(step.__code__.co_freevars, (c.cell_contents for c in step.__closure__)))
  count = lambda m: sum(p.numel() for p in m.parameters())
  assert [count(networks['gen']), count(networks['disc'])] == [3576704, 2765568]
