"""Factors turned one at a time on unseen scenes: an oracle, a latent of two factors, protocol and picture."""

import json

import jax
import numpy as np
import pytest

from deconv import data
from deconv.evaluators import EVALUATORS
from deconv.options import EvalOptions
from deconv.options.evaluation import InverseGraphicsEvalOptions
from deconv.tasks.capabilities import TurnsKnobs
from tests.evaluators.encoders import FACTORS, Reader, written
from tests.evaluators.generators import make_state

KEY = jax.random.key(3)
EVALUATOR = EVALUATORS['factor_sweeps']
OPTIONS = EvalOptions(num_samples=70)  # 10 scenes: the largest factor with a latent of its own has 7 values


@pytest.fixture(autouse=True)
def splits(monkeypatch):
  """Makes `written` a source by name; the splits that are opened of it."""
  opened = []
  monkeypatch.setitem(data.SOURCES, 'written', lambda options, split: opened.append(split) or written(options, split))
  return opened


def measure(task, key=KEY, options=OPTIONS):
  return EVALUATOR.measure(task, make_state(), written(), key, options)


def test_an_oracle_is_perfect():
  numbers, _, _ = measure(Reader(lambda factors: -np.exp(0.3 * factors)))
  names = {f'{factor}_{what}' for factor in ('across', 'down', 'light') for what in ('monotone', 'selective')}
  assert numbers == {name: pytest.approx(1) for name in names | {'monotone', 'selective'}}  # none of the last factor


def test_a_latent_that_follows_another_factor():
  """The second latent stands still in the sweeps of the second factor, for it is the third."""
  numbers, _, _ = measure(Reader(lambda factors: factors[:, [0, 2, 2, 3]]))
  assert numbers['down_monotone'] == 0 and numbers['down_selective'] == 0
  assert numbers['light_monotone'] == numbers['across_selective'] == 1
  assert numbers['monotone'] == pytest.approx(2 / 3) and numbers['selective'] == pytest.approx(2 / 3)


def test_a_latent_of_two_factors_by_hand():
  """Variances of 0 to 6 and of 0 to 5: (49 - 1) / 12 and (36 - 1) / 12."""
  numbers, _, _ = measure(Reader(lambda factors: factors + factors[:, [2, 3, 0, 1]] * [1, 0, 0, 0]))
  assert numbers['across_selective'] == pytest.approx(48 / (48 + 35)) and numbers['across_monotone'] == 1


def test_one_factor_at_a_time_of_unseen_scenes(splits):
  task = Reader()
  measure(task)
  assert splits == ['unseen'] and len(task.read) == 4
  for factor, (rows, values) in enumerate(zip(task.read, (7, 5, 6, 7))):  # as many shapes as the largest other has
    rows = rows.reshape(10, values, 4)
    np.testing.assert_array_equal(rows[..., factor], np.tile(np.arange(values) + 9 * (factor == 3), (10, 1)))
    others = np.delete(rows, factor, axis=-1)
    np.testing.assert_array_equal(others, np.broadcast_to(others[:, :1], others.shape))
    assert len(np.unique(others[:, 0], axis=0)) > 5
  assert min(rows[:, 3].min() for rows in task.read) >= 9


def test_picture_turns_the_knobs_of_two_unseen_scenes():
  task = Reader()
  _, pictures, _ = measure(task)
  assert list(pictures) == ['knobs'] and pictures['knobs'].shape == (3, 5, 1)
  (shown,) = task.shown
  assert shown.shape == (2, 4, 4, 1) and shown.dtype == np.uint8 and not np.array_equal(*shown)
  assert (shown[:, 0, 3, 0] >= 9).all()


@pytest.mark.parametrize('num, scenes', [(70, 10), (76, 10), (1, 2)])
def test_protocol(num, scenes):
  task = Reader()
  protocol = measure(task, options=EvalOptions(num_samples=num))[2]
  assert {name: protocol[name] for name in ('split', 'scenes', 'codes')} == {
    'split': 'unseen',
    'scenes': scenes,
    'codes': 'posterior means',
  }
  assert set(protocol) == {'split', 'scenes', 'codes', 'is'} and json.loads(json.dumps(protocol)) == protocol
  assert len(task.read[0]) == scenes * FACTORS['across']


def test_the_key_alone_decides_the_scenes():
  tasks = [Reader() for _ in range(3)]
  for task, key in zip(tasks, (KEY, KEY, jax.random.key(4))):
    measure(task, key)
  for rows, same, other in zip(*(task.read for task in tasks)):
    np.testing.assert_array_equal(rows, same)
    assert not np.array_equal(rows, other)
  np.testing.assert_array_equal(tasks[0].shown[0], tasks[1].shown[0])


def test_a_source_that_is_there_has_unseen_identities():
  """The heads, of which other identities are trained on."""
  source = data.open_source(data.DataOptions(source='heads', image_size=8))
  numbers, _, protocol = EVALUATOR.measure(Reader(), make_state(), source, KEY, EvalOptions(num_samples=1))
  assert protocol['scenes'] == 2 and set(numbers) == {
    *(f'{factor}_{what}' for factor in source.factor_names[:-1] for what in ('monotone', 'selective')),
    'monotone',
    'selective',
  }
  assert all(0 <= value <= 1 for value in numbers.values())


def test_any_task_that_turns_knobs_by_its_training_source():
  assert EVALUATOR.needs is TurnsKnobs and EVALUATOR.split == 'train'
  assert InverseGraphicsEvalOptions().evaluators == ('factor_sweeps',)
