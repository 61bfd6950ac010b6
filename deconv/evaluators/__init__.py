"""What is measured beyond a step's sums: EVALUATORS maps a name in `config.eval.evaluators` to an Evaluator."""

from deconv.evaluators import (
  coverage,
  disentanglement,
  diversity,
  factor_sweeps,
  fid,
  inception_score,
  kid,
  memorisation,
  neighbours,
  prdc,
  whole_restoration,
  whole_segmentation,
)

EVALUATORS = {
  'neighbours': neighbours.EVALUATOR,
  'coverage': coverage.EVALUATOR,
  'fid': fid.EVALUATOR,
  'kid': kid.EVALUATOR,
  'prdc': prdc.EVALUATOR,
  'inception_score': inception_score.EVALUATOR,
  'diversity': diversity.EVALUATOR,
  'memorisation': memorisation.EVALUATOR,
  'disentanglement': disentanglement.EVALUATOR,
  'factor_sweeps': factor_sweeps.EVALUATOR,
  'whole_segmentation': whole_segmentation.EVALUATOR,
  'whole_restoration': whole_restoration.EVALUATOR,
}
