"""Kernel distance of samples to the real images, without bias at any number of them: KID, where the network is
Inception."""

from deconv.evaluators import judged, reference
from deconv.evaluators.evaluator import Evaluator
from deconv.metrics import kernel_distance
from deconv.tasks.capabilities import MakesImages


def measure(task, state, source, key, options, network):
  """Measures the distance and, beside it, that of two halves of the real images, which is 0 up to chance.

  Args:
    task: a Task that Generates or Reconstructs.
    state, source, key, options, network: see Evaluator.

  Returns:
    ({'kid', 'kid_std' over the subsets; 'kid_low' and 'kid_high', an interval of 95 % from blocks that share no image,
    where there are two of them; 'kid_real_halves'}, all with the prefix of the network, {}, protocol).

  Raises:
    UserError: fewer images than a subset has.
  """
  found = judged.judge(task, state, source, key, options, network)
  real, fake, size = found.real.need_features(), found.features, options.kid_subset_size
  name = f'{network.prefix}kid'
  mean, deviation = kernel_distance.kid(real, fake, options.kid_subsets, size)
  numbers = {name: mean, f'{name}_std': deviation}
  if min(len(real), len(fake)) >= 2 * size:
    numbers[f'{name}_low'], numbers[f'{name}_high'] = kernel_distance.interval(real, fake, size)
  if options.self_tests and len(real) // 2 >= size:
    first, second = reference.halves(found.real)
    numbers[f'{name}_real_halves'], _ = kernel_distance.kid(first, second, options.kid_subsets, size)
  protocol = {**found.protocol, 'kid_subsets': options.kid_subsets, 'kid_subset_size': size}
  return numbers, {}, protocol


EVALUATOR = Evaluator(measure, needs=MakesImages, split='train', looks=True)
