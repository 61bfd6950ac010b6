"""A trained state without training."""
import jax
import numpy as np
import pytest

from deconv.errors import UserError
from deconv.tasks import TASKS
from deconv.training import loop, restore
from tests.training import tiny


@pytest.fixture(autouse=True)
def tiny_task(monkeypatch):
  monkeypatch.setitem(TASKS, 'tiny', tiny.build)


# A schedule that needs to know the length of the run, which whoever restores does not.
CONFIG = dict(train__steps=6, samples__every=0, log__tensorboard=False, optimizer__schedule='cosine',
              optimizer__warmup_steps=2, checkpoint__every=3, data__eval_split='none')


def test_newest_or_a_step(tmp_path):
  config = tiny.make_config(**CONFIG)
  final = loop.train(config, tmp_path)
  config.data.path = '/nowhere'  # the data are not needed
  task, state, step = restore.restore(config, tmp_path)
  assert isinstance(task, tiny.TinyTask) and step == 6
  jax.tree.map(np.testing.assert_array_equal, state, final)
  _, state, step = restore.restore(config, tmp_path, step=3)
  assert step == state.step == 3
  with pytest.raises(UserError, match='no checkpoint of step 4; it has: 3, 6'):
    restore.restore(config, tmp_path, step=4)


def test_nothing_there(tmp_path):
  with pytest.raises(UserError, match='no checkpoint yet'):
    restore.restore(tiny.make_config(), tmp_path)
