"""A result comes from the files of runs: seeds become mean and deviation; what does not belong together is refused."""

import json
import sys

import pytest

from deconv.errors import UserError
from deconv.experiments import sweep
from scripts import record_result, result_files
from tests.training import tiny


@pytest.fixture
def no_networks(monkeypatch):
  monkeypatch.setattr(sweep, 'parameters', lambda workdir: 1234)


def write_run(folder, seed, miou, words=(), **about):
  """Writes what the exporter reads of a run."""
  folder.mkdir(parents=True)
  lines = [
    {'step': 20, 'split': 'train', 'loss': 1.0, 'images_per_second': 200.0},
    {'step': 20, 'split': 'eval', 'miou': miou / 2},
    {'step': 40, 'split': 'eval', 'miou': miou, 'broken': None},
  ]
  (folder / 'metrics.jsonl').write_text(''.join(json.dumps(line) + '\n' for line in lines))
  config = {'seed': seed, 'train': {'steps': 40}, 'data': {'path': '/secret'}, 'model': {'depth': 3}}
  (folder / 'config.json').write_text(json.dumps(config))
  command = ['python', '-m', 'experiments.main', '--config=configs/unet_scenes.py:dice', f'--workdir={folder}']
  record = {
    'started': '2026-01-02T03:04:05+00:00',
    'command': [*command, f'--config.seed={seed}', '--config.data.path=/secret', *words],
    'git_commit': 'c' * 40,
    'git_changed_files': 0,
    'versions': {'jax': '1.2'},
    'machine': {'cores': 2, 'processor': 'X', 'instructions': 'AVX2', 'system': 'secret'},
    'devices': {'platform': 'gpu', 'kind': 'H100', 'count': 1, 'processes': 1},
    'batch_size': 8,
    'steps': 40,
    'earlier': [],
    'first_step_seconds': 3.0,
    'finished_seconds': 60.0,
    'finished': True,
    'evaluation': {'step': 40, 'protocol': {'split': 'test', 'n': 500, 'class_counts': [seed, 1]}},
  }
  (folder / 'run.json').write_text(json.dumps({**record, **about}))
  return str(folder)


@pytest.mark.usefixtures('no_networks')
def test_seeds_become_one_row(tmp_path):
  folders = [write_run(tmp_path / str(seed), seed, miou) for seed, miou in ((2, 0.9), (0, 0.5), (1, 0.7))]
  folders += [write_run(tmp_path / 'deep', 0, 0.25, ['--config.model.depth', '3'], earlier=[{}])]
  result = record_result.record(folders, 'nothing else ran')
  result_files.check(result, 'x')
  row, deep = result['rows']
  assert (row['name'], row['config'], row['variant'], row['fields']) == ('unet_scenes:dice', 'unet_scenes', 'dice', {})
  assert row['seeds'] == [0, 1, 2] and row['step'] == 40
  assert row['values']['miou'] == {'mean': pytest.approx(0.7), 'std': pytest.approx(0.2), 'each': [0.5, 0.7, 0.9]}
  assert row['values']['milliseconds'] == 40.0 and row['values']['parameters'] == 1234
  assert row['values']['finished_seconds']['mean'] == 60.0
  assert [at['step'] for at in row['history']] == [20, 40] and row['history'][0]['miou']['mean'] == pytest.approx(0.35)
  assert deep['fields'] == {'model.depth': 3} and deep['name'] == 'unet_scenes:dice (model.depth=3)'
  assert deep['values']['miou'] == 0.25 and 'finished_seconds' not in deep['values']  # it was interrupted
  assert result['device']['accelerator'] == 'H100' and result['device']['load'] == 'nothing else ran'
  assert result['protocol'] == {'split': 'test', 'n': 500} and result['commit'] == 'c' * 40
  assert 'secret' not in json.dumps(result) and str(tmp_path) not in json.dumps(result)


@pytest.mark.usefixtures('no_networks')
def test_a_later_evaluation_stands_in_place_of_the_last(tmp_path):
  folder = write_run(tmp_path / 'a', 0, 0.5)
  again = {'metrics': {'miou': 0.55, 'nll': 80.0}, 'protocol': {'importance_samples': 500}}
  (tmp_path / 'a' / 'evaluation').mkdir()
  (tmp_path / 'a' / 'evaluation' / '00000020.json').write_text(json.dumps({'metrics': {'miou': 0.1}, 'protocol': {}}))
  (tmp_path / 'a' / 'evaluation' / '00000040.json').write_text(json.dumps(again))
  result = record_result.record([folder])
  assert result['rows'][0]['values']['miou'] == 0.55 and result['rows'][0]['values']['nll'] == 80.0
  assert result['protocol'] == {'split': 'test', 'n': 500, 'importance_samples': 500}
  completed = {'metrics': {'completion_l1_hole': 0.1}, 'protocol': {'completed': 64}}
  (tmp_path / 'a' / 'completion').mkdir()
  (tmp_path / 'a' / 'completion' / '00000040.json').write_text(json.dumps(completed))
  result = record_result.record([folder])
  assert result['rows'][0]['values']['completion_l1_hole'] == 0.1 and result['rows'][0]['values']['miou'] == 0.55
  assert result['protocol']['completion'] == {'completed': 64} and result['protocol']['n'] == 500


