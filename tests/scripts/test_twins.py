"""The steps in PyTorch that ours are timed against compute what ours compute: with our weights, the same loss."""

import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deconv import data
from deconv.options import Experiment
from deconv.tasks.state import State
from deconv.training import experiment
from deconv.training.parallel import Parallel
from scripts import train_steps

torch = pytest.importorskip('torch', reason='PyTorch is not installed: nothing to compare with')
from scripts import twins  # noqa: E402
from scripts.twins import carry, gans  # noqa: E402

# {config: (variant, fields)}: small, and without what each side draws for itself.
NETWORKS = {
  'unet_scenes': ('smoke', {'augment.flip': False}),
  'segnet_scenes': ('smoke', {'augment.flip': False}),
  'deconvnet_scenes': ('smoke', {'augment.flip': False}),
  'conv_vae_mnist': ('smoke', {}),
  'vae_mnist': ('smoke', {}),
  'superres_photos': ('smoke', {}),
  'rednet_denoise_photos': ('smoke', {}),
  'dcgan_mnist': ('gan28,smoke', {'model.dropout': 0.0}),
}


def both(name, channels_last):
  """Returns (task, state, batch, twin with the weights of the state)."""
  variant, fields = NETWORKS[name]
  config = importlib.import_module(f'deconv.configs.{name}').get_config(variant)
  config.update_from_flattened_dict(fields)
  options = Experiment.from_config(config)
  task, batch = experiment.build_task(options, Parallel(), 100), train_steps.batch_of(options)
  state = task.init(jax.random.key(0), batch)
  changed = {  # no zeros: biases would be untested
    key: network.replace(params=jax.tree.map(lambda x: x + 0.01, network.params))
    for key, network in state.networks.items()
  }
  state = state.replace(networks=changed)
  twin = twins.TWINS[options.task, options.model.name](options, channels_last)
  for key, network in twin.networks.items():
    carry.carry(network, state.networks[key].params, state.networks[key].batch_stats)
  return task, state, batch, twin


def to_torch(x):
  """(b, h, w, c) -> (b, c, h, w)."""
  return torch.from_numpy(np.array(x)).permute(0, 3, 1, 2).contiguous()


@pytest.mark.parametrize(
  ('name', 'channels_last'), [('unet_scenes', True), ('segnet_scenes', False), ('deconvnet_scenes', True)]
)
def test_segmenters_train_alike(name, channels_last):
  task, state, batch, twin = both(name, channels_last)
  step = jax.jit(task.train_step)
  tensors = {key: torch.from_numpy(x) for key, x in batch.items()}
  ours, theirs = [], []
  for _ in range(3):
    state, scalars = step(state, batch, jax.random.key(0))
    ours.append(float(scalars['loss']))
    theirs.append(twin.step(tensors).item())
  assert ours[2] < ours[0]
  np.testing.assert_allclose(theirs[0], ours[0], rtol=2e-5)
  np.testing.assert_allclose(theirs, ours, rtol=2e-3)


@pytest.mark.parametrize('name', ['conv_vae_mnist', 'vae_mnist'])
def test_autoencoders_have_the_same_loss(name):
  task, state, batch, twin = both(name, False)
  batch = {**batch, **task.random_inputs(batch, jax.random.key(1))}
  params = state.networks['vae'].params
  bound = task.bound(params, batch, None)
  loss = twin.loss(to_torch(bound.targets), torch.from_numpy(np.array(bound.noise)))
  np.testing.assert_allclose(loss.item(), bound.scalars()['neg_elbo'], rtol=1e-5)


@pytest.mark.parametrize('name', ['superres_photos', 'rednet_denoise_photos'])
def test_restorers_have_the_same_loss(name):
  from deconv.ops.resample import upsample_bicubic

  task, state, batch, twin = both(name, True)
  batch = {**batch, **task.random_inputs(batch, jax.random.key(1))}
  inputs, _, targets = task.observe(batch)
  enlarged = upsample_bicubic(inputs, task.scale)
  outputs = task.network.apply({'params': state.networks['net'].params}, inputs, train=True)
  loss = twin.loss(*(to_torch(x) for x in (inputs, enlarged, targets)))
  np.testing.assert_allclose(loss.item(), task.loss(outputs, targets)[0], rtol=1e-4)


def test_the_enlargement_and_the_reduction_are_ours_away_from_the_border():
  task, _, batch, twin = both('superres_photos', True)
  twin.options = Experiment.from_config({**task.options.to_dict(), 'augment': {'turns': False}})
  batch = {**batch, **task.random_inputs(batch, jax.random.key(1))}
  inputs, _, _ = task.observe(batch)
  theirs, _, _ = twin.prepare({key: torch.from_numpy(batch[key]) for key in ('image',)})
  inside = (slice(None), slice(None), slice(3, -3), slice(3, -3))
  np.testing.assert_allclose(theirs[inside], to_torch(inputs)[inside], atol=1e-5)


def test_gans_have_the_same_losses():
  task, state, batch, twin = both('dcgan_mnist', False)
  latents = task.random_inputs(batch, jax.random.key(1))['latent']
  gen, disc = (state.networks[name].variables for name in ('gen', 'disc'))
  judge = lambda images: task.discriminator.apply(disc, images, train=False)
  reals, fakes = data.to_signed(batch['image']), task.generator.apply(gen, latents, train=True)
  ours = (jnp.mean(task.objective.disc(judge(reals), judge(fakes))), jnp.mean(task.objective.gen(judge(fakes))))
  theirs = gans.losses(twin, to_torch(reals), torch.from_numpy(np.array(latents)))
  np.testing.assert_allclose([x.item() for x in theirs], ours, rtol=1e-5)


@pytest.mark.parametrize('name', train_steps.CASES)
def test_every_twin_has_as_many_parameters_as_ours(name):
  case = train_steps.CASES[name]
  if not case.config:
    pytest.skip('no config; its networks are those of test_benchmark_train.py')
  options = case.options()
  task = experiment.build_task(options, Parallel(), 100)
  state = jax.eval_shape(task.init, jax.random.key(0), task.batch_shapes(2))
  assert isinstance(state, State)
  ours = sum(x.size for network in state.networks.values() for x in jax.tree.leaves(network.params))
  assert twins.TWINS[options.task, options.model.name](options, False).parameters() == ours


def test_weights_of_another_network_are_refused():
  _, state, _, twin = both('vae_mnist', False)
  params = dict(state.networks['vae'].params)
  with pytest.raises(KeyError):
    carry.carry(twin.networks['vae'], {'encoder': params['encoder']})
  with pytest.raises(ValueError, match='the network has no'):
    carry.carry(twin.networks['vae'], {**params, 'more': {'kernel': np.zeros((2, 2))}})
