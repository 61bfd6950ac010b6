"""Precision, recall, density and coverage of samples: how good they are, and how much of the data they reach."""

from deconv.evaluators import judged
from deconv.evaluators.evaluator import Evaluator
from deconv.metrics import manifold
from deconv.tasks.capabilities import MakesImages

_TESTED = 2000  # features that the self-test takes


def measure(task, state, source, key, options, network):
  """Measures the four, on as many real images as samples, and the coverage that one half of the real images has of the
  other.

  Args:
    task: a Task that Generates or Reconstructs.
    state, source, key, options, network: see Evaluator.

  Returns:
    ({'precision', 'recall', 'density', 'manifold_coverage', 'manifold_coverage_real_halves',
    'manifold_coverage_expected': what equally good samples have in the mean}, {}, protocol).

  Raises:
    UserError: no more images than neighbours, or a self-test fails.
  """
  found = judged.judge(task, state, source, key, options, network)
  real, fake, neighbours = found.real.need_features(), found.features, options.neighbours
  real = real[: len(fake)]  # recall and coverage mean the same for any two runs only where these are as many
  if options.self_tests:
    some = real[:_TESTED]
    itself = manifold.prdc(some, some, neighbours)['manifold_coverage']
    judged.check(itself == 1, 'the coverage of the real images by themselves', itself, '1')
  numbers = dict(manifold.prdc(real, fake, neighbours))
  numbers['manifold_coverage_expected'] = manifold.expected_coverage(len(real), len(fake), neighbours)
  if options.self_tests and len(real) // 2 > neighbours:
    half = len(real) // 2
    among = manifold.prdc(real[:half], real[half : 2 * half], neighbours)
    numbers['manifold_coverage_real_halves'] = among['manifold_coverage']
  return numbers, {}, {**found.protocol, 'neighbours': neighbours, 'n_manifold': len(real)}


EVALUATOR = Evaluator(measure, needs=MakesImages, split='train', looks=True)
