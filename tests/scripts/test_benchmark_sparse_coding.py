"""The benchmark of sparse coding: its solvers reach one objective, and what it says of their times."""

import json
import warnings

import numpy as np
import pytest

from deconv.errors import UserError
from scripts import benchmark_ops, benchmark_sparse_coding, result_files
from scripts.benchmark_sparse_coding import OneByOne, Ours, Problem, Sporco


def problem(number=2):
  """Images that a few filters explain, with noise."""
  rng = np.random.default_rng(0)
  filters = rng.normal(size=(5, 5, 6, 1)).astype(np.float32)
  filters /= np.linalg.norm(filters, axis=(0, 1), keepdims=True)
  return Problem(rng.normal(size=(number, 16, 14, 1)).astype(np.float32), filters, 2.0)


def test_ours_reach_one_objective_and_watch_it():
  one = problem()
  for solver in (Ours(one, 'fista'), Ours(one, 'admm', rho=1.0), OneByOne(one, lambda part: Ours(part, 'fista'))):
    found = solver.objectives(200)
    assert found.shape == (200,) and found[-1] == pytest.approx(one.objective(solver.maps(200)), rel=1e-4)
    assert found[-1] == pytest.approx(one.objective(Ours(one, 'fista').maps(500)), rel=2e-3)
    assert found[0] > 1.05 * found[-1]


def test_sporco_solves_the_same_problem():
  """Its three solvers end at our objective, so borders, mask and weights are the same."""
  if not benchmark_ops.installed('sporco'):
    pytest.skip('sporco is not installed: no solver of it to compare with')
  one = problem()
  best = one.objective(Ours(one, 'fista').maps(500))
  fixed = {'rho': 3.0, 'AutoRho': {'Enabled': False}}
  with warnings.catch_warnings():
    warnings.simplefilter('ignore')
    for name, setting in (('fista', {}), ('additive_mask', fixed), ('mask_decoupling', fixed)):
      solver = Sporco(one, name, **setting)
      found = solver.objectives(150)
      assert found[-1] == pytest.approx(best, rel=5e-3), name
      assert found[-1] == pytest.approx(one.objective(solver.maps(150)), rel=1e-3), name


def test_times_are_those_of_the_first_iteration_that_is_close():
  assert benchmark_sparse_coding.reached([5.0, 3.0, 2.0, 2.5], 2.1) == 3
  assert benchmark_sparse_coding.reached([5.0, 3.0], 2.1) is None
  curves = {'a': np.array([22.0, 10.5, 10.05, 10.0]), 'b': np.array([40.0, 30.0, 20.0, 10.9])}
  times = {'a': [(1.0, 0.5), (1.0, 0.5), (9.0, 9.0)], 'b': [(0.0, 2.0)]}
  first, second = benchmark_sparse_coding.rows_of(['a', 'b'], {'a': 'x', 'b': 'y'}, curves, times, best=10.0)
  assert first['group'] == 'x' and first['values']['excess'] == 0
  assert {name: value for name, value in first['values'].items() if name.startswith('seconds')} == {
    'seconds.start': 1.0,
    'seconds.iteration': 0.5,
    'seconds.tenth': 2.0,
    'seconds.hundredth': 2.5,
    'seconds.thousandth': 3.0,
  }
  assert second['values']['seconds.tenth'] == 8.0 and 'seconds.hundredth' not in second['values']
  assert [point['step'] for point in first['history']] == [1, 2] and first['history'][1]['seconds'] == 2.0


def test_settings_are_tried_and_the_fastest_is_kept(monkeypatch):
  class Slow:
    """Needs as many iterations as its setting says; one takes as many seconds as it has threads."""

    WAYS = ({'threads': 2}, {'threads': 1})

    def __init__(self, problem, name, needs, threads=1):
      self.needs, self.threads = needs, threads

    def maps(self, iterations):
      return np.zeros((1,))

    def objectives(self, iterations):
      return np.where(np.arange(1, iterations + 1) >= self.needs, 1.0, np.nan)

  monkeypatch.setattr(benchmark_sparse_coding, 'SOLVERS', {'a': (Slow, 'a', [{'needs': n} for n in (30, 7, 90)])})
  seconds = lambda solver, turn: (0.0, float(solver.threads if isinstance(solver, Slow) else 9))
  monkeypatch.setattr(benchmark_sparse_coding, 'seconds_of', seconds)
  said = []
  found, mode = benchmark_sparse_coding.choose(problem(), problem(1), 'a', 50, 1.5, said.append)
  assert (
    found.needs == 7 and mode == 'transforms on 1 core, all images at once' and 'more than 50 iterations' in said[2]
  )


def test_a_whole_run_is_saved(tmp_path, capsys):
  save = tmp_path / 'coding.json'
  flags = ['--ours', '--images=2', '--filters=3', '--window=5', '--learned=1', '--iterations=3', '--rounds=1']
  benchmark_sparse_coding.main([*flags, '--pilot=1', f'--save={save}'])
  shown, saved = capsys.readouterr().out, json.loads(save.read_text())
  result_files.check(saved, save)
  assert [row['name'] for row in saved['rows']] == ['FISTA, ours', 'ADMM, ours'] and '| FISTA, ours |' in shown
  assert saved['protocol']['images'] == 2 and saved['protocol']['filters'] == '3 of 5x5'


def test_what_is_missing_is_said(monkeypatch):
  monkeypatch.setattr(benchmark_ops, 'installed', lambda name: False)
  with pytest.raises(UserError, match=r"sporco is not installed: pip install '.\[sporco\]', or give --ours"):
    benchmark_sparse_coding.main([])
