"""Monotone and selective latents, by codes that are known."""

import math

import numpy as np
import pytest

from deconv.data import DataOptions, open_source
from deconv.metrics import factor_sweeps


def codes(latent):
  """A latent (a function of factor rows) along the sweeps of each factor."""
  source = open_source(DataOptions(source='shapes'))
  random = np.random.RandomState(0)
  return [np.apply_along_axis(latent, -1, factor_sweeps.sweep_rows(source, factor, 20, random)) for factor in range(5)]


def test_sweeps_turn_one_factor_through_all_values():
  source = open_source(DataOptions(source='heads', image_size=8), 'unseen')
  rows = factor_sweeps.sweep_rows(source, 3, 7, np.random.RandomState(0))
  assert rows.shape == (7, 100, 4) and rows[0, :, 3].tolist() == list(range(900, 1000))
  assert (rows[:, :, :3] == rows[:, :1, :3]).all() and len(np.unique(rows[:, 0, :3], axis=0)) > 1


def test_an_oracle_is_perfect():
  assert factor_sweeps.measure(codes(lambda row: -np.exp(0.1 * row[3])), 3) == {'monotone': 1.0, 'selective': 1.0}


def test_a_latent_of_two_factors():
  found = factor_sweeps.measure(codes(lambda row: row[3] + row[4]), 3)
  assert found['monotone'] == pytest.approx(1) and found['selective'] == pytest.approx(0.5, abs=0.01)


def test_noise_and_silence():
  random = np.random.RandomState(1)
  found = factor_sweeps.measure(codes(lambda row: random.normal()), 3)
  assert found['monotone'] < 0.15 and found['selective'] == pytest.approx(0.2, abs=0.06)
  assert factor_sweeps.measure(codes(lambda row: 0.0), 3) == {'monotone': 0.0, 'selective': 0.0}


@pytest.mark.parametrize(
  'latent, expected',
  [
    ([3, 1, 2], 0.5),  # 1 - 6 (4 + 1 + 1) / (3 (9 - 1)), in absolute value
    ([1, 1, 2], math.sqrt(3) / 2),  # ranks 1.5, 1.5, 3
    ([7, 7, 7], 0),
  ],
)
def test_rank_correlation_by_hand(latent, expected):
  assert factor_sweeps.measure([[latent]], 0)['monotone'] == pytest.approx(expected)
