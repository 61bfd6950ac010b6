"""The loop, in this process: what it writes, how it resumes, what it refuses."""

import json
import os
import re
import signal

import jax
import numpy as np
import pytest

from deconv.errors import UserError
from deconv.options import TrainOptions
from deconv.training import evaluation, experiment, loop, pictures
from deconv.training.checkpoint import Checkpoints
from deconv.training.finite import NonFiniteError
from deconv.training.writers import is_time
from tests.data.pictures import numbered, write_folder
from tests.training import tiny


def train(folder, **overrides):
  allow = overrides.pop('allow', False)
  return tiny.train(tiny.make_config(**overrides), folder, allow)


def lines(folder):
  """The lines of metrics.jsonl without what no clock repeats."""
  with open(os.path.join(folder, 'metrics.jsonl')) as file:
    return [{name: value for name, value in json.loads(line).items() if not is_time(name)} for line in file]


def read(folder, name):
  with open(os.path.join(folder, name)) as file:
    return json.load(file)


def assert_same_state(a, b):
  jax.tree.map(np.testing.assert_array_equal, a, b)


@pytest.fixture(scope='module')
def straight(tmp_path_factory):
  """(folder, final state) of an uninterrupted run."""
  folder = tmp_path_factory.mktemp('straight')
  state = train(folder)
  return folder, state


def test_what_a_run_leaves(straight):
  folder, state = straight
  assert state.step == 20
  train_lines = [line for line in lines(folder) if line['split'] == 'train']
  assert [line['step'] for line in train_lines] == list(range(2, 21, 2))
  assert set(train_lines[0]) == {'step', 'split', 'loss', 'spread', 'learning_rate', 'epoch'}
  assert train_lines[0]['epoch'] == pytest.approx(2 / 187) and train_lines[0]['learning_rate'] == pytest.approx(0.01)
  eval_lines = [line for line in lines(folder) if line['split'] == 'eval']
  assert [line['step'] for line in eval_lines] == [10, 20] and eval_lines[0]['error'] > 0
  pictures = [f'kernel_{step:08d}.png' for step in (5, 10, 15, 20)]
  assert sorted(os.listdir(folder / 'samples')) == [*pictures, 'progress.gif']
  assert {'15', '20'} <= set(os.listdir(folder / 'checkpoints')) and '10' not in os.listdir(folder / 'checkpoints')
  assert read(folder, 'config.json')['train']['batch_size'] == 8
  run = read(folder, 'run.json')
  assert run['devices']['count'] == 4 and run['versions']['jax'] == jax.__version__ and run['finished']
  assert run['first_step_seconds'] > run['train_call_seconds'] > 0 and run['data_fingerprint']
  assert run['evaluation'] == {'step': 20, 'protocol': {'split': 'test', 'n': 297}}
  assert [name for name in os.listdir(folder) if name.startswith('events.')]
  with open(folder / 'metrics.jsonl') as file:
    timed = [json.loads(line) for line in file]
  assert all(line['images_per_second'] > 0 and 0 <= line['data_wait'] <= 1 for line in timed if line['step'] == 8)


def test_lines_hold_the_mean_of_their_window(straight, tmp_path):
  train(tmp_path, log__every=1, train__steps=4, samples__every=0, checkpoint__every=0, log__tensorboard=False)
  single = [line['loss'] for line in lines(tmp_path) if line['split'] == 'train']
  double = [line['loss'] for line in lines(straight[0]) if line['split'] == 'train'][:2]
  np.testing.assert_allclose(double, np.mean(np.reshape(single, (2, 2)), axis=1), rtol=1e-6)
  assert not [name for name in os.listdir(tmp_path) if name.startswith('events.')]
  assert not os.path.exists(tmp_path / 'samples') and os.listdir(tmp_path / 'checkpoints') == ['4']


