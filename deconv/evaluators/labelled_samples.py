"""What generated images of known classes teach: a nearest-neighbour classifier that has seen nothing else."""

import numpy as np

from deconv import data
from deconv.evaluators.evaluator import Evaluator
from deconv.metrics import neighbours
from deconv.tasks.capabilities import GeneratesClasses


def measure(task, state, source, key, options):
  """Trains a nearest-neighbour classifier on samples and tests it on all real images of a source.

  The protocol of Radford et al. 2015, table 2: Euclidean distance of pixels, one neighbour, as many samples of each
  class. Blurred, wrong and repeated samples all leave real images without a good neighbour of their class.

  Args:
    task: a Task that GeneratesClasses.
    state, source, key, options: see Evaluator; `num_samples` is used.

  Returns:
    ({'knn_error': share of the real images that get another class than theirs}, {}, protocol); nothing for a task
    without classes.
  """
  if not task.num_classes:
    return {}, {}, {}
  num = options.num_samples
  samples = np.asarray(data.to_uint8(task.sample(state, key, num)))
  labels = np.arange(num) % task.num_classes
  real = source.take(np.arange(len(source)))
  _, nearest = neighbours.nearest(real['image'], samples)
  protocol = {
    'classifier': 'nearest neighbour, Euclidean distance of pixels, trained on samples alone',
    'num_samples': num,
    'num_real': len(source),
    'source': source.name,
    **task.sampling_protocol(state),
  }
  return {'knn_error': float(np.mean(labels[nearest] != real['label']))}, {}, protocol


EVALUATOR = Evaluator(measure, needs=GeneratesClasses, split='eval')
