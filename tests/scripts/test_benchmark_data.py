"""What the benchmark of the data prints and saves: every way, with its median, slowest and fastest round."""

import itertools
import json
import sys

import pytest

from scripts import benchmark_data, result_files


def test_rates_are_summed_up_and_saved(tmp_path, monkeypatch, capsys):
  save, rates = tmp_path / 'data.json', itertools.count(10.0, 10.0)
  monkeypatch.setattr(benchmark_data, '_rate', lambda batches, steps: next(rates))  # 5 ways are timed in each round
  monkeypatch.setattr(sys, 'argv', ['benchmark_data', '--images=130', '--rounds=3', '--workers=1', f'--save={save}'])
  benchmark_data.main()
  shown = capsys.readouterr().out
  saved = json.loads(save.read_text())
  result_files.check(saved, save)
  rows = {row['name']: row['values'] for row in saved['rows']}
  assert len(rows) == 6 and all(name in shown for name in rows)
  assert rows['batches from memory'] == {'images_per_second': 60.0, 'slowest': 10.0, 'fastest': 110.0}
  assert rows['zip, processes'] == {'images_per_second': 100.0, 'slowest': 50.0, 'fastest': 150.0}
  assert rows['decode into memory (once, at the start)']['slowest'] > 0


def test_a_wrong_name_is_refused_before_anything_is_measured(monkeypatch, capsys):
  monkeypatch.setattr(sys, 'argv', ['benchmark_data', '--save=data'])
  monkeypatch.setattr(benchmark_data, '_make', None)
  with pytest.raises(SystemExit) as stopped:
    benchmark_data.main()
  assert stopped.value.code == 2 and 'ends in .json' in capsys.readouterr().err
