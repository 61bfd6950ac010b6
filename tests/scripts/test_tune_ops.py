"""The thresholds are those that the times ask for, and the file is one that the operators read."""

import json
import math
import subprocess
import sys

import pytest

from deconv.ops import cpu_rule
from scripts import benchmark_ops, tune_ops

CASE = next(case for case in benchmark_ops.CASES if case.name == 'dcgan 4x4/2 at 8')
RULE = cpu_rule.RULES['avx2']


def times_of(fast):
  """Times of every form of every map: 1 second for the fast ones, 2 for the others."""
  shape = tune_ops.shape_of(CASE)
  return {
    name: {form: 1.0 if form in fast else 2.0 for form in forms_of(*shape)}
    for name, (_, forms_of, _) in tune_ops.MAPS.items()
  }


def test_the_cost_is_what_the_rule_loses():
  measured = [(tune_ops.shape_of(CASE), times_of({'overlap', 'lax', 'columns'}))]
  # The table takes 'wide' for expand, and 'columns' for the other two.
  assert tune_ops.cost(RULE, measured) == pytest.approx(math.log(2))


def test_thresholds_move_until_the_fastest_forms_are_chosen():
  measured = [(tune_ops.shape_of(CASE), times_of({'overlap', 'unfolded'}))]
  rule = tune_ops.tune(RULE, measured)
  assert tune_ops.cost(rule, measured) == 0
  assert rule.thin_column > RULE.thin_column
  assert rule.lax_taps == RULE.lax_taps  # nothing asks for it
  assert tune_ops.tune(rule, measured) == rule


def test_command_line(tmp_path):
  """A rule of one layer, which a second process takes."""
  save = tmp_path / 'mine.json'
  command = [sys.executable, '-m', 'scripts.tune_ops', '--cases=one channel 4x4/2', '--repeats=1', '--name=mine']
  done = subprocess.run([*command, f'--save={save}'], capture_output=True, text=True, check=True)
  assert '| one channel 4x4/2 | expand |' in done.stdout and cpu_rule.ENVIRONMENT_VARIABLE in done.stdout
  content = json.loads(save.read_text())
  assert set(content['measured']['one channel 4x4/2']) == {'expand', 'reduce', 'correlate'}
  rule = cpu_rule.rule_of(str(save))
  assert rule.name == 'mine' and rule.fingerprint() == content['fingerprint']
  done = subprocess.run([*command[:3], '--cases=nonsense'], capture_output=True, text=True, check=False)
  assert done.returncode == 2 and 'No layer begins with' in done.stderr
