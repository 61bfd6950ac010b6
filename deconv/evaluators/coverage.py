"""Which classes do samples cover, by a classifier trained on real images?"""

from deconv.evaluators import samples
from deconv.evaluators.evaluator import Evaluator
from deconv.metrics import coverage
from deconv.tasks.capabilities import Generates


def measure(task, state, source, key, options):
  """Classifies samples where the source has labels; see deconv.metrics.coverage.

  Args:
    task: a Task that Generates.
    state, source, key, options: see Evaluator.

  Returns:
    ({name: number}, {}, protocol), all empty without labels and for points, of which `modes` is the measure.
  """
  if not source.num_classes or source.options.points:
    return {}, {}, {}
  drawn = samples.draw(task, state, source, key, options)
  if drawn.labels is None:
    return {}, {}, {}
  numbers, protocol = coverage.measure(drawn.samples, drawn.reference, drawn.heldout, drawn.labels, source.num_classes)
  return numbers, {}, {**drawn.protocol, **protocol}


EVALUATOR = Evaluator(measure, needs=Generates, split='train')
