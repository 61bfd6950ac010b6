"""The comparison of segmentation decoders: which runs it starts, and what its table says."""
import json
import statistics

import pytest

from scripts import compare_segmentation as compare


def write_run(folder, miou, images_per_second, finished=True):
  folder.mkdir(parents=True)
  lines = [{'step': 10 * i, 'split': 'train', 'images_per_second': speed} for i, speed in enumerate(images_per_second)]
  lines += [{'step': 20, 'split': 'eval', 'miou': 0.1, 'boundary_iou': 0.1, 'pixel_accuracy': 0.1},
            {'step': 40, 'split': 'eval', 'miou': miou, 'boundary_iou': miou / 2, 'pixel_accuracy': 0.9}]
  (folder / 'metrics.jsonl').write_text('\n'.join(map(json.dumps, lines)))
  (folder / 'run.json').write_text(json.dumps({'finished': finished, 'batch_size': 16}))


@pytest.fixture(autouse=True)
def no_networks(monkeypatch):
  monkeypatch.setattr(compare, 'parameters', lambda workdir: 1234567)


def test_the_last_evaluation_and_the_median_speed_are_read(tmp_path):
  write_run(tmp_path / 'run', 0.8, [0, 100, 400, 200])  # nothing is timed in the first line
  found = compare.read(tmp_path / 'run')
  assert found['miou'] == 0.8 and found['step'] == 40 and found['milliseconds'] == pytest.approx(1000 * 16 / 200)


def test_what_is_finished_is_not_run_again_and_the_table_has_mean_and_deviation(tmp_path, monkeypatch, capsys):
  values = {'0': 0.6, '1': 0.9}
  for seed, value in values.items():
    write_run(tmp_path / 'scenes' / 'U-Net' / seed, value, [50])
  def run(arguments, check):
    workdir = next(a for a in arguments if a.startswith('--workdir=')).split('=', 1)[1]
    started.append(arguments)
    write_run(compare_path(workdir), 0.5, [100])
    return type('Finished', (), {'returncode': 0})
  started, compare_path = [], type(tmp_path)
  monkeypatch.setattr(compare.subprocess, 'run', run)
  status = compare.main([f'--out={tmp_path}', '--sources=scenes', '--seeds=0,1', '--only=U-Net,FCN-16s', '--',
                         '--config.train.steps=40'])
  assert status == 0 and len(started) == 2  # FCN-16s, two seeds
  assert {'--config.model.name=fcn', '--config.model.skips=1', '--config.seed=1', '--config.train.steps=40',
          '--config=configs/unet_scenes.py'} <= set(started[1])
  table = capsys.readouterr().out
  deviation = statistics.stdev(values.values())
  assert f'| U-Net | 0.750 ± {deviation:.3f} | 0.375 ± {deviation / 2:.3f} |' in table and '1,234,567' in table
  assert '| FCN-16s | 0.500 ± 0.000 |' in table and '| 160 |' in table
  assert json.loads((tmp_path / 'comparison.json').read_text())['scenes']['U-Net'][1]['miou'] == 0.9


def test_a_run_that_fails_ends_the_comparison(tmp_path, monkeypatch, capsys):
  monkeypatch.setattr(compare.subprocess, 'run', lambda *args, **options: type('Finished', (), {'returncode': 2}))
  assert compare.main([f'--out={tmp_path}', '--seeds=0']) == 2
  assert 'did not end' in capsys.readouterr().err
