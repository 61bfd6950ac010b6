"""Evaluators in a run: which source they get, how their results stand together."""

import numpy as np
import pytest

from deconv.errors import UserError
from deconv.evaluators import EVALUATORS
from deconv.evaluators.evaluator import Evaluator
from deconv.tasks.task import Task
from deconv.training import evaluation, experiment
from deconv.training.evaluation import Evaluation, Stopped
from tests.training import tiny


def evaluator(name, split, protocol):
  """Measures the number of images of its source."""

  def measure(task, state, source, key, options):
    assert isinstance(task, tiny.TinyTask) and options.num_samples == 7
    return {f'{name}_n': float(len(source))}, {name: np.zeros((2, 2, 1), np.uint8)}, protocol

  return Evaluator(measure, needs=Task, split=split)


@pytest.fixture
def evaluators(monkeypatch):
  for name, split, protocol in (
    ('one', 'train', {'seed': 1, 'what': 'a'}),
    ('two', 'eval', {'seed': 1, 'split': 'test'}),
    ('three', 'train', {'seed': 2}),
  ):
    monkeypatch.setitem(EVALUATORS, name, evaluator(name, split, protocol))


def measured(names, **overrides):
  run = experiment.prepare(tiny.make_config(eval__evaluators=names, eval__num_samples=7, **overrides), tiny.TinyTask)
  state = run.parallel.put_state(run.task.init(run.key, run.batches.at(0)))
  return Evaluation(run).measure(state)


def test_each_gets_its_split_and_all_stand_together(evaluators):
  metrics, images, protocol = measured(('one', 'two'))
  assert metrics['one_n'] == 1500 and metrics['two_n'] == 297 and metrics['error'] > 0
  assert set(images) == {'one', 'two'}
  assert protocol == {'split': 'test', 'n': 297, 'samples': {'split': 'test', 'seed': 1, 'what': 'a'}}


def test_protocols_that_disagree_stand_apart(evaluators):
  """One number never gets the protocol of another."""
  _, _, protocol = measured(('one', 'three'))
  assert protocol['samples'] == {'split': 'train', 'seed': 1, 'what': 'a', 'three': {'seed': 2}}


def test_without_an_evaluation_split_who_needs_it_is_left_out(evaluators):
  metrics, images, protocol = measured(('one', 'two'), data__eval_split='')
  assert (
    set(metrics) == {'one_n'}
    and set(images) == {'one'}
    and protocol == {'samples': {'split': 'train', 'seed': 1, 'what': 'a'}}
  )


def test_none():
  metrics, images, protocol = measured(())
  assert set(metrics) == {'error'} and not images and protocol == {'split': 'test', 'n': 297}


def test_what_cannot_be_measured_is_left_out_with_its_reason(evaluators, monkeypatch, caplog):
  def broken(task, state, source, key, options):
    raise ValueError('one class\nis too few')

  monkeypatch.setitem(EVALUATORS, 'broken', Evaluator(broken, needs=Task))
  metrics, images, protocol = measured(('broken', 'one'))
  assert metrics['one_n'] == 1500 and metrics['error'] > 0 and set(images) == {'one'}
  assert protocol['samples']['not_measured'] == {'broken': 'ValueError: one class is too few'}
  assert 'could not measure' in caplog.text


def test_it_stops_between_batches_when_it_is_told_to():
  run = experiment.prepare(tiny.make_config(), tiny.TinyTask)
  state = run.parallel.put_state(run.task.init(run.key, run.batches.at(0)))
  asked = []
  with pytest.raises(Stopped):
    Evaluation(run, told_to_stop=lambda: asked.append(1) or len(asked) > 2).measure(state)
  assert len(asked) == 3


def test_a_protocol_in_words():
  protocol = {'split': 'test', 'n': 3, 'samples': {'ema': True, 'counts': [1, 2], 'of': {'a': 0.5}}, 'whole': False}
  assert evaluation.in_words(protocol) == 'split test, n 3, whole off; samples: ema on, counts 1 2; of: a 0.5'
  assert evaluation.in_words({'samples': {'seed': 0}}) == 'samples: seed 0' and evaluation.in_words({}) == ''


def test_who_looks_gets_the_network_of_the_field(monkeypatch):
  def look(task, state, source, key, options, network):
    return {f'{network.prefix}seen': 1.0}, {}, network.protocol()

  monkeypatch.setitem(EVALUATORS, 'fid', Evaluator(look, needs=Task, looks=True))
  metrics, _, protocol = measured(('fid',), eval__features='pixels')
  assert metrics['pixels_seen'] == 1 and protocol['samples']['network'] == 'pixels'


def test_a_network_that_is_not_there_is_told_at_once(evaluators):
  run = experiment.prepare(
    tiny.make_config(eval__evaluators=(), eval__num_samples=7, eval__features_path='nowhere.npz'), tiny.TinyTask
  )
  Evaluation(run)  # nobody looks
  object.__setattr__(run.options.eval, 'evaluators', ('kid',))
  with pytest.raises(UserError, match='no file .*nowhere.npz'):
    Evaluation(run)
