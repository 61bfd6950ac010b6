"""Inception score of samples, by the logits of the feature network."""

from deconv.errors import UserError
from deconv.evaluators import judged
from deconv.evaluators.evaluator import Evaluator
from deconv.metrics import inception_score
from deconv.tasks.capabilities import MakesImages

_SPLITS = 10


def measure(task, state, source, key, options, network):
  """Measures the score in ten splits.

  Args:
    task: a Task that Generates or Reconstructs.
    state, source, key, options, network: see Evaluator.

  Returns:
    ({'inception_score', 'inception_score_std'}, with the prefix of another network than Inception, {}, protocol).

  Raises:
    UserError: the network has no logits, or there are fewer samples than splits.
  """
  found = judged.judge(task, state, source, key, options, network)
  if found.logits is None:
    raise UserError(
      f'inception_score needs class scores, which {network.name} has not: choose another eval.features, or leave it out'
    )
  name = f'{network.prefix}inception_score'
  mean, deviation = inception_score.score(found.logits, _SPLITS)
  return {name: mean, f'{name}_std': deviation}, {}, {**found.protocol, 'splits': _SPLITS}


EVALUATOR = Evaluator(measure, needs=MakesImages, split='train', looks=True)
