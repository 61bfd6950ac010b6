"""Nearest real neighbours of samples: does the generator copy its training set?"""

from deconv import plots
from deconv.evaluators import samples
from deconv.evaluators.evaluator import Evaluator
from deconv.metrics import neighbours
from deconv.tasks.capabilities import Generates

SHOWN = 32  # samples in the picture


def measure(task, state, source, key, options):
  """Compares samples with the real images nearest to them; see deconv.metrics.neighbours.

  Args:
    task: a Task that Generates.
    state, source, key, options: see Evaluator.

  Returns:
    ({name: number}, {'neighbours': uint8 image}, protocol), all empty for points of the plane.
  """
  if source.options.points:
    return {}, {}, {}
  drawn = samples.draw(task, state, source, key, options)
  numbers, matches = neighbours.compare(drawn.samples, drawn.reference, drawn.heldout)
  picture = neighbours.picture(drawn.samples[:SHOWN], drawn.reference[matches[:SHOWN]])
  stamp = [
    _how_made(drawn.protocol),
    f'odd rows: samples; under each its nearest of {len(drawn.reference)} images of {source.name}',
  ]
  protocol = {**drawn.protocol, 'distance': neighbours.PROTOCOL}
  return numbers, {'neighbours': plots.caption(picture, '\n'.join(stamp))}, protocol


def _how_made(protocol):
  """Says in a line what the samples are, as far as the task says it."""
  parts = [f'{protocol["num_samples"]} samples', f'step {protocol["step"]}']
  if 'ema' in protocol:
    parts.append('EMA' if protocol['ema'] else 'no EMA')
  if 'batch_stats' in protocol:
    parts.append(f'{protocol["batch_stats"]} statistics')
  return ', '.join([*parts, f'seed {protocol["seed"]}'])


EVALUATOR = Evaluator(measure, needs=Generates, split='train')