def test_evaluation_covers_every_image_once(straight):
  """297 images in batches of 100: padding must not count."""
  from deconv import data

  state = straight[1]
  config = tiny.make_config()
  source = data.open_source(data.DataOptions(**config.data), 'test')
  task = tiny.make(None)
  net = state.networks['net']
  images = np.stack([source[i]['image'] for i in range(len(source))])
  outputs, _ = task._predict(net.params, data.to_signed(images), net.batch_stats['mean'])
  labels = np.array([source[i]['label'] for i in range(len(source))])
  expected = np.mean((np.asarray(outputs) - labels) ** 2)
  last = [line for line in lines(straight[0]) if line['split'] == 'eval'][-1]
  assert last['error'] == pytest.approx(expected, rel=1e-5)


def test_finishing_twice_does_nothing(straight, capsys):
  folder, state = straight
  before = {path: os.stat(path).st_mtime_ns for path, _, _ in os.walk(folder)}
  again = train(folder)
  assert_same_state(again, state)
  assert 'finished' in capsys.readouterr().out
  assert before == {path: os.stat(path).st_mtime_ns for path, _, _ in os.walk(folder)}


def test_a_longer_run_goes_on_exactly(straight, tmp_path):
  """12 steps, then 20: a line in the middle of a window, a length that is not a multiple of anything."""
  train(tmp_path, train__steps=11, eval__every=0)
  final = train(tmp_path, log__every=2)
  assert_same_state(final, straight[1])
  assert [line['step'] for line in lines(tmp_path) if line['split'] == 'eval'] == [11, 20]
  assert read(tmp_path, 'run.json')['resumed_from'] == 11
  assert read(tmp_path, 'run.json')['earlier'][0]['resumed_from'] == 0


def test_a_run_that_resumes_by_another_cpu_rule_says_so_and_goes_on(tmp_path, caplog):
  """As on a processor of another kind: the warning comes once, and not where the rule stays."""
  train(tmp_path, train__steps=5, eval__every=0, cpu_rule='avx512')
  assert read(tmp_path, 'run.json')['cpu_rule']['name'] == 'avx512'
  train(tmp_path, train__steps=6, eval__every=0, cpu_rule='avx512')
  assert not [line for line in caplog.messages if 'CPU' in line]
  train(tmp_path, train__steps=7, eval__every=0, cpu_rule='avx2')
  (line,) = (line for line in caplog.messages if 'CPU' in line)
  assert re.search(r"Up to step 6 .* by the CPU rule 'avx512' \(\w{12}\), and goes on by 'avx2' \(\w{12}\)", line)
  record = read(tmp_path, 'run.json')
  assert record['cpu_rule']['name'] == 'avx2' and record['earlier'][-1]['cpu_rule']['name'] == 'avx512'
  assert record['resumed_from'] == 6 and record['finished']


def test_a_cpu_rule_that_is_not_there_is_one_sentence(tmp_path):
  with pytest.raises(UserError, match=r"there is no CPU rule 'avx1024' \(did you mean 'avx512'\?\)"):
    train(tmp_path, cpu_rule='avx1024')


def test_a_run_that_goes_on_without_its_native_library_says_so(tmp_path, caplog):
  train(tmp_path, train__steps=5)
  train(tmp_path, train__steps=6)
  assert 'oneDNN' not in caplog.text
  record = read(tmp_path, 'run.json')
  assert record['native'] is None
  (tmp_path / 'run.json').write_text(json.dumps({**record, 'native': {'onednn': '3.2.0', 'build': 'abc'}}))
  train(tmp_path, train__steps=7)
  assert (
    'Up to step 6 this run computed its convolutions by oneDNN 3.2.0 (build abc), and goes on by XLA' in caplog.text
  )
  assert 'DECONV_NATIVE=on undoes it' in caplog.text


