"""Frechet distance of samples to the real images: FID, where the network is Inception."""

import numpy as np

from deconv.errors import UserError
from deconv.evaluators import judged, reference
from deconv.evaluators.evaluator import Evaluator
from deconv.metrics import frechet
from deconv.tasks.capabilities import MakesImages


def measure(task, state, source, key, options, network):
  """Measures the distance, that of two halves of the real images beside it, and at infinitely many samples if asked to.

  Args:
    task: a Task that Generates or Reconstructs.
    state, source, key, options, network: see Evaluator.

  Returns:
    ({'fid'; 'fid_real_halves': what real images have at half their number, left out where that is below the number of
    features; 'fid_infinity' with `eval.fid_points`}, all with the prefix of the network, {}, protocol).

  Raises:
    UserError: fewer samples or real images than features, or a self-test fails.
  """
  found = judged.judge(task, state, source, key, options, network)
  real, moments = found.real, found.moments
  least = len(real.mean)
  if min(moments.count, real.count or least) < least:
    raise UserError(
      f'{network.prefix}fid needs as many images of each kind as {network.name} has features, {least}, and there are '
      f'{moments.count} samples and {real.count} real images: raise eval.num_samples, or measure kid, which has '
      'no bias at any number'
    )
  if options.self_tests:
    itself = frechet.of_gaussians(real.mean, real.covariance, real.mean, real.covariance)
    judged.check(itself < 1e-3, 'the Frechet distance of the real images to themselves', itself, 'less than 0.001')
  name, numbers = f'{network.prefix}fid', {}
  numbers[name] = frechet.of_gaussians(real.mean, real.covariance, moments.mean, moments.covariance)
  if options.self_tests and real.features is not None and len(real.features) // 2 >= least:
    numbers[f'{name}_real_halves'] = frechet.distance(*reference.halves(real))
  protocol = dict(found.protocol)
  if options.fid_points:
    # Against all real images: only the number of samples goes to infinity, as in the paper.
    scatter = real.covariance * max((real.count or least + 1) - 1, 1)
    line = frechet.extrapolate(
      frechet.Moments(real.mean, scatter, real.count or least + 1),
      found.features,
      points=options.fid_points,
      least=max(least, min(5000, len(found.features) // 2)),
    )
    numbers |= {f'{name}_infinity': line.distance, f'{name}_infinity_error': line.error}
    protocol['fid_points'] = options.fid_points
  return {name: float(np.float64(value)) for name, value in numbers.items()}, {}, protocol


EVALUATOR = Evaluator(measure, needs=MakesImages, split='train', looks=True)
