"""How alike are samples to each other, beside real images? Mean MS-SSIM of random pairs."""

from deconv.errors import UserError
from deconv.evaluators import samples
from deconv.evaluators.evaluator import Evaluator
from deconv.metrics import image_quality
from deconv.tasks.capabilities import Generates

_PAIRS = 1000


def measure(task, state, source, key, options):
  """Measures pairs of samples and pairs of real images; see deconv.metrics.image_quality.pair_similarity.

  Args:
    task: a Task that Generates.
    state, source, key, options: see Evaluator.

  Returns:
    ({'ms_ssim_pairs', 'ms_ssim_pairs_real'}: means, 1 for one image over and over; {}; protocol).

  Raises:
    UserError: fewer than two samples, or images of less than 11 pixels a side.
  """
  drawn = samples.draw(task, state, source, key, options)
  if len(drawn.samples) < 2:
    raise UserError('pairs need two samples or more: raise eval.num_samples')
  fake, _, scales = image_quality.pair_similarity(drawn.samples, pairs=_PAIRS)
  real, _, _ = image_quality.pair_similarity(drawn.reference, pairs=_PAIRS)
  protocol = {**drawn.protocol, 'pairs': _PAIRS, 'ms_ssim_scales': scales}
  return {'ms_ssim_pairs': fake, 'ms_ssim_pairs_real': real}, {}, protocol


EVALUATOR = Evaluator(measure, needs=Generates, split='train')
