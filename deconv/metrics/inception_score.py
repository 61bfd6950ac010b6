"""Inception score: does each sample look like one class, and all samples like many? (Salimans et al. 2016, section 4.)

  exp(mean over x of KL(p(y | x) || p(y))), p(y) the mean of p(y | x) over the split

It compares with no real image, so it is no distance; it depends on the classifier and on the number of samples. The
authors' number is of 50,000 samples in 10 splits, by the logits of the 2015 Inception without their bias.
"""

import numpy as np

from deconv.errors import UserError


def score(logits, splits=10):
  """Inception score.

  Args:
    logits: float (n, classes), before the softmax.
    splits: number of equal parts in their order, each with a score of its own.

  Returns:
    (mean, standard deviation) of the scores, two floats from 1 to the number of classes.

  Raises:
    UserError: fewer logits than splits, or one that is not finite.
    ValueError: another shape than (n, classes).
  """
  logits = np.asarray(logits, np.float64)
  if logits.ndim != 2:
    raise ValueError(f'logits must be (number, classes), not {logits.shape}')
  if not 1 <= splits <= len(logits):
    raise UserError(f'{len(logits)} images cannot be split into {splits} parts: take 1 to {len(logits)} parts')
  if not np.isfinite(logits).all():
    raise UserError('a logit is not finite: look at the images, or at the weights of the network')
  log_p = logits - logits.max(axis=1, keepdims=True)
  log_p -= np.log(np.sum(np.exp(log_p), axis=1, keepdims=True))
  found = []
  for i in range(splits):
    part = log_p[i * len(log_p) // splits : (i + 1) * len(log_p) // splits]
    p = np.exp(part)
    marginal = p.mean(axis=0)
    with np.errstate(divide='ignore'):  # a class that no sample has: p is 0 there, and so is the product
      log_marginal = np.log(marginal)
    found.append(np.exp(np.mean(np.sum(p * (part - np.where(marginal > 0, log_marginal, 0)), axis=1))))
  return float(np.mean(found)), float(np.std(found))