def write_evaluation(folder, name, fid, **samples):
  """Writes what experiments.evaluate writes of a run."""
  report = {
    'step': 40,
    'overrides': {'eval.num_samples': samples['n_fake'], 'eval.features_path': '/secret', 'eval.evaluators': ['fid']},
    'metrics': {'lenet_fid': fid},
    'protocol': {'n': 500, 'samples': {'protocol_version': 1, 'class_counts': [1], **samples}},
    'versions': {'jax': '1.2'},
  }
  (tmp := folder / 'evaluation').mkdir(exist_ok=True)
  (tmp / name).write_text(json.dumps(report))
  return str(tmp / name)


@pytest.mark.usefixtures('no_networks')
def test_an_evaluation_with_other_fields_is_a_row(tmp_path):
  few, many = [], []
  for seed in (0, 1):
    folder = tmp_path / str(seed)
    write_run(folder, seed, 0.5)
    few.append(write_evaluation(folder, '00000040-1a.json', 2.0 + seed, n_fake=100, resizer='clean'))
    many.append(write_evaluation(folder, '00000040-2b.json', 1.0 + seed, n_fake=900, resizer='clean'))
  (row,) = (result := record_result.record(few))['rows']
  result_files.check(result, 'x')
  assert row['fields'] == {'eval.num_samples': 100} and row['seeds'] == [0, 1] and row['history'] == []
  assert row['values']['lenet_fid']['each'] == [2.0, 3.0] and 'miou' not in row['values']
  assert result['protocol']['samples'] == {'protocol_version': 1, 'n_fake': 100, 'resizer': 'clean'}
  assert 'secret' not in json.dumps(result)
  with pytest.raises(UserError, match=r'n_fake \(100 and 900'):
    record_result.record(few + many)
  result = record_result.record(few + many, despite=['n_fake'])
  assert [row['fields']['eval.num_samples'] for row in result['rows']] == [100, 900]
  assert result['protocol']['samples'] == {'protocol_version': 1, 'resizer': 'clean'}
  with pytest.raises(UserError, match='there is no file'):
    record_result.record([str(tmp_path / '0' / 'evaluation' / '00000040-3c.json')])


@pytest.mark.usefixtures('no_networks')
def test_a_sweep_has_its_labels(tmp_path):
  for seed in (0, 1):
    write_run(tmp_path / 'scenes' / 'no_skip' / str(seed), seed, 0.5 + seed / 10)
  found = {'scenes': {'no skip': {'0': {'workdir': 'elsewhere'}, '1': {'workdir': 'elsewhere'}}}}
  (tmp_path / 'results.json').write_text(json.dumps(found))
  (row,) = record_result.record([str(tmp_path)])['rows']
  assert (row['group'], row['name'], row['seeds']) == ('scenes', 'no skip', [0, 1])
  assert row['values']['miou']['mean'] == pytest.approx(0.55)


@pytest.mark.usefixtures('no_networks')
def test_what_does_not_belong_together_is_refused(tmp_path):
  good = write_run(tmp_path / 'a', 0, 0.5)
  wrong = {
    'seed 0 of unet_scenes is there twice': write_run(tmp_path / 'b', 0, 0.5),
    'is not finished': write_run(tmp_path / 'c', 1, 0.5, finished=False),
    'do not come from one commit': write_run(tmp_path / 'd', 1, 0.5, git_commit='d' * 40),
    'do not come from one machine': write_run(tmp_path / 'e', 1, 0.5, machine={'cores': 8}),
    'does not say which config': write_run(tmp_path / 'f', 1, 0.5, command=['python']),
    'there is no run in': str(tmp_path / 'nowhere'),
  }
  for words, folder in wrong.items():
    with pytest.raises(UserError) as error:
      record_result.record([good, folder])
    assert words in str(error.value)
  with pytest.raises(UserError, match='without folders'):
    record_result.main([good, '--name=../x'])


@pytest.mark.usefixtures('no_networks')
def test_what_the_loop_writes_is_what_is_read(tmp_path, monkeypatch, capsys):
  words = ['python', '-m', 'experiments.main', '--config=configs/vae_digits.py:smoke', f'--workdir={tmp_path}']
  monkeypatch.setattr(sys, 'orig_argv', words)
  tiny.train(tiny.make_config(seed=3), tmp_path / 'run')
  monkeypatch.setattr(result_files, 'FOLDER', tmp_path)
  assert record_result.main([f'{tmp_path}/run', '--name=tried']) == 0
  assert 'tried.json' in capsys.readouterr().out
  result = result_files.load('tried')
  (row,) = result['rows']
  lines = [json.loads(line) for line in (tmp_path / 'run' / 'metrics.jsonl').read_text().splitlines()]
  errors = [line['error'] for line in lines if line['split'] == 'eval']
  assert row['name'] == 'vae_digits:smoke' and row['seeds'] == [3] and row['step'] == 20
  assert row['values']['error'] == errors[-1] and [at['error'] for at in row['history']] == errors
  assert 0 < row['values']['first_step_seconds'] < row['values']['finished_seconds']
  assert result['protocol'] == {'split': 'test', 'n': 297}
  assert result['device']['processor'] and result['device']['accelerator'] is None and result['versions']['jax']
