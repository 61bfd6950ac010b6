"""The torture sees what it looks for: each kind of difference, and each kind of process that misbehaves."""

import json
import os
import shutil
import sys
import time

import numpy as np
import orbax.checkpoint as ocp
import pytest

from scripts import kill_trials, run_watch, torture
from scripts.run_differences import differences

FAKE = os.path.join(kill_trials.ROOT, 'tests', 'scripts', 'fake_run.py')


def trials_of(fault, folder, limit=30.0):
  said = []

  def start(workdir, log):
    return kill_trials.popen([sys.executable, FAKE, workdir, fault if 'undisturbed' not in workdir else ''], log)

  trials = kill_trials.Trials(start, str(folder), seed=0, limit=limit, say=said.append)
  trials.undisturbed()
  return trials, said


def test_a_run_that_loses_nothing(tmp_path):
  trials, said = trials_of('', tmp_path)
  trials.run(10, row=3, moments=(kill_trials.AT_THE_END, kill_trials.IN_THE_MIDDLE, kill_trials.ANY_TIME))
  assert not said and not trials.failures and len(trials.kills) == 10 and trials.processes > 10
  assert {kill.moment.last for kill in trials.kills} == {False, True}
  assert len({kill.plan.number for kill in trials.kills}) == 4
  assert sorted(os.listdir(tmp_path)) == ['undisturbed', 'undisturbed.log']  # what is equal is removed
  *rows, last = torture.rows(trials.kills)
  assert last['values']['kills'] == sum(row['values']['kills'] for row in rows) == 10
  assert {row['group'] for row in rows} == {'before', 'after'} and last['values']['SIGHUP'] > 0


@pytest.mark.parametrize(
  'fault, moment, says',
  [
    ('film', kill_trials.AT_THE_END, "'samples/progress.gif' is missing"),
    ('lines', kill_trials.IN_THE_MIDDLE, 'metrics.jsonl: line'),
    ('traceback', kill_trials.IN_THE_MIDDLE, 'there is a traceback'),
    ('hang', kill_trials.IN_THE_MIDDLE, 'a process hangs'),
    ('child', kill_trials.IN_THE_MIDDLE, 'it left 1 processes behind'),
    ('status', kill_trials.IN_THE_MIDDLE, 'gave the exit status 3'),
  ],
)
def test_a_fault_is_found_and_its_folder_kept(fault, moment, says, tmp_path, monkeypatch):
  monkeypatch.setattr(kill_trials, '_POSTERITY', 0.2)
  trials, said = trials_of(fault, tmp_path, limit=3.0 if fault == 'hang' else 30.0)
  for _ in range(8):  # a kill may come where the fault does no harm
    if not said:
      trials.run(1, row=1, moments=(moment,), faulty=1)
  assert said and says in said[0], said
  folder = said[0].split(' (seed 0; ')[0]
  assert os.path.isdir(folder) and trials.failures == said


def test_the_report(tmp_path, monkeypatch, capsys):
  def command_of(config, fields):
    assert fields['log.every'] == 1 and fields['train.steps'] == '12' and 'checkpoint.best_metric' not in fields
    return lambda folder, log: kill_trials.popen(
      [sys.executable, FAKE, folder, '' if 'undisturbed' in folder else config], log
    )

  def call(name, *flags):
    torture.main([f'--out={tmp_path / name}', '--config.train.steps=12', *flags])

  monkeypatch.setattr(torture, 'command_of', command_of)
  monkeypatch.setattr(kill_trials, '_mount', lambda folder, size: 'not permitted')
  call('good', '--config=', '--kills=2', '--row=2', f'--save={tmp_path}/saved.json')
  said = capsys.readouterr().out
  assert '| all |  | ' in said and '- differences: none' in said and '- no full disk: not permitted' in said
  assert (tmp_path / 'good/report.md').read_text() in said
  saved = json.loads((tmp_path / 'saved.json').read_text())
  assert saved['recorded'] == 'by scripts.torture' and saved['rows'][-1]['values']['kills'] == 2
  with pytest.raises(SystemExit) as exit_:
    call('bad', '--config=film of another', '--kills=1')
  assert exit_.value.code == 1 and "'samples/progress.gif' differs" in capsys.readouterr().out
  with pytest.raises(SystemExit) as exit_:
    call('good', '--config=', '--kills=2')
  assert exit_.value.code == 2 and 'name a new folder' in capsys.readouterr().err


