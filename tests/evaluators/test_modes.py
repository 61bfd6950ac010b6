"""The evaluator of Gaussians: its numbers, its picture, and what it leaves alone."""

import json

import jax
import numpy as np

from deconv import data
from deconv.evaluators import EVALUATORS
from deconv.options import EvalOptions
from deconv.tasks.capabilities import Generates
from tests.evaluators.generators import Copier, digits, make_state

KEY = jax.random.key(0)
EVALUATOR = EVALUATORS['modes']


class Points(Copier):
  """A task whose samples are these points."""

  def sample(self, state, key, num):
    self.calls += 1
    return np.resize(self.images, (num, *self.images.shape[1:]))


def gaussians(name='gaussian_grid'):
  return data.open_source(data.DataOptions(source=name, image_size=1, channels=2), 'test')


def test_real_points_and_a_collapsed_generator():
  source = gaussians()
  items = source.take(np.arange(2500))
  numbers, pictures, protocol = EVALUATOR.measure(
    Points(items['image'], ema=True), make_state(), source, KEY, EvalOptions(num_samples=2500)
  )
  assert numbers['modes'] == 25 and 0.975 < numbers['good_samples'] < 1
  assert protocol['ema'] and protocol['num_samples'] == 2500 and json.loads(json.dumps(protocol)) == protocol
  picture = pictures['modes']
  assert picture.dtype == np.uint8 and picture.shape[1:] == (384, 3)
  one = items['image'][items['label'] == 3]
  collapsed, _, _ = EVALUATOR.measure(Points(one), make_state(), source, KEY, EvalOptions(num_samples=2500))
  assert collapsed['modes'] == collapsed['modes_touched'] == 1 and collapsed['good_samples'] > 0.95


def test_other_sources_are_left_alone_and_points_by_other_evaluators():
  task = Points(gaussians().take(np.arange(5))['image'])
  assert EVALUATOR.measure(task, make_state(), digits(20), KEY, EvalOptions()) == ({}, {}, {})
  for other in ('coverage', 'neighbours'):
    assert EVALUATORS[other].measure(task, make_state(), gaussians(), KEY, EvalOptions()) == ({}, {}, {})
  assert task.calls == 0 and EVALUATOR.needs is Generates