@pytest.mark.parametrize('kill_at', [7, 10])
def test_a_run_that_breaks_off_resumes_exactly(straight, tmp_path, monkeypatch, kill_at):
  """Breaks off with lines after the last checkpoint, which must neither be doubled nor lost."""
  retire = loop.Loop.retire

  def breaking(self):
    first = self.pending[0][0]
    retire(self)
    if first + 1 == kill_at:
      raise KeyboardInterrupt

  monkeypatch.setattr(loop.Loop, 'retire', breaking)
  with pytest.raises(KeyboardInterrupt):
    train(tmp_path)
  monkeypatch.undo()
  with open(tmp_path / 'metrics.jsonl', 'a') as file:
    file.write('{"step": 3, "spl')  # torn
  final = train(tmp_path)
  assert_same_state(final, straight[1])
  assert lines(tmp_path) == lines(straight[0])


def test_a_window_that_a_checkpoint_cuts_is_made_whole(straight, tmp_path, monkeypatch):
  """log.every=2, checkpoint.every=5: the checkpoint at 5 lies in the middle of a window."""
  do_what_is_due = loop.Loop.do_what_is_due

  def breaking(self, state, step):
    do_what_is_due(self, state, step)
    if step == 5:
      raise KeyboardInterrupt

  monkeypatch.setattr(loop.Loop, 'do_what_is_due', breaking)
  with pytest.raises(KeyboardInterrupt):
    train(tmp_path)
  monkeypatch.undo()
  train(tmp_path)
  assert read(tmp_path, 'run.json')['resumed_from'] == 5
  assert lines(tmp_path) == lines(straight[0])


def stop_at(step):
  return lambda self, at: at == step


@pytest.mark.parametrize('step', [7, 10])
def test_a_told_stop_saves_and_exits(straight, tmp_path, monkeypatch, capsys, step):
  """At 10 an evaluation, pictures and a checkpoint are due: they are made after the resume."""
  monkeypatch.setattr(loop.Loop, 'told_to_stop', stop_at(step))
  with pytest.raises(SystemExit) as exit_:
    train(tmp_path)
  assert exit_.value.code == 143  # as after SIGTERM: `train && evaluate` does not go on
  assert 'run the same command again' in capsys.readouterr().out
  assert str(step) in os.listdir(tmp_path / 'checkpoints') and os.path.exists(tmp_path / 'samples/progress.gif')
  monkeypatch.undo()
  assert_same_state(train(tmp_path), straight[1])
  assert read(tmp_path, 'run.json')['resumed_from'] == step
  assert lines(tmp_path) == lines(straight[0])
  assert sorted(os.listdir(tmp_path / 'samples')) == sorted(os.listdir(straight[0] / 'samples'))


@pytest.mark.parametrize('step', [10, 20])
def test_a_kill_in_an_evaluation_loses_nothing(straight, tmp_path, monkeypatch, step):
  """The checkpoint comes first; the evaluation, its line and its pictures come after the resume, once."""
  measure = evaluation.Evaluation.measure

  def killed(self, state):
    if int(self._run.parallel.get_state(state.step)) == step:
      raise KeyboardInterrupt
    return measure(self, state)

  monkeypatch.setattr(evaluation.Evaluation, 'measure', killed)
  with pytest.raises(KeyboardInterrupt):
    train(tmp_path)
  monkeypatch.undo()
  assert str(step) in os.listdir(tmp_path / 'checkpoints') and 'finished' not in read(tmp_path, 'run.json')
  assert_same_state(train(tmp_path), straight[1])
  assert read(tmp_path, 'run.json')['resumed_from'] == step and read(tmp_path, 'run.json')['finished']
  assert lines(tmp_path) == lines(straight[0])
  assert sorted(os.listdir(tmp_path / 'samples')) == sorted(os.listdir(straight[0] / 'samples'))


def test_a_kill_after_the_line_of_an_evaluation_does_not_double_it(straight, tmp_path, monkeypatch):
  write_record = loop.Loop.write_record

  def killed(self):
    if self.record.get('done_after') == 10:
      raise KeyboardInterrupt
    write_record(self)

  monkeypatch.setattr(loop.Loop, 'write_record', killed)
  with pytest.raises(KeyboardInterrupt):
    train(tmp_path)
  monkeypatch.undo()
  assert [line['step'] for line in lines(tmp_path) if line['split'] == 'eval'] == [10]
  train(tmp_path)
  assert lines(tmp_path) == lines(straight[0])


