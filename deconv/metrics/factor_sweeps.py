"""Does a latent follow its factor, and no other? Measured on sweeps: images that differ in one factor alone."""

import numpy as np


def sweep_rows(source, factor, scenes, random):
  """Draws scenes and sweeps one factor through all of its values.

  Args:
    source: deconv.data.rendered.factors.FactorSource.
    factor: index of the factor.
    scenes: number of scenes.
    random: numpy RandomState.

  Returns:
    int (scenes, values, factors).
  """
  values = source.factor_sizes[factor]
  rows = np.repeat(source.sample_factors(random, scenes)[:, None], values, axis=1)
  rows[:, :, factor] = source.factor_offsets[factor] + np.arange(values)
  return rows


def measure(sweeps, factor):
  """Scores a latent.

  monotone: the mean over scenes of Spearman's rank correlation of latent and factor, as an absolute value: 1 when the
    latent rises (or falls) with the factor in all scenes, about 0 when it ignores it.
  selective: the variance of the latent within the sweeps of its own factor, as a share of the sum of its variances
    within the sweeps of all factors: 1 when it is flat in the others, 1 / factors when it has no preference.

  Args:
    sweeps: for each factor, the latent along its sweeps, (scenes, values).
    factor: index of the latent's own factor, whose values have an order.

  Returns:
    {'monotone', 'selective'}.
  """
  own = np.asarray(sweeps[factor], np.float64)
  correlations = [_rank_correlation(row) for row in own]
  variances = np.array([np.mean(np.var(np.asarray(values, np.float64), axis=1)) for values in sweeps])
  total = variances.sum()
  return {
    'monotone': float(abs(np.mean(correlations))),
    'selective': float(variances[factor] / total) if total else 0.0,
  }


def _rank_correlation(values):
  """Spearman's correlation of values with their place; 0 for constant ones, which have none."""
  from scipy import stats

  return stats.spearmanr(values, np.arange(len(values))).statistic if np.ptp(values) else 0.0
