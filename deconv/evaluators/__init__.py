"""What is measured beyond a step's sums: EVALUATORS maps a name in `config.eval.evaluators` to an Evaluator."""

from deconv.evaluators import (
  confusion,
  coverage,
  disentanglement,
  diversity,
  factor_sweeps,
  fid,
  inception_score,
  kid,
  labelled_samples,
  memorisation,
  modes,
  neighbours,
  prdc,
  two_sample,
  whole_restoration,
  whole_segmentation,
)

EVALUATORS = {
  'labelled_samples': labelled_samples.EVALUATOR,
  'neighbours': neighbours.EVALUATOR,
  'coverage': coverage.EVALUATOR,
  'fid': fid.EVALUATOR,
  'kid': kid.EVALUATOR,
  'prdc': prdc.EVALUATOR,
  'inception_score': inception_score.EVALUATOR,
  'diversity': diversity.EVALUATOR,
  'memorisation': memorisation.EVALUATOR,
  'modes': modes.EVALUATOR,
  'two_sample': two_sample.EVALUATOR,
  'disentanglement': disentanglement.EVALUATOR,
  'factor_sweeps': factor_sweeps.EVALUATOR,
  'whole_segmentation': whole_segmentation.EVALUATOR,
  'whole_restoration': whole_restoration.EVALUATOR,
  'confusion': confusion.EVALUATOR,
}