def test_a_kill_between_the_last_checkpoint_and_the_end_is_made_good(straight, tmp_path, monkeypatch):
  def killed(self, step):
    raise KeyboardInterrupt

  monkeypatch.setattr(pictures.Pictures, 'save_gif', killed)
  with pytest.raises(KeyboardInterrupt):
    train(tmp_path)
  monkeypatch.undo()
  assert not os.path.exists(tmp_path / 'samples/progress.gif')
  assert_same_state(train(tmp_path), straight[1])
  assert os.path.exists(tmp_path / 'samples/progress.gif') and read(tmp_path, 'run.json')['finished']
  assert read(tmp_path, 'run.json')['evaluation'] == read(straight[0], 'run.json')['evaluation']
  assert lines(tmp_path) == lines(straight[0])


def test_what_a_signal_saved_takes_no_other_checkpoint_s_place(straight, tmp_path, monkeypatch):
  """With 15 and 20 kept, one at 17 would be kept instead of 15."""
  monkeypatch.setattr(loop.Loop, 'told_to_stop', stop_at(17))
  with pytest.raises(SystemExit):
    train(tmp_path)
  assert sorted(os.listdir(tmp_path / 'checkpoints')) == ['10', '15', '17']
  monkeypatch.undo()
  train(tmp_path)
  assert os.listdir(tmp_path / 'checkpoints') == os.listdir(straight[0] / 'checkpoints')


def test_what_a_killed_run_has_left_half_written_is_removed(tmp_path):
  train(tmp_path, train__steps=2)
  left = ['run.json.12.tmp', 'metrics.jsonl.12.tmp', 'samples/kernel_00000002.png.345.tmp']
  for name in left:
    (tmp_path / name).write_text('half')
  (tmp_path / 'notes.tmp').write_text('the user')
  train(tmp_path, train__steps=4)
  assert not [name for name in left if os.path.exists(tmp_path / name)] and os.path.exists(tmp_path / 'notes.tmp')


def test_a_signal_in_an_evaluation_saves_at_once(straight, tmp_path, monkeypatch):
  """At step 8 no checkpoint is due: it is made because of the signal, and the evaluation after the resume."""
  check = evaluation.Evaluation._check_stop

  def told(self):
    os.kill(os.getpid(), signal.SIGTERM)
    check(self)

  monkeypatch.setattr(evaluation.Evaluation, '_check_stop', told)
  with pytest.raises(SystemExit) as exit_:
    train(tmp_path, eval__every=8)
  assert exit_.value.code == 143 and '8' in os.listdir(tmp_path / 'checkpoints')
  monkeypatch.undo()
  assert_same_state(train(tmp_path, eval__every=8), straight[1])
  assert [line['step'] for line in lines(tmp_path) if line['split'] == 'eval'] == [8, 16, 20]


def test_several_steps_a_call(straight, tmp_path):
  """The calls keep to what is due (5 is no multiple of 4), and the lines are the same."""
  final = train(tmp_path, train__steps_per_call=4)
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), final, straight[1])
  for ours, theirs in zip(lines(tmp_path), lines(straight[0]), strict=True):
    assert ours.keys() == theirs.keys() and (ours['step'], ours['split']) == (theirs['step'], theirs['split'])
    np.testing.assert_allclose(
      [value for value in ours.values() if not isinstance(value, str)],
      [value for value in theirs.values() if not isinstance(value, str)],
      rtol=1e-4,
    )


@pytest.mark.parametrize(
  'per_call, every, total, expected',
  [
    (1, 5, 5, [0, 1, 2, 3, 4]),
    (4, 0, 10, [0, 4, 8, 9]),  # what is left at the end, one by one
    (4, 6, 16, [0, 4, 5, 6, 7, 8, 12]),  # step 6 must be reached; calls start at multiples of 4
    (2, 4, 6, [0, 2, 4]),
  ],
)
def test_steps_of_call(per_call, every, total, expected):
  intervals = experiment.Intervals(samples=0, evaluation=0, checkpoint=every)
  calls, step = [], 0
  while step < total:
    calls.append(step)
    step += loop.steps_of_call(step, intervals, per_call, total)
  assert calls == expected and step == total


