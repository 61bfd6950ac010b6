"""The benchmarks run, say what they lack, and time what they say: the programs of all implementations agree."""

import json
import subprocess
import sys
import time

import numpy as np
import pytest

from scripts import benchmark_ops, reproduce_reports, result_files

SMALL = [
  benchmark_ops.Case('square', 2, (3, 4), (4, 4), 2, 1, 1, 1, 1, 3, 2),
  benchmark_ops.Case('groups', 2, (5,), (3,), 2, 1, 1, 2, 2, 4, 6),
]


@pytest.mark.parametrize('case', SMALL, ids=lambda case: case.name)
def test_implementations_compute_the_same(case):
  operands = benchmark_ops.arrays(case)
  names = ['ours', 'lax', 'drop-in', 'zero padding']
  runs = benchmark_ops.runners(case, names)
  for part in benchmark_ops.PARTS:
    ours, *others = (runs[name, part]() for name in names)
    for other in others:
      for a, b in zip(ours if part == 'all' else [ours], other if part == 'all' else [other]):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
  if benchmark_ops.installed('torch'):
    _, want_dx, want_dk = runs['ours', 'all']()
    for last in (False, True):
      dx, dk = benchmark_ops.torch_runners(case, operands, last)['all']()
      np.testing.assert_allclose(np.moveaxis(dx.numpy(), 1, -1), want_dx, rtol=1e-4, atol=1e-4)
      np.testing.assert_allclose(np.moveaxis(dk.numpy(), (0, 1), (-2, -1)), want_dk, rtol=1e-4, atol=1e-4)


def test_rounds_and_ratios():
  ticks = {('ours', 'all'): lambda calls: None, ('lax', 'all'): lambda calls: None}
  times = benchmark_ops.measure(ticks, 3)
  assert [len(v) for v in times.values()] == [3, 3]
  assert benchmark_ops.ratio({('ours', 'all'): [1.0, 2.0], ('lax', 'all'): [3.0, 8.0]}, 'ours', 'lax', 'all') == 3.5
  assert benchmark_ops.ratio({('ours', 'all'): [1.0, 3.0], ('lax', 'all'): [8.0]}, 'ours', 'lax', 'all') == 4


def test_the_faster_layout_of_pytorch_counts():
  pause = lambda seconds: lambda calls: time.sleep(seconds)
  runs = {('torch', 'dx'): pause(0.02), ('torch', 'dw'): pause(0.001)}
  runs |= {(benchmark_ops.TORCH_LAST, 'dx'): pause(0.001), (benchmark_ops.TORCH_LAST, 'dw'): pause(0.02)}
  times = benchmark_ops.measure(runs, 3)
  assert set(times) == {('torch', 'dx'), ('torch', 'dw')}
  assert max(times['torch', 'dx']) < 0.02 and max(times['torch', 'dw']) < 0.02


def test_counts_by_hand():
  # 2 images * 12 pixels * 16 taps * 3 * 2 channels, a product and a sum each
  assert benchmark_ops.gflop(SMALL[0], 'dx') == pytest.approx(2 * 2 * 12 * 16 * 6 * 1e-9)
  assert benchmark_ops.gflop(reproduce_reports.REPORTS['jax 31662'].case, 'forward') == pytest.approx(0.453, rel=1e-3)


def test_command_line(tmp_path):
  command = [sys.executable, '-m', 'scripts.benchmark_ops', '--repeats=1']
  save = tmp_path / 'ops.json'
  one = [*command, '--json', '--cases=depthwise', '--implementations=']
  done = subprocess.run([*one, f'--save={save}'], capture_output=True, text=True, check=False)
  row = json.loads(done.stdout.splitlines()[0])
  assert row['name'] == 'depthwise 4x4/2' and set(row['gflops']['ours']) == {'forward', 'dx', 'dw', 'all'}
  assert row['share'] > 0
  saved = json.loads(save.read_text())
  result_files.check(saved, save)
  assert saved['rows'][0]['values']['seconds.ours.all'] == row['seconds']['ours']['all']
  assert saved['recorded'] == 'by scripts.benchmark_ops' and str(tmp_path) not in save.read_text()
  assert saved['device']['processor'] and saved['versions']['jax'] and saved['protocol']['rounds'] == 1
  done = subprocess.run([*one, '--memory=both', f'--save={save}'], capture_output=True, text=True, check=False)
  row = json.loads(done.stdout.splitlines()[0])
  values = json.loads(save.read_text())['rows'][0]['values']
  assert values['returned.seconds.ours.all'] == row['returned']['seconds']['ours']['all'] > 0
  assert values['seconds.ours.all'] == row['seconds']['ours']['all'] != values['returned.seconds.ours.all']
  done = subprocess.run([*one, '--save=ops'], capture_output=True, text=True, check=False)
  assert done.returncode and 'ends in .json' in done.stderr
  done = subprocess.run([*command, '--cases=nonsense'], capture_output=True, text=True, check=False)
  assert done.returncode and 'No case begins with' in done.stdout + done.stderr
