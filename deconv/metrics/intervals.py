"""How far a mean can be trusted."""

import math
import statistics


def half_width(values, level=0.95):
  """Returns half the width of Student's interval of the mean of independent values, or None for one value.

  Args:
    values: floats.
    level: the rate at which the interval covers the true mean.
  """
  if len(values) < 2:
    return None
  from scipy import stats

  return float(stats.t.ppf((1 + level) / 2, len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values)))
