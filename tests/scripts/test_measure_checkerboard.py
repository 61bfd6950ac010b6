"""scripts/measure_checkerboard.py runs, at initialisation and on a trained run, and says what is wrong."""

import json

import numpy as np
import pytest

from scripts import measure_checkerboard, result_files


def _run(monkeypatch, *arguments):
  monkeypatch.setattr(measure_checkerboard, 'WIDTH', 4)
  measure_checkerboard.main(arguments)


def test_initial_kinds(monkeypatch, capsys, tmp_path):
  _run(
    monkeypatch,
    '--kinds=deconv3,resize_nearest',
    '--seeds=1',
    '--num=32',
    '--strides=2',
    '--json',
    f'--pictures={tmp_path}',
    f'--save={tmp_path}/saved.json',
  )
  lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith('{')]
  rows = {row['name']: row for row in map(json.loads, lines)}
  assert set(rows) == {'deconv3', 'resize_nearest'}
  assert all(np.isfinite(row['checkerboard_db']) for row in rows.values())
  assert rows['deconv3']['checkerboard_db'] > rows['resize_nearest']['checkerboard_db'] + 10
  assert (tmp_path / 'deconv3.png').exists()
  saved = json.loads((tmp_path / 'saved.json').read_text())
  result_files.check(saved, 'saved.json')
  assert [row['name'] for row in saved['rows']] == ['deconv3', 'resize_nearest', 'real images']
  assert saved['rows'][0]['values']['checkerboard_db'] == rows['deconv3']['checkerboard_db']


def test_mistakes_are_one_sentence(monkeypatch, capsys, tmp_path):
  for arguments, words in ((('--kinds=deconv6',), 'deconv5'), ((f'--workdir={tmp_path}',), 'no run in')):
    with pytest.raises(SystemExit) as stopped:
      _run(monkeypatch, *arguments)
    error = capsys.readouterr().err
    assert stopped.value.code == 2 and words in error and error.count('\n') == 1
