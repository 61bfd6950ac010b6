"""Every config and every variant at its full size: the shapes of its start and of a step, nothing computed.

A smoke run sees another, small network; a wrong size in a config that nobody trains here would otherwise wait for its
first user.
"""

import importlib
import re

import jax
import pytest

from deconv.options import Experiment
from deconv.training import experiment
from deconv.training.parallel import Parallel
from tests.experiments.smoke import configs_of


def variants_of(name):
  """'' and the names of a config's variants but smoke."""
  module = importlib.import_module(f'deconv.configs.{name}')
  with pytest.raises(ValueError) as error:
    module.get_config('no such variant')
  names = re.search(r'it has: (.*)$', str(error.value))[1].split(', ')
  return ['', *(variant for variant in names if variant != 'smoke')]


CASES = [(name, variant) for name in configs_of() for variant in variants_of(name)]


def shapes_of(options):
  """(state before, state after, scalars) of one step, as shapes."""
  parallel = Parallel(options.parallel, jax.devices()[:1])
  task = experiment.build_task(options, parallel, 2**30)
  batch = task.batch_shapes(options.train.batch_size)
  key = jax.eval_shape(lambda: jax.random.key(0))
  state = jax.eval_shape(task.init, key, batch)
  if options.objective.SECTION and getattr(options.objective, 'class_weights', 'none') != 'none':
    task.class_weights = (1.0,) * len(options.data.class_names)  # what the training source would tell
  after, scalars = jax.eval_shape(task.train_step, state, batch, key)
  return task, state, after, scalars


@pytest.mark.parametrize('name, variant', CASES, ids=lambda value: value or '-')
def test_full_size(name, variant):
  options = Experiment.from_config(importlib.import_module(f'deconv.configs.{name}').get_config(variant))
  options.train.check_length()
  experiment.check_evaluators(options, experiment.TASKS[options.task])
  task, before, after, scalars = shapes_of(options)
  assert jax.tree.structure(before) == jax.tree.structure(after)
  assert jax.tree.map(lambda x: (x.shape, x.dtype), before) == jax.tree.map(lambda x: (x.shape, x.dtype), after)
  assert set(task.loss_names) <= set(scalars) and all(x.shape == () for x in scalars.values())


def test_a_wrong_size_is_found():
  config = importlib.import_module('deconv.configs.unet_pets').get_config()
  config.data.image_size = 120
  with pytest.raises(ValueError, match='halve|multiples'):
    shapes_of(Experiment.from_config(config))
