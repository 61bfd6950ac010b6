"""Do single latents stand for single factors? Scores of the encoder where the data set knows its factors."""

import jax
import numpy as np

from deconv.evaluators.evaluator import Evaluator
from deconv.metrics import disentanglement
from deconv.tasks.capabilities import Encodes


def measure(task, state, source, key, options):
  """Scores the posterior means.

  Args:
    task: a task that Encodes.
    state: State.
    source: Source; nothing is measured where it has no factors.
    key: PRNG key, of the images.
    options: deconv.options.EvalOptions; num_samples is the number of images.

  Returns:
    ({name: number}, {}, protocol), see deconv.metrics.disentanglement.
  """
  if not source.factor_sizes:
    return {}, {}, {}
  seed = int(np.asarray(jax.random.key_data(key)).astype(np.uint32).ravel()[-1])
  numbers, protocol = disentanglement.measure(
    lambda images: task.means(state, images), source, options.num_samples, seed
  )
  return numbers, {}, protocol


EVALUATOR = Evaluator(measure, needs=Encodes)
