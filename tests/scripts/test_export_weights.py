"""The weights of a run: its last evaluation and that checkpoint, read and not typed."""

import json

import jax
import numpy as np
import pytest

from deconv.errors import UserError
from deconv.experiments import command
from deconv.training import exported, loop, restore, weight_metadata
from scripts import export_weights, record_result, result_files
from tests.experiments.run_experiment import error_of, run

pytest.importorskip('safetensors')


def test_a_run_becomes_a_file(tmp_path, capsys):
  config = command.load_module('configs/fsrcnn_x2.py', '').get_config('smoke')
  changes = {'data.source': 'digits', 'data.fit': 'crop', 'data.image_size': 16, 'train.steps': 2, 'samples.every': 0}
  config.update_from_flattened_dict({**changes, 'log.tensorboard': False})
  workdir = str(tmp_path / 'run')
  loop.train(config, workdir)
  path = tmp_path / 'weights' / 'small.safetensors'
  export_weights.main([f'--workdir={workdir}', '--name=small', f'--out={path}'])
  assert f'written: {path}' in capsys.readouterr().out
  metadata = weight_metadata.load_metadata(str(path))
  lines = [json.loads(line) for line in (tmp_path / 'run' / 'metrics.jsonl').read_text().splitlines()]
  (measured,) = [line for line in lines if line['split'] == 'eval']
  assert json.loads(metadata['metrics'])['psnr'] == measured['psnr'] and metadata['step'] == '2'
  assert json.loads(metadata['protocol'])['baseline'] == 'bicubic' and json.loads(metadata['data_content'])
  options = weight_metadata.load_config(str(path))
  _, state, _ = exported.restore(options, str(path))
  _, wanted, _ = restore.restore(options, workdir)
  found, average = state.networks['net'].params['last'], wanted.networks['net'].ema['params']['last']
  np.testing.assert_array_equal(found['kernel'], average['kernel'])

  # Judged from the file alone: the numbers of the run, by its protocol.
  finished = run('evaluate', f'--weights={path}', f'--out={tmp_path / "judged"}')
  assert finished.returncode == 0, finished.stderr
  report = json.loads((tmp_path / 'judged' / '00000002.json').read_text())
  assert report['metrics'] == pytest.approx({name: measured[name] for name in report['metrics']}, rel=1e-4)
  assert report['protocol'] == json.loads(metadata['protocol']) and report['protocol']['ema'] is True
  assert f'(recorded: {measured["psnr"]:.6g})' in finished.stdout
  result_files.check(result := record_result.record([str(tmp_path / 'judged' / '00000002.json')]), 'x')
  (row,) = result['rows']
  assert (row['config'], row['step'], row['seeds']) == ('small', 2, [0])
  assert row['values']['psnr'] == report['metrics']['psnr']
  assert result['command'] == 'python -m experiments.evaluate --weights=small' and row['fields'] == {}
  assert row['values']['parameters'] == sum(x.size for x in jax.tree.leaves(state.networks['net'].params))
  assert 'leave one of the two out' in error_of(run('evaluate', f'--weights={path}', '--step=2'))

  (tmp_path / 'run' / 'metrics.jsonl').write_text('')
  report = {'step': 2, 'metrics': {'psnr': 12.5}, 'protocol': {'n': 7}, 'versions': {'jax': '1.2'}}
  (tmp_path / 'run' / 'evaluation').mkdir()
  (tmp_path / 'run' / 'evaluation' / '00000002-1a.json').write_text(json.dumps(report))
  assert export_weights.export(workdir, str(path)) == {'psnr': 12.5}  # by experiments.evaluate
  assert json.loads(weight_metadata.load_metadata(str(path))['protocol']) == {'n': 7}
  (tmp_path / 'run' / 'evaluation' / '00000002-1a.json').unlink()
  with pytest.raises(UserError, match='was never evaluated'):
    export_weights.export(workdir, str(path))