def test_pmap(straight, tmp_path):
  final = train(tmp_path, parallel__mode='pmap')
  assert final.step == 20 and final.networks['net'].params['kernel'].shape == (64, 8)
  assert [line['step'] for line in lines(tmp_path)] == [line['step'] for line in lines(straight[0])]


def test_a_checkpoint_of_four_devices_goes_on_with_one(straight, tmp_path, monkeypatch):
  train(tmp_path, train__steps=10)
  one = jax.devices()[:1]
  monkeypatch.setattr(jax, 'devices', lambda *args: one)
  final = train(tmp_path)
  assert read(tmp_path, 'run.json')['devices']['platform'] == 'cpu'
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), final, straight[1])


def test_the_best_checkpoint_is_kept(tmp_path):
  train(tmp_path, checkpoint__best_metric='error', checkpoint__best_is='min', checkpoint__keep=1, eval__every=4)
  errors = {line['step']: line['error'] for line in lines(tmp_path) if line['split'] == 'eval'}
  best = min(errors, key=errors.get)
  assert {int(name) for name in os.listdir(tmp_path / 'checkpoints')} == {20, best}


def test_a_stop_at_an_evaluation_keeps_the_best_checkpoint(tmp_path, monkeypatch):
  options = dict(checkpoint__best_metric='error', checkpoint__best_is='min', checkpoint__keep=1, eval__every=4)
  train(tmp_path / 'straight', **options)
  errors = {line['step']: line['error'] for line in lines(tmp_path / 'straight') if line['split'] == 'eval'}
  monkeypatch.setattr(loop.Loop, 'told_to_stop', stop_at(min(list(errors)[:-1], key=errors.get)))
  with pytest.raises(SystemExit):
    train(tmp_path / 'stopped', **options)
  monkeypatch.undo()
  train(tmp_path / 'stopped', **options)
  assert os.listdir(tmp_path / 'stopped/checkpoints') == os.listdir(tmp_path / 'straight/checkpoints')
  assert lines(tmp_path / 'stopped') == lines(tmp_path / 'straight')


def test_a_best_metric_that_no_evaluation_gives_is_named(tmp_path, caplog):
  train(tmp_path, checkpoint__best_metric='eror', checkpoint__best_is='min', train__steps=2)
  assert "checkpoint.best_metric='eror' is no metric of the evaluation of step 2, which has: error" in caplog.text


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path):
  with pytest.raises(NonFiniteError, match='step 13 .*loss = nan.*checkpoint of step 10 is kept') as error:
    tiny.train(tiny.make_config(), tmp_path, poison_step=12)
  assert error.value.step == 13 and error.value.names == ['loss']
  assert [line['step'] for line in lines(tmp_path) if line['split'] == 'train'][-1] == 12
  with Checkpoints(tmp_path / 'checkpoints', read_only=True) as checkpoints:
    assert checkpoints.steps() == [5, 10]


def test_advice_after_a_loss_that_is_not_finite_works_without_a_checkpoint(tmp_path, straight, capsys):
  """The first record stays in run.json, and nothing else of the first attempt does."""
  with pytest.raises(NonFiniteError, match='lower optimizer.learning_rate'):
    tiny.train(tiny.make_config(optimizer__learning_rate=5.0), tmp_path, poison_step=3)
  assert [line['step'] for line in lines(tmp_path)] == [2]
  capsys.readouterr()
  assert_same_state(train(tmp_path), straight[1])
  said = capsys.readouterr().out
  assert 'another config began here (optimizer.learning_rate: 5.0 -> 0.01) and saved nothing' in said
  assert lines(tmp_path) == lines(straight[0])
  assert len(read(tmp_path, 'run.json')['earlier']) == 1 and read(tmp_path, 'run.json')['resumed_from'] == 0


