"""The comparison of segmentation decoders: which runs it starts, and what its table says."""
import json
import statistics

import numpy as np
from PIL import Image
import pytest

from deconv import plots
from deconv.data import scenes
from scripts import compare_segmentation as compare


def write_run(folder, miou, images_per_second, finished=True):
  folder.mkdir(parents=True)
  lines = [{'step': 10 * i, 'split': 'train', 'images_per_second': speed} for i, speed in enumerate(images_per_second)]
  lines += [{'step': 20, 'split': 'eval', 'miou': 0.1, 'boundary_iou': 0.1, 'pixel_accuracy': 0.1},
            {'step': 40, 'split': 'eval', 'miou': miou, 'boundary_iou': miou / 2, 'pixel_accuracy': 0.9}]
  (folder / 'metrics.jsonl').write_text('\n'.join(map(json.dumps, lines)))
  (folder / 'run.json').write_text(json.dumps({'finished': finished, 'batch_size': 16}))


@pytest.fixture
def no_networks(monkeypatch):
  monkeypatch.setattr(compare, 'parameters', lambda workdir: 1234567)
  monkeypatch.setattr(compare, 'predictions', lambda path, workdirs: None)


@pytest.mark.usefixtures('no_networks')
def test_the_last_evaluation_and_the_median_speed_are_read(tmp_path):
  write_run(tmp_path / 'run', 0.8, [0, 100, 400, 200])  # nothing is timed in the first line
  found = compare.read(tmp_path / 'run')
  assert found['miou'] == 0.8 and found['step'] == 40 and found['milliseconds'] == pytest.approx(1000 * 16 / 200)


@pytest.mark.usefixtures('no_networks')
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


def test_a_short_run_makes_table_and_picture(tmp_path, capsys):
  tiny = {'data.image_size': 32, 'model.width': 4, 'train.steps': 2, 'eval.batch_size': 100}
  status = compare.main([f'--out={tmp_path}', '--sources=scenes', '--seeds=3', '--only=FCN-8s', '--',
                         *(f'--config.{name}={value}' for name, value in tiny.items())])
  assert status == 0
  rows = capsys.readouterr().out.split('| network ')[1]
  assert '| FCN-8s | 0.' in rows
  config = json.loads((tmp_path / 'scenes' / 'FCN-8s' / '3' / 'config.json').read_text())
  assert config['seed'] == 3 and config['model']['skips'] == 2 and config['objective']['deep_supervision'] == 0
  picture = np.asarray(Image.open(tmp_path / 'scenes_predictions.png'))
  first_image = picture[4:4 + 64, 4:4 + 64]  # a margin of 2, everything twice as large
  expected, mask = scenes.render_scene(scenes.NUM_TRAIN, 32)
  np.testing.assert_array_equal(first_image[::2, ::2], expected)
  left = 32 * 2 + 8 + 4
  np.testing.assert_array_equal(picture[4:4 + 64:2, left:left + 64:2], plots.colour_mask(mask))
