"""Does each latent follow its own factor? One factor at a time of scenes of unseen identities is turned."""

import jax
import numpy as np

from deconv import data
from deconv.evaluators.evaluator import Evaluator
from deconv.metrics import factor_sweeps
from deconv.tasks.capabilities import TurnsKnobs


def measure(task, state, source, key, options):
  """Turns the factors and looks at the latents' means.

  Args:
    task: a task that TurnsKnobs.
    state: State.
    source: the FactorSource that is trained on; its split `unseen` is looked at.
    key: PRNG key of the scenes.
    options: deconv.options.EvalOptions; num_samples is about the number of images for each factor.

  Returns:
    ({'FACTOR_monotone', 'FACTOR_selective'} of every factor with a latent of its own, see deconv.metrics.factor_sweeps,
    and their means over the factors 'monotone' and 'selective'; {'knobs': picture}; protocol).
  """
  unseen = data.open_source(source.options, 'unseen')
  random = np.random.RandomState(np.asarray(jax.random.key_data(key)).astype(np.uint32))
  scenes = max(2, options.num_samples // max(unseen.factor_sizes[: task.num_factors - 1]))
  codes = []
  for factor, _ in enumerate(unseen.factor_sizes):
    rows = factor_sweeps.sweep_rows(unseen, factor, scenes, random)
    rows = rows[:, : max(unseen.factor_sizes[:-1])] if factor == task.num_factors - 1 else rows
    means = task.means(state, unseen.render(rows.reshape(-1, rows.shape[-1])))
    codes.append(means.reshape(*rows.shape[:2], -1))
  numbers = {}
  for factor, name in enumerate(unseen.factor_names[:-1]):
    found = factor_sweeps.measure([along[..., factor] for along in codes], factor)
    numbers.update({f'{name}_{what}': value for what, value in found.items()})
  for what in ('monotone', 'selective'):
    numbers[what] = float(np.mean([value for name, value in numbers.items() if name.endswith(f'_{what}')]))
  images = unseen.render(unseen.sample_factors(random, 2))
  protocol = {
    'split': 'unseen',
    'scenes': scenes,
    'codes': 'posterior means',
    'is': 'deconv.metrics.sweeps: |mean Spearman| in sweeps of its factor; share of the variance in them',
  }
  return numbers, {'knobs': task.knobs(state, images)}, protocol


EVALUATOR = Evaluator(measure, needs=TurnsKnobs)
