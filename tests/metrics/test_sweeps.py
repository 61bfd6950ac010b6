"""Monotone and selective latents, by codes that are known."""
import numpy as np
import pytest
from scipy import stats

from deconv.data import DataOptions, open_source
from deconv.metrics import sweeps


def codes(latent):
  """A latent (a function of factor rows) along the sweeps of each factor."""
  source = open_source(DataOptions(source='shapes'))
  random = np.random.RandomState(0)
  return [np.apply_along_axis(latent, -1, sweeps.sweep_rows(source, factor, 20, random)) for factor in range(5)]


def test_sweeps_turn_one_factor_through_all_values():
  source = open_source(DataOptions(source='heads', image_size=8), 'unseen')
  rows = sweeps.sweep_rows(source, 3, 7, np.random.RandomState(0))
  assert rows.shape == (7, 100, 4) and rows[0, :, 3].tolist() == list(range(900, 1000))
  assert (rows[:, :, :3] == rows[:, :1, :3]).all() and len(np.unique(rows[:, 0, :3], axis=0)) > 1


def test_an_oracle_is_perfect():
  assert sweeps.measure(codes(lambda row: -np.exp(0.1 * row[3])), 3) == {'monotone': 1., 'selective': 1.}


def test_a_latent_of_two_factors():
  found = sweeps.measure(codes(lambda row: row[3] + row[4]), 3)
  assert found['monotone'] == pytest.approx(1) and found['selective'] == pytest.approx(0.5, abs=0.01)


def test_noise_and_silence():
  random = np.random.RandomState(1)
  found = sweeps.measure(codes(lambda row: random.normal()), 3)
  assert found['monotone'] < 0.15 and found['selective'] == pytest.approx(0.2, abs=0.06)
  assert sweeps.measure(codes(lambda row: 0.), 3) == {'monotone': 0., 'selective': 0.}


def test_rank_correlation_against_scipy():
  values = np.random.RandomState(2).randint(0, 6, (1, 30))
  expected = stats.spearmanr(values[0], np.arange(30)).statistic
  assert sweeps.measure([values], 0)['monotone'] == pytest.approx(abs(expected))
