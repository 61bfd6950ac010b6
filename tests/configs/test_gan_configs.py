"""What the GAN configs promise: the paper's numbers, and smoke runs of the same size without files."""

import importlib

import jax
import numpy as np
import optax
import pytest

from deconv.options import Experiment
from deconv.tasks import TASKS
from tests.experiments.smoke import configs_of

# Points of the plane are made and not read, and are one pixel.
NAMES = [name for name in configs_of('gan') if name not in ('gan_grid', 'gan_ring')]


def get_config(name, variant=''):
  return importlib.import_module(f'deconv.configs.{name}').get_config(variant)


def count(tree):
  return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(tree))


def test_celeba_is_the_paper():
  config = get_config('dcgan_celeba')
  assert (config.train.batch_size, config.optimizer.name, config.optimizer.learning_rate, config.optimizer.beta1) == (
    128,
    'adam',
    2e-4,
    0.5,
  )
  assert (config.model.kernel_size, config.model.width, config.model.latent_size, config.model.leak) == (
    5,
    128,
    100,
    0.2,
  )
  assert (config.data.image_size, config.data.crop, config.optimizer.l2) == (64, 108, 0)
  task = TASKS['gan'](Experiment.from_config(config), optax.sgd, None)
  state = jax.eval_shape(task.init, jax.random.key(0), {'image': np.zeros((1, 64, 64, 3), np.uint8)})
  assert {name: count(network.params) for name, network in state.networks.items()} == {
    'gen': 18_855_043,
    'disc': 17_232_897,
  }


def test_celeba_code_is_the_authors_script():
  config = get_config('dcgan_celeba', 'code')
  assert (config.model.preset, config.optimizer.l2, config.objective.update_order, config.eval.batch_stats) == (
    'code',
    1e-5,
    'alternate',
    'batch',
  )
  # A step of ours is two of their minibatches.
  assert config.train.epochs == get_config('dcgan_celeba').train.epochs / 2


def test_anime_makes_a_frame_an_epoch():
  config = get_config('dcgan_anime')
  assert (config.train.epochs, config.samples.every_epochs, config.data.image_size) == (50, 1, 64)


@pytest.mark.parametrize('name', NAMES)
def test_smoke_is_small_and_needs_no_files(name):
  config = get_config(name, 'smoke')
  assert (config.data.source, config.data.path) == ('digits', '')
  assert config.train.steps <= 4 and config.train.batch_size <= 8 and config.model.get('width', 8) <= 8
  assert config.data.image_size == get_config(name).data.image_size
