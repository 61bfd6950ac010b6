"""A trained state without training."""

import jax
import numpy as np
import pytest

from deconv.errors import UserError
from deconv.options import Experiment
from deconv.training import experiment, restore
from deconv.training.parallel import Parallel
from tests.training import tiny

# A schedule that needs to know the length of the run, which whoever restores does not.
CONFIG = dict(
  train__steps=6,
  samples__every=0,
  log__tensorboard=False,
  optimizer__schedule='cosine',
  optimizer__warmup_steps=2,
  checkpoint__every=3,
  data__eval_split='',
)


def test_newest_or_a_step(tmp_path):
  config = tiny.make_config(**CONFIG)
  final = tiny.train(config, tmp_path)
  config.data.path = '/nowhere'  # the data are not needed
  options = Experiment.from_config(config)
  task = experiment.build_task(options, Parallel(options.parallel), 2**30, tiny.TinyTask)
  restored, state, step = restore.restore(options, tmp_path, task=task)
  assert restored is task and step == 6
  jax.tree.map(np.testing.assert_array_equal, state, final)
  _, state, step = restore.restore(options, tmp_path, 3, task)
  assert step == state.step == 3
  with pytest.raises(UserError, match='no checkpoint of step 4; it has: 3, 6'):
    restore.restore(options, tmp_path, 4, task)


def test_nothing_there(tmp_path):
  with pytest.raises(UserError, match='no checkpoint yet'):
    restore.restore(Experiment.from_config(tiny.make_config()), tmp_path)
