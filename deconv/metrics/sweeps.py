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
  correlations = [_spearman(row) for row in own]
  variances = np.array([np.mean(np.var(np.asarray(values, np.float64), axis=1)) for values in sweeps])
  total = variances.sum()
  return {'monotone': float(abs(np.mean(correlations))), 'selective': float(variances[factor] / total) if total else 0.}


def _spearman(values):
  """Rank correlation of values with their place, equal values sharing their mean rank; 0 for constant ones."""
  if np.ptp(values) == 0:
    return 0.
  _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
  ranks = (np.cumsum(counts) - (counts + 1) / 2)[place]
  return np.corrcoef(ranks, np.arange(len(values)))[0, 1]
