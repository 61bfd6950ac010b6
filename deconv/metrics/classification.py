"""How often is the class that a classifier names the right one?"""

import numpy as np


def summarize(confusion):
  """Turns the confusion matrix of a whole split into metrics.

  Args:
    confusion: integers (C, C), rows truth, columns prediction; deconv.metrics.segmentation.confusion counts them.

  Returns:
    {'accuracy': share of the images whose class is right, 'accuracy_worst_class': the same of the class where it is
    smallest; classes without an image are left out}; not-a-number where there is no image.
  """
  confusion = np.asarray(confusion, np.float64)
  right, number = np.diagonal(confusion), confusion.sum(axis=1)
  present = number > 0
  if not present.any():
    return {'accuracy': float('nan'), 'accuracy_worst_class': float('nan')}
  return {
    'accuracy': float(right.sum() / number.sum()),
    'accuracy_worst_class': float(np.min(right[present] / number[present])),
  }
