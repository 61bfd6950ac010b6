"""The folder of a run."""

import os

import pytest

from deconv.errors import UserError
from deconv.training.workdir import Workdir


def test_json_files_come_back(tmp_path):
  folder = Workdir(tmp_path / 'a/b')
  assert folder.config is None and folder.run is None
  folder.write_json('config.json', {'a': [1, 2.5, None]})
  folder.write_json('run.json', {'data_fingerprint': 'x'})
  again = Workdir(tmp_path / 'a/b')
  assert again.config == {'a': [1, 2.5, None]} and again.run == {'data_fingerprint': 'x'}
  assert sorted(os.listdir(tmp_path / 'a/b')) == ['config.json', 'run.json']


def test_a_place_that_cannot_be_written(tmp_path):
  (tmp_path / 'file').write_text('')
  for place in (tmp_path / 'file', tmp_path / 'file/below', '/proc/nowhere'):
    with pytest.raises(UserError, match='cannot write to the workdir.*choose another'):
      Workdir(place)


def test_checkpoints_of_nobody_knows_what(tmp_path):
  os.makedirs(tmp_path / 'checkpoints/5')
  with pytest.raises(UserError, match='no config.json'):
    Workdir(tmp_path)


def test_a_broken_file_is_named(tmp_path):
  (tmp_path / 'config.json').write_text('{"a":')
  with pytest.raises(UserError, match='config.json'):
    Workdir(tmp_path)


def test_a_name_that_is_not_utf_8(tmp_path):
  with pytest.raises(UserError, match='not UTF-8; choose another'):
    Workdir(f'{tmp_path}/\udce9')
  assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
  'made, works',
  [
    ((), False),
    (('checkpoints',), False),
    (('checkpoints/5.orbax-checkpoint-tmp',), False),
    (('checkpoints/5',), True),
    (('checkpoints/damaged-5',), True),
  ],
)
def test_where_nothing_was_saved_another_config_and_other_data_start_anew(tmp_path, made, works):
  folder = Workdir(tmp_path)
  folder.write_json('config.json', {'seed': 0})
  folder.write_json('run.json', {'data_fingerprint': 'x'})
  for name in made:
    os.makedirs(tmp_path / name)
  folder = Workdir(tmp_path)
  assert folder.has_work == works
  if works:
    with pytest.raises(UserError, match='seed: 0 -> 1'):
      folder.check_config({'seed': 1})
    with pytest.raises(UserError, match='the data have changed'):
      folder.check_data({'data_fingerprint': 'y'})
  else:
    assert folder.check_config({'seed': 1}) == ['seed: 0 -> 1']
    folder.check_data({'data_fingerprint': 'y'})
  assert folder.check_config({'seed': 0}) == [] == folder.check_config({'seed': 1}, allow_change=True)


def test_a_finished_run_is_work(tmp_path):
  Workdir(tmp_path).write_json('run.json', {'finished': True})
  assert Workdir(tmp_path).has_work


def test_one_run_at_a_time(tmp_path):
  first, second = Workdir(tmp_path), Workdir(tmp_path)
  first.lock()
  with pytest.raises(UserError, match='another run'):
    second.lock()
  first.unlock()
  second.lock()
  second.unlock()


@pytest.mark.parametrize('name', ['config.json', 'run.json'])
@pytest.mark.parametrize('content', ['[1, 2]', '"text"', 'null', '{"earlier": 3}'])
def test_files_of_another_shape(tmp_path, name, content):
  (tmp_path / name).write_text(content)
  with pytest.raises(UserError, match='is not what a run writes'):
    Workdir(tmp_path)