def test_advice_after_a_loss_that_is_not_finite_works_with_a_checkpoint(tmp_path):
  with pytest.raises(NonFiniteError, match='checkpoint of step 10 is kept: lower .* and pass --allow_config_change'):
    tiny.train(tiny.make_config(), tmp_path, poison_step=12)
  assert train(tmp_path, optimizer__learning_rate=0.001, allow=True).step == 20
  assert read(tmp_path, 'run.json')['resumed_from'] == 10


def test_what_a_run_says_while_it_starts(tmp_path, capsys):
  train(tmp_path, train__steps=3, log__every=2)
  said = capsys.readouterr().out.splitlines()
  assert said[:5] == [
    'data: 1,500 images of digits (train); to evaluate on: 297 (test)',
    'devices: 4 cpu',
    'parameters: net 520',
    'steps: 3 of 8 images (0.016 epochs), from step 0 on',
    'compiling one training step',
  ]
  assert re.fullmatch(r'compiled, and one training step made, in \d+\.\d s', said[5])
  assert [line.split('  ')[0] for line in said[6:9]] == ['step 1/3', 'step 2/3', 'step 3/3']
  assert said[9].startswith('step 3: eval  error ') and said[10] == '  protocol: seed 0, split test, n 297'
  assert [line['step'] for line in lines(tmp_path) if line['split'] == 'train'] == [2, 3]  # the first is only shown


def test_a_state_that_is_not_finite_is_never_written(tmp_path, monkeypatch):
  step = tiny.TinyTask.train_step

  def poisoned(self, state, batch, key):
    state, scalars = step(self, state, batch, key)
    net = state.networks['net']
    bad = net.batch_stats['mean'] + jax.numpy.where(state.step == 14, jax.numpy.inf, 0.0)
    return state.replace(networks={'net': net.replace(batch_stats={'mean': bad})}), {'loss': scalars['loss'] * 0 + 1}

  monkeypatch.setattr(tiny.TinyTask, 'train_step', poisoned)
  with pytest.raises(NonFiniteError, match='state after step 15 .*networks/net/batch_stats/mean'):
    train(tmp_path)
  assert sorted(os.listdir(tmp_path / 'checkpoints')) == ['10', '5']


