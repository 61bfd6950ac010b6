"""The networks of the whole-step benchmark are the same network, and its rounds are run in processes of their own."""

import json

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest

from deconv import layers
from deconv.errors import UserError
from scripts import benchmark_ops, benchmark_train, dcgan64, train_steps


def sizes(up, down):
  gen = jax.eval_shape(dcgan64.Generator(up).init, jax.random.key(0), jnp.zeros((2, 100)))
  disc = jax.eval_shape(dcgan64.Discriminator(down).init, jax.random.key(0), jnp.zeros((2, 64, 64, 3)))
  return [sum(leaf.size for leaf in jax.tree.leaves(v['params'])) for v in (gen, disc)]


def test_networks_have_the_published_sizes():
  # The networks of the PyTorch examples: 3,576,704 and 2,765,568 parameters.
  assert sizes(layers.ConvTranspose, layers.Conv) == [3576704, 2765568]
  assert sizes(nn.ConvTranspose, nn.Conv) == [3576704, 2765568]


def test_torch_step_has_the_same_sizes():
  if not benchmark_ops.installed('torch'):
    pytest.skip('PyTorch is not installed: no step of it to compare with')
  from scripts.twins import gans

  networks = gans.Dcgan64(channels_last=False).networks
  count = lambda m: sum(p.numel() for p in m.parameters())
  assert [count(networks['gen']), count(networks['disc'])] == [3576704, 2765568]


def test_a_case_is_timed_in_a_process_of_its_own(capsys, tmp_path):
  path = tmp_path / 'steps.json'
  flags = ['--implementations=ours', '--processes=1', '--repeats=2', '--turn=0.02', '--json', f'--save={path}']
  benchmark_train.main(['--cases=vae_mlp', *flags])
  row = json.loads(capsys.readouterr().out.splitlines()[0])
  assert row['name'] == 'vae_mlp ours'
  assert row['ours_over_this'] == 1
  # 784-400-20 and back, as in the PyTorch examples.
  assert row['parameters'] == 784 * 400 + 400 + 400 * 40 + 40 + 20 * 400 + 400 + 400 * 784 + 784
  assert row['images_per_second'] == pytest.approx(128 / row['seconds'])
  saved = json.loads(path.read_text())
  assert saved['protocol']['rounds'] == 2
  assert saved['rows'][0]['group'] == 'vae_mlp'
  # Another case keeps this one; the same case replaces it; other rounds are refused.
  assert benchmark_train.earlier(path, saved['protocol'], ['gan28']) == saved['rows']
  assert benchmark_train.earlier(path, saved['protocol'], ['vae_mlp']) == []
  with pytest.raises(UserError, match='measured in another way'):
    benchmark_train.earlier(path, {**saved['protocol'], 'rounds': 3}, ['gan28'])


def test_networks_of_different_sizes_are_not_compared(monkeypatch):
  class Process:
    def __init__(self, case, implementation, keep_memory):
      self.about = {'parameters': 5 if implementation == 'ours' else 6, 'seconds': 1.0, 'versions': {}}

    def end(self):
      pass

  monkeypatch.setattr(benchmark_train, 'Process', Process)
  with pytest.raises(ValueError, match='differ in size'):
    benchmark_train.measure('gan28', ['ours', 'torch'], 1, 1, 1.0, True)


def test_rounds_are_interleaved_and_ratios_are_within_a_round(monkeypatch):
  told = []

  class Process:
    def __init__(self, case, implementation, keep_memory):
      self.name = implementation
      self.about = {'parameters': 5, 'seconds': 0.1, 'versions': {}}

    def seconds(self, steps):
      told.append(self.name)
      busy = len(told) > 4  # the machine is half as fast in the second round
      return steps * (0.1 if self.name == 'ours' else 0.2) * (2 if busy else 1)

    def end(self):
      told.append(f'{self.name} ends')

  monkeypatch.setattr(benchmark_train, 'Process', Process)
  times, parameters, _ = benchmark_train.measure('gan28', ['ours', 'torch'], 1, 2, 1.0, True)
  assert told == ['ours', 'torch'] * 3 + ['ours ends', 'torch ends']
  assert parameters == 5
  assert times == {'ours': pytest.approx([0.1, 0.2]), 'torch': pytest.approx([0.2, 0.4])}
  row = list(benchmark_train.rows_of('gan28', times, 5))[1]
  assert row['ours_over_this'] == pytest.approx(2)
  assert row['images_per_second'] == pytest.approx(128 / 0.3)


@pytest.mark.parametrize('flags', [['--cases=dcgan'], ['--implementations=tensorflow']])
def test_a_misspelt_name_is_refused(flags, capsys):
  with pytest.raises(SystemExit):
    benchmark_train.main(flags)
  assert 'there are: ' in capsys.readouterr().err


def test_every_case_is_a_config():
  for name, case in train_steps.CASES.items():
    if case.config:
      assert case.options().train.batch_size == case.batch_size, name
