"""The table of runs: intervals over seeds, and the refusal of numbers that do not mean the same."""

import json
import os

import pytest
from scipy import stats

from deconv.configs import base
from deconv.errors import UserError
from deconv.experiments import compare
from deconv.options import Experiment

STAMP = {
  'protocol_version': 1,
  'n_real': 50_000,
  'n_fake': 10_000,
  'split': 'train',
  'fingerprint': 'abcd',
  'network': 'lenet',
  'network_hash': '1234',
  'resizer': 'clean',
  'ema': True,
}


def run(folder, metrics, seed=0, step=100, width=32, name='00000100.json', versions=None, **stamp):
  """Writes what compare reads of a run."""
  config = base.get_config(model='dcgan')
  config.seed, config.model.width = seed, width
  os.makedirs(folder / 'evaluation', exist_ok=True)
  (folder / 'config.json').write_text(json.dumps(Experiment.from_config(config).to_dict()))
  report = {'step': step, 'metrics': metrics, 'protocol': {'split': 'test', 'samples': {**STAMP, **stamp}}}
  report['versions'] = versions or {'jax': '0.10.2'}
  (folder / 'evaluation' / name).write_text(json.dumps(report))
  return str(folder)


def test_intervals_over_seeds(tmp_path, capsys):
  values = [3.0, 4.0, 8.0]
  folders = [run(tmp_path / 'a' / str(i), {'lenet_fid': v, 'accuracy': 0.9}, seed=i) for i, v in enumerate(values)]
  folders.append(run(tmp_path / 'b', {'lenet_fid': 1.25, 'accuracy': 0.9}, width=64))
  compare.main(folders)
  half = stats.t.interval(0.95, 2, loc=5, scale=stats.sem(values))[1] - 5
  shown = capsys.readouterr().out.splitlines()
  assert shown[0] == '| experiment | step | seeds | lenet_fid |'
  assert shown[2] == f'| {tmp_path}/a | 100 | 3 | 5 ± {half:.2g} |'
  assert shown[3] == f'| {tmp_path}/b | 100 | 1 | 1.25 |'
  assert 'n_fake 10000, network lenet' in shown[-1] or 'n_fake 10000' in shown[-1]
  compare.main([*folders, '--json', '--metric=accuracy'])
  rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
  assert [row['seeds'] for row in rows] == [[0, 1, 2], [0]] and rows[0]['accuracy'] == pytest.approx(0.9)


@pytest.mark.parametrize(
  'field, value',
  [
    ('n_real', 10_000),
    ('n_fake', 50_000),
    ('split', 'test'),
    ('fingerprint', 'efgh'),
    ('network', 'inception'),
    ('network_hash', '5678'),
    ('resizer', 'legacy_pytorch'),
    ('ema', False),
    ('reference', 'file'),
    ('protocol_version', 2),
  ],
)
def test_unlike_rows_are_refused_by_name(tmp_path, field, value, capsys):
  folders = [run(tmp_path / 'a', {'fid': 1.0}), run(tmp_path / 'b', {'fid': 2.0}, width=64, **{field: value})]
  with pytest.raises(SystemExit) as stopped:
    compare.main(folders)
  told = capsys.readouterr()
  assert stopped.value.code == 2 and not told.out
  assert f'they differ in {field} (' in told.err and f'--despite={field}' in told.err and str(value) in told.err
  compare.main([*folders, f'--despite={field},seed'])
  assert '| 2 |' in capsys.readouterr().out


def test_a_field_of_one_metric_does_not_concern_another(tmp_path):
  folders = [run(tmp_path / name, {'fid': 1.0, 'recall': 0.5}, neighbours=k) for name, k in (('a', 3), ('b', 5))]
  runs = [compare.read(folder) for folder in folders]
  compare.check_alike(runs, metrics=['fid'])
  for metrics in (['fid', 'recall'], None):
    with pytest.raises(UserError, match='differ in neighbours'):
      compare.check_alike(runs, metrics=metrics)


def test_an_older_stamp_is_one_without_truncation(tmp_path):
  old, new, cut = (
    compare.read(run(tmp_path / name, {'fid': 1.0}, **stamp))
    for name, stamp in (('a', {}), ('b', {'truncation': 0.0}), ('c', {'truncation': 0.7}))
  )
  compare.check_alike([old, new])
  for runs in ([old, cut], [cut, old], [new, cut]):
    with pytest.raises(UserError, match=r'differ in truncation \('):
      compare.check_alike(runs)


def test_the_protocol_of_the_task_concerns_its_own_numbers(tmp_path, capsys):
  """Accuracy on 100 images is no accuracy on 200; the FID, of samples, is the same there."""
  folders = [run(tmp_path / name, {'fid': 1.0, 'accuracy': 0.9}, width=len(name)) for name in ('a', 'bb')]
  path = tmp_path / 'a' / 'evaluation' / '00000100.json'
  report = json.loads(path.read_text())
  report['protocol']['n'] = 100
  path.write_text(json.dumps(report))
  compare.main([*folders, '--metric=fid'])
  assert 'evaluated' not in capsys.readouterr().out
  with pytest.raises(SystemExit):
    compare.main([*folders, '--metric=fid,accuracy'])
  assert 'differ in evaluated (n None and 100' in capsys.readouterr().err.replace('n 100 and None', 'n None and 100')


def test_versions_and_what_some_tasks_have_not(tmp_path, capsys):
  one = run(tmp_path / 'a', {'fid': 1.0}, batch_stats='running')
  compare.main([one, run(tmp_path / 'b', {'fid': 2.0}, width=64)])  # a VAE has no batch norm
  other = run(tmp_path / 'c', {'fid': 2.0}, width=64, versions={'jax': '0.10.3'})
  with pytest.raises(UserError, match=r'differ in versions \(jax 0.10.2 and 0.10.3'):
    compare.check_alike([compare.read(one), compare.read(other)])


def test_the_newest_evaluation_with_the_metrics(tmp_path):
  folder = tmp_path / 'a'
  run(folder, {'fid': 1.0, 'kid': 0.5}, name='a.json')
  run(folder, {'fid': 2.0}, name='b.json')
  for i, name in enumerate(('a.json', 'b.json')):
    os.utime(folder / 'evaluation' / name, (i, i))
  assert compare.read(str(folder))['metrics']['fid'] == 2
  assert compare.read(str(folder), ('kid',))['metrics']['fid'] == 1
  with pytest.raises(UserError, match='no evaluation with precision: measure it with'):
    compare.read(str(folder), ('precision',))


def test_mistakes(tmp_path):
  one = run(tmp_path / 'a', {'fid': 1.0})
  two = run(tmp_path / 'b', {'fid': 2.0})
  with pytest.raises(UserError, match='of one experiment and one seed'):
    compare.grouped([compare.read(one), compare.read(two)], ['fid'])
  for name in ('a.json', '00000100.json'):
    (tmp_path / 'a' / 'evaluation' / name).write_text('{"metrics": ')
  with pytest.raises(UserError, match='cannot be read'):
    compare.read(one)
  with pytest.raises(UserError, match='no run'):
    compare.read(str(tmp_path / 'none'))
  with pytest.raises(SystemExit):
    compare.main([two, '--despite=resiser'])
