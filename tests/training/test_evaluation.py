"""Evaluators in a run: which source they get, how their results stand together."""

import json

import numpy as np
import pytest

from deconv.errors import UserError
from deconv.evaluators import EVALUATORS
from deconv.evaluators.evaluator import Evaluator
from deconv.tasks.capabilities import Generates
from deconv.tasks.task import Task
from deconv.training import evaluation, experiment, loop, writers
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
  metrics, images, protocol, _ = measured(('one', 'two'))
  assert metrics['one_n'] == 1500 and metrics['two_n'] == 297 and metrics['error'] > 0
  assert set(images) == {'one', 'two'}
  assert protocol == {'split': 'test', 'n': 297, 'samples': {'split': 'test', 'seed': 1, 'what': 'a'}}


def test_protocols_that_disagree_stand_apart(evaluators):
  """One number never gets the protocol of another."""
  _, _, protocol, _ = measured(('one', 'three'))
  assert protocol['samples'] == {'split': 'train', 'seed': 1, 'what': 'a', 'three': {'seed': 2}}


def test_without_an_evaluation_split_who_needs_it_is_left_out(evaluators):
  metrics, images, protocol, _ = measured(('one', 'two'), data__eval_split='')
  assert (
    set(metrics) == {'one_n'}
    and set(images) == {'one'}
    and protocol == {'samples': {'split': 'train', 'seed': 1, 'what': 'a'}}
  )


def test_none():
  metrics, images, protocol, _ = measured(())
  assert set(metrics) == {'error'} and not images and protocol == {'split': 'test', 'n': 297}


def test_what_cannot_be_measured_is_left_out_with_its_reason(evaluators, monkeypatch, caplog):
  def broken(task, state, source, key, options):
    raise ValueError('one class\nis too few')

  monkeypatch.setitem(EVALUATORS, 'broken', Evaluator(broken, needs=Task))
  metrics, images, protocol, _ = measured(('broken', 'one'))
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
  metrics, _, protocol, _ = measured(('fid',), eval__features='pixels')
  assert metrics['pixels_seen'] == 1 and protocol['samples']['network'] == 'pixels'


def test_a_network_that_is_not_there_is_told_at_once(evaluators):
  run = experiment.prepare(
    tiny.make_config(eval__evaluators=(), eval__num_samples=7, eval__features_path='nowhere.npz'), tiny.TinyTask
  )
  Evaluation(run)  # nobody looks
  object.__setattr__(run.options.eval, 'evaluators', ('kid',))
  with pytest.raises(UserError, match='no file .*nowhere.npz'):
    Evaluation(run)


class TinySampler(tiny.TinyTask, Generates):
  """The tiny task, said to sample."""

  def sample(self, state, key, num):
    raise NotImplementedError

  interpolate = sampling_protocol = sample


@pytest.fixture
def counted(monkeypatch):
  """Evaluators `draws`, whose number depends on that of the samples, and `looks`, whose number does not."""
  calls = []

  def draws(task, state, source, key, options):
    calls.append('draws')
    return {'lenet_fid': 1000 / options.num_samples + 0.1 * int(state.step)}, {}, {'n_fake': options.num_samples}

  def looks(task, state, source, key, options):
    calls.append('looks')
    return {'looked': 1.0}, {'shown': np.zeros((2, 2, 1), np.uint8)}, {'what': 'a'}

  monkeypatch.setitem(EVALUATORS, 'draws', Evaluator(draws, needs=Generates))
  monkeypatch.setitem(EVALUATORS, 'looks', Evaluator(looks, needs=Task))
  return calls


def train(folder, **overrides):
  fields = {'eval__evaluators': ('draws', 'looks'), 'eval__num_samples': 1000, 'eval__every': 5, **overrides}
  config = tiny.make_config(log__tensorboard=False, samples__every=0, train__steps=12, **fields)
  loop.train(experiment.prepare(config, TinySampler), folder)
  with open(folder / 'metrics.jsonl') as file:
    return [line for line in map(json.loads, file) if line['split'] != 'train']


def test_few_samples_on_the_way_and_all_at_the_end(tmp_path, counted):
  """The number of few samples goes on to the end, so that a step is compared with its like; all samples stand apart."""
  lines = train(
    tmp_path, eval__interim_samples=10, checkpoint__best_metric='lenet_fid', checkpoint__keep=1, checkpoint__every=0
  )
  assert [(line['step'], line['split']) for line in lines] == [(5, 'eval'), (10, 'eval'), (12, 'eval'), (12, 'final')]
  assert [line['lenet_fid'] for line in lines] == pytest.approx([100.5, 101, 101.2, 2.2])
  assert lines[2]['error'] == lines[3]['error'] and lines[2]['looked'] == lines[3]['looked'] == 1
  assert counted == ['draws', 'looks'] * 3 + ['draws']  # what does not depend on the number is measured once
  # 2.2 of a thousand samples is less than 100.5 of ten, and no better for that.
  assert sorted(path.name for path in (tmp_path / 'checkpoints').iterdir()) == ['12', '5']
  assert json.loads((tmp_path / 'run.json').read_text())['evaluation']['protocol']['samples']['n_fake'] == 1000
  history, last = (writers.evaluations(tmp_path / 'metrics.jsonl', split) for split in ('eval', 'final'))
  assert list(history) == [5, 10, 12] and set(last[12]) == {'error', 'lenet_fid', 'looked'}  # and no times


def test_a_kill_between_the_two_evaluations_of_the_end_doubles_no_line(tmp_path, counted, monkeypatch):
  whole = train(tmp_path / 'whole', eval__interim_samples=10)
  measure = Evaluation.measure

  def killed(self, state, *args, **kwargs):
    if not args and int(state.step) == 12:
      raise KeyboardInterrupt
    return measure(self, state, *args, **kwargs)

  with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
    patch.setattr(Evaluation, 'measure', killed)
    train(tmp_path / 'killed', eval__interim_samples=10)
  assert '"final"' not in (tmp_path / 'killed' / 'metrics.jsonl').read_text()
  assert without_times(train(tmp_path / 'killed', eval__interim_samples=10)) == without_times(whole)


def without_times(lines):
  return [{name: value for name, value in line.items() if not writers.is_time(name)} for line in lines]


def test_without_the_field_there_is_one_number_of_samples(tmp_path, counted):
  lines = train(tmp_path)
  assert [(line['step'], line['split']) for line in lines] == [(5, 'eval'), (10, 'eval'), (12, 'eval')]
  assert [line['lenet_fid'] for line in lines] == pytest.approx([1.5, 2, 2.2])


def test_seconds_stand_in_the_lines(tmp_path, counted, monkeypatch, capsys):
  lines = train(tmp_path)
  assert all(line[f'seconds_{name}'] >= 0 for line in lines for name in ('eval', 'draws', 'looks'))
  assert 'seconds: eval ' in capsys.readouterr().out
  clock = iter([0, 1, 11, 13])
  monkeypatch.setattr(evaluation.time, 'perf_counter', lambda: next(clock))
  assert measured(('looks',)).seconds == {'eval': 1, 'looks': 2}