def test_a_damaged_checkpoint_is_passed_over_and_its_steps_trained_again(straight, tmp_path, caplog):
  train(tmp_path, train__steps=15, eval__every=10)
  files = [
    os.path.join(root, name)
    for root, _, names in os.walk(tmp_path / 'checkpoints/15/state')
    for name in names
    if os.path.basename(root) == 'd'
  ]  # those that hold arrays
  largest = max(files, key=os.path.getsize)
  with open(largest, 'r+b') as file:
    file.seek(os.path.getsize(largest) // 2)
    byte = file.read(1)[0]
    file.seek(-1, os.SEEK_CUR)
    file.write(bytes([byte ^ 1]))
  assert_same_state(train(tmp_path), straight[1])
  assert 'step 15 is damaged' in caplog.text and read(tmp_path, 'run.json')['resumed_from'] == 10
  assert lines(tmp_path) == lines(straight[0])
  assert os.path.isdir(tmp_path / 'checkpoints/damaged-15')


def test_another_experiment_is_refused(tmp_path):
  train(tmp_path, train__steps=2)
  before = read(tmp_path, 'config.json')
  with pytest.raises(UserError, match='optimizer.learning_rate: 0.01 -> 0.02.*seed: 0 -> 1.*allow_config_change'):
    train(tmp_path, optimizer__learning_rate=0.02, seed=1, log__every=1)
  assert read(tmp_path, 'config.json') == before
  assert train(tmp_path, train__steps=4, optimizer__learning_rate=0.02, allow=True).step == 4
  assert read(tmp_path, 'config.json')['optimizer']['learning_rate'] == 0.02


def test_other_data_are_refused(tmp_path):
  train(tmp_path, train__steps=2)
  run = read(tmp_path, 'run.json')
  with open(tmp_path / 'run.json', 'w') as file:
    json.dump({**run, 'data_fingerprint': 'else'}, file)
  with pytest.raises(UserError, match='data have changed.*else ->'):
    train(tmp_path, train__steps=4)
  with open(tmp_path / 'run.json', 'w') as file:
    json.dump({**run, 'data_content': 'other'}, file)
  with pytest.raises(UserError, match='data have changed.*other ->'):
    train(tmp_path, train__steps=4)


def test_a_run_that_has_not_recorded_the_content_goes_on(tmp_path):
  train(tmp_path, train__steps=2)
  run = read(tmp_path, 'run.json')
  assert len(run.pop('data_content')) == 16
  with open(tmp_path / 'run.json', 'w') as file:
    json.dump(run, file)
  assert train(tmp_path, train__steps=4).step == 4
  assert len(read(tmp_path, 'run.json')['data_content']) == 16


def test_files_that_vanish_while_training_streams_end_nothing(tmp_path, monkeypatch):
  """Neither the batches nor the evaluation, which is held in memory when it is first made, and no later call."""
  files = {
    f'{split}/{i % 2}/{name}': data
    for split, count in (('train', 300), ('test', 8))
    for i, (name, data) in enumerate(numbered(count).items())
  }
  path = write_folder(tmp_path / 'data', files)
  gone = [f'train/{i % 2}/{i:06d}.png' for i in range(10)] + ['test/1/000003.png']
  kept = {name: files[name] for name in gone}
  call = loop.Loop.call

  def call_and_remove(self, *args):
    for name in gone:
      if os.path.exists(os.path.join(path, name)):
        os.remove(os.path.join(path, name))
    return call(self, *args)

  monkeypatch.setattr(loop.Loop, 'call', call_and_remove)
  data = dict(data__source='folder', data__path=path, data__image_size=64, data__memory_limit_mb=1)
  assert train(tmp_path / 'run', **data).step == 20
  assert [line['step'] for line in lines(tmp_path / 'run') if line['split'] == 'eval'] == [10, 20]
  with pytest.raises(UserError, match='the data have changed'):  # there are 290 images now
    train(tmp_path / 'run', train__steps=24, **data)
  write_folder(path, kept)
  assert train(tmp_path / 'run', train__steps=24, **data).step == 24


def test_a_mistake_is_named_before_the_folder_is_touched(tmp_path):
  """A config, too, is taken by `train`, which prepares it after the folder's own config has been compared."""
  with pytest.raises(UserError, match='log.every=0'):
    loop.train(tiny.make_config(log__every=0), tmp_path / 'new')
  assert not os.path.exists(tmp_path / 'new')


@pytest.mark.parametrize(
  'overrides, says',
  [
    (dict(train__steps=0), 'set one of train.steps .* and train.epochs'),
    (dict(train__epochs=1.0), 'set one of train.steps .* and train.epochs'),
    (dict(train__batch_size=6), 'train.batch_size=6 cannot be divided over 4 devices; make it 4 or 8'),
    (dict(eval__batch_size=30), 'eval.batch_size=30 cannot be divided over 4 devices; make it 28 or 32'),
    (dict(train__batch_size=2000), 'fewer than a batch of 2000'),
    (dict(task='gann'), "did you mean 'gan'"),
    (dict(log__every=0), 'log.every=0'),
    (dict(optimizer__name='adma'), "did you mean 'adam'"),
    (dict(checkpoint__keep=0), 'checkpoint.keep=0'),
  ],
)
def test_mistakes_are_told_before_anything_is_written(tmp_path, overrides, says):
  with pytest.raises(UserError, match=says) as error:
    train(tmp_path, **overrides)
  assert '\n' not in str(error.value)
  assert not [name for name in os.listdir(tmp_path) if not name.startswith('.')]


def test_epochs():
  assert TrainOptions(epochs=1.5).total_steps(187) == 280
