"""How many Gaussians of a mixture do samples cover, and how many samples lie on one of them?"""

import numpy as np

REACH = 3.0  # a good sample is at most so many standard deviations from its nearest centre
LEAST_SHARE = 0.1  # a mode is covered by at least this share of what it would get if all modes were equal


def measure(samples, centres, sigma):
  """Compares points with a mixture of equally likely round Gaussians of the plane.

  good_samples: share of the samples within REACH * sigma of a centre (Srivastava et al. 2017, VEEGAN, section 4.1). Of
    the mixture's own points it is 1 - exp(-4.5) = 0.989.
  modes: number of centres with at least LEAST_SHARE of the samples that each would get if all were good and the modes
    equal: 10 of 2,500 for 25 modes.
  modes_touched: number of centres with at least one good sample, as VEEGAN and PacGAN (Lin et al. 2018) count. Noise
    all over the square touches most of 25 modes with 2,500 samples, so `modes` asks for more.

  Args:
    samples: floats (n, 2).
    centres: floats (modes, 2), no two of which are nearer than 2 * REACH * sigma.
    sigma: standard deviation of each coordinate.

  Returns:
    ({'modes', 'modes_touched', 'good_samples'}, protocol).
  """
  samples, centres = np.asarray(samples, np.float64), np.asarray(centres, np.float64)
  distances = np.linalg.norm(samples[:, None] - centres, axis=-1)  # n modes
  nearest = distances.argmin(axis=-1)
  good = distances[np.arange(len(samples)), nearest] <= REACH * sigma  # nowhere for not-a-number
  counts = np.bincount(nearest[good], minlength=len(centres))
  least = LEAST_SHARE * len(samples) / len(centres)
  numbers = {
    'modes': int(np.sum((counts >= least) & (counts > 0))),
    'modes_touched': int(np.sum(counts > 0)),
    'good_samples': float(np.mean(good)),
  }
  protocol = {
    'good_is': f'within {REACH:g} standard deviations of a mode',
    'modes_is': f'number of {len(centres)} modes with at least {least:g} good samples; touched: with one',
    'class_counts': [int(n) for n in counts],
  }
  return numbers, protocol
