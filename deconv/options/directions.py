"""Which value of a metric is the best: the largest or the smallest."""

# Of the metrics of an evaluation. What is not here, such as the losses of a game, has no best value by itself.
_BEST = {
  'max': (
    'accuracy',
    'accuracy_worst_class',
    'beta_vae_accuracy',
    'beta_vae_score',
    'boundary_iou',
    'coverage',
    'dci_completeness',
    'dci_disentanglement',
    'dci_informativeness',
    'density',
    'factor_accuracy',
    'factor_score',
    'frequency_weighted_iou',
    'good_samples',
    'inception_score',
    'manifold_coverage',
    'mean_accuracy',
    'mig',
    'miou',
    'modes',
    'modes_touched',
    'pixel_accuracy',
    'precision',
    'psnr',
    'recall',
    'sap',
    'ssim',
    'v_info',
    'v_info_best',
    'v_rand',
    'v_rand_best',
  ),
  'min': (
    'bits_per_dim',
    'cross_entropy',
    'distortion',
    'fid',
    'fid_infinity',
    'kid',
    'knn_error',
    'l1_hole',
    'mode_kl',
    'neg_elbo',
    'nll',
    'nll_bits_per_dim',
    'two_sample_accuracy',  # 1/2 is a coin
  ),
}
# What a name begins with says what was looked at, or through what.
_PREFIXES = ('lenet_', 'pixels_', 'classifier_', 'whole_')


def best_of(metric: str) -> str | None:
  """Returns 'max' or 'min': which value of a metric is the best; None where that is not known.

  Args:
    metric: its name in metrics.jsonl, such as 'lenet_fid'.
  """
  for prefix in _PREFIXES:
    metric = metric.removeprefix(prefix)
  return next((which for which, names in _BEST.items() if metric in names), None)
