"""Which Gaussians of a mixture do the samples cover?"""

import numpy as np

from deconv import plots
from deconv.data.rendered.gaussians import GaussianSource
from deconv.evaluators.evaluator import Evaluator
from deconv.metrics import modes
from deconv.tasks.capabilities import Generates


def measure(task, state, source, key, options):
  """Counts the good samples of each Gaussian; see deconv.metrics.modes.

  Args:
    task: a task that Generates.
    state: State.
    source: Source; nothing is measured where it is not a mixture of Gaussians.
    key: PRNG key of the samples.
    options: deconv.options.EvalOptions; num_samples of them are drawn.

  Returns:
    ({'modes', 'modes_touched', 'good_samples'}, {'modes': scatter plot of the samples, the Gaussians circled at the
    distance of a good sample}, protocol).
  """
  if not isinstance(source, GaussianSource):
    return {}, {}, {}
  samples = np.asarray(task.sample(state, key, options.num_samples)).reshape(-1, 2)
  numbers, protocol = modes.measure(samples, source.centres, source.sigma)
  half = 1.25 * np.abs(source.centres).max()
  picture = plots.scatter(samples, circles=(source.centres, modes.REACH * source.sigma), half=half)
  text = (
    f'{source.name}, step {int(state.step)}: {numbers["modes"]} of {len(source.centres)} modes, '
    f'{100 * numbers["good_samples"]:.1f} % good samples of {len(samples)}'
  )
  about = {'source': source.name, 'num_samples': len(samples), **task.sampling_protocol(state), **protocol}
  return numbers, {'modes': plots.caption(picture, text)}, about


EVALUATOR = Evaluator(measure, needs=Generates)