def test_moments_are_told_apart(tmp_path):
  def write(name, content):
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text(content if isinstance(content, str) else json.dumps(content))

  def look(since=0):
    return run_watch.Watch(str(tmp_path), since, {4, 8}).moment()

  assert look() == ('start-up', 0, False)
  write('config.json', {'samples': {'every': 4}})
  run = {'resumed_from': 0, 'steps': 8, 'done_after': None}
  write('run.json', run)
  assert look().phase == 'start-up' and look(time.time_ns() + 10**10).phase == 'start-up'
  run['first_step_seconds'] = 1.0
  write('run.json', run)
  lines = [{'step': step, 'split': 'train'} for step in (1, 2, 3)]
  write('metrics.jsonl', '\n'.join(map(json.dumps, lines)) + '\n')
  assert look() == ('training', 3, False)
  write('metrics.jsonl', (tmp_path / 'metrics.jsonl').read_text() + '{"step": 4, "split": "train"}\n{"step": 5, "sp')
  assert look() == ('pictures', 4, False)
  write('checkpoints/4.orbax-checkpoint-tmp/x', '')
  assert look() == ('checkpoint', 4, False)
  shutil.rmtree(tmp_path / 'checkpoints')
  write('samples/x_00000004.png', '')
  assert look() == ('evaluation', 4, False)
  write('metrics.jsonl', '{"step": 4, "split": "train"}\n{"step": 4, "split": "eval"}\n')
  assert look() == ('training', 4, False)
  write('metrics.jsonl', '{"step": 8, "split": "train"}\n{"step": 8, "split": "eval"}\n')
  write('samples/x_00000008.png', '')
  assert look() == ('closing', 8, True)
  write('run.json', {**run, 'done_after': 8, 'finished': True})
  assert look() == ('finished', 8, True)
  write('run.json', {'resumed_from': 8, 'steps': 8, 'done_after': None})
  write('metrics.jsonl', '{"step": 8, "split": "train"}\n')
  assert look() == ('evaluation', 8, True)


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
  """The folder of a run, with one checkpoint."""
  folder = tmp_path_factory.mktemp('finished') / 'run'
  for name in ('samples', 'checkpoints/4/meta'):
    (folder / name).mkdir(parents=True)
  (folder / 'config.json').write_text('{}')
  (folder / 'events.1').write_text('of this process')
  (folder / 'samples' / 'x_00000004.png').write_bytes(b'picture')
  (folder / 'metrics.jsonl').write_text('{"step": 4, "split": "train", "loss": 0.5, "data_wait": 0.1}\n')
  (folder / 'run.json').write_text(json.dumps({'finished': True, 'done_after': 4, 'resumed_from': 0}))
  (folder / 'checkpoints/4/meta/metadata').write_text('{"step": 4}')
  save(folder, np.arange(4.0))
  return folder


def save(folder, array):
  with ocp.StandardCheckpointer() as checkpointer:
    checkpointer.save(
      str(folder / 'checkpoints/4/state'), {'networks': {'kernel': array, 'step': np.array(4)}}, force=True
    )


def test_what_a_clock_and_a_history_change_is_no_difference(finished, tmp_path):
  other = shutil.copytree(finished, tmp_path / 'other')
  (other / 'metrics.jsonl').write_text('{"step": 4, "split": "train", "loss": 0.5, "data_wait": 0.9}\n')
  (other / 'run.json').write_text(json.dumps({'finished': True, 'done_after': 4, 'resumed_from': 2, 'earlier': [1]}))
  os.rename(other / 'events.1', other / 'events.2')
  assert differences(other, finished) == []


@pytest.mark.parametrize(
  'change, says',
  [
    (lambda run: (run / 'metrics.jsonl').write_text('{"step": 4, "split": "train", "loss": 0.4}\n'), 'line 1 is'),
    (lambda run: (run / 'metrics.jsonl').write_text(''), 'has 0 lines and should have 1'),
    (lambda run: (run / 'run.json').write_text('{"done_after": 4}'), 'finished is None and should be True'),
    (lambda run: (run / 'samples/x_00000004.png').write_bytes(b'Picture'), "'samples/x_00000004.png' differs"),
    (lambda run: (run / 'samples/x_00000004.png').unlink(), "'samples/x_00000004.png' is missing"),
    (lambda run: (run / 'run.json.12.tmp').write_text(''), "there is 'run.json.12.tmp'"),
    (lambda run: (run / 'checkpoints/2.orbax-checkpoint-tmp').mkdir(), "there is 'checkpoints/2.orbax-checkpoint-tmp'"),
    (lambda run: shutil.rmtree(run / 'checkpoints/4'), "'checkpoints/4' is missing"),
    (lambda run: (run / 'checkpoints/4/meta/metadata').write_text('{"step": 5}'), 'the description differs'),
    (
      lambda run: save(run, np.nextafter(np.arange(4.0), 9)),
      '1 of 2 arrays differ, the first of them /networks/kernel',
    ),
    (lambda run: save(run, np.arange(4.0, dtype=np.float32)), '1 of 2 arrays differ'),
  ],
)
def test_each_difference_is_named(change, says, finished, tmp_path):
  other = shutil.copytree(finished, tmp_path / 'other')
  change(other)
  found = differences(other, finished)
  assert len(found) == 1 and says in found[0], found


def test_the_best_checkpoint_is_one_in_the_middle(tmp_path):
  lines = [
    {'step': step, 'split': 'eval', 'rising': step, 'hill': hill, 'same': 1.0}
    for step, hill in ((6, 0.1), (12, 0.9), (18, 0.2))
  ]
  (tmp_path / 'metrics.jsonl').write_text(''.join(json.dumps(line) + '\n' for line in lines))
  assert torture.best_metric(tmp_path) == ('hill', 'max')
  (tmp_path / 'metrics.jsonl').write_text(json.dumps({'step': 1, 'split': 'train', 'loss': 1.0}) + '\n')
  assert torture.best_metric(tmp_path) == (None, None)
