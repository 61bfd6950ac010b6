"""Do the codes of an InfoGAN mean classes? Each value of the categorical code is matched to a class of real images."""

import numpy as np
from scipy.optimize import linear_sum_assignment

from deconv.evaluators.evaluator import Evaluator
from deconv.metrics.segmentation import confusion
from deconv.tasks.capabilities import TellsCodes

_CHUNK = 2048  # images that are read at once


def measure(task, state, source, key, options):
  """Lets the discriminator tell the first categorical code of real images, and matches its values to their classes.

  The protocol of Chen et al. 2016, section 7.2: no label is used but for the matching, one value for one class, by
  which the fewest images are wrong. The paper has an error of 5 % on MNIST with ten values.

  Args:
    task: a Task that TellsCodes.
    state: State.
    source: Source of the evaluation split.
    key, options: not used.

  Returns:
    ({'code_error': share of the images whose code is matched to another class than theirs}, {}, protocol); nothing for
    a task without codes or a source without classes.
  """
  del key, options
  size = max(task.num_codes, source.num_classes)
  if not task.num_codes or not source.num_classes:
    return {}, {}, {}
  counts = np.zeros((size, size), np.int64)
  for start in range(0, len(source), _CHUNK):
    items = source.take(np.arange(start, min(start + _CHUNK, len(source))))
    counts += confusion(items['label'][:, None, None], task.codes(state, items['image'])[:, None, None], size)
  matched = counts[linear_sum_assignment(counts, maximize=True)].sum()
  protocol = {
    'codes': 'values of the first categorical code, told by the discriminator, matched one to one to classes',
    'num_real': len(source),
    'source': source.name,
  }
  return {'code_error': float(1 - matched / counts.sum())}, {}, protocol


EVALUATOR = Evaluator(measure, needs=TellsCodes, split='eval')
