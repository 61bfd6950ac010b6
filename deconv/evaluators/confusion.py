"""Which classes does a classifier confuse? The confusion matrix and the mistakes as pictures."""

import numpy as np

from deconv import plots
from deconv.evaluators.evaluator import Evaluator
from deconv.metrics.segmentation import confusion
from deconv.tasks.capabilities import Classifies

SHOWN = 40  # mistakes in the picture
_CHUNK = 2048  # images that are read at once


def measure(task, state, source, key, options):
  """Looks at all images of the evaluation split; the numbers are the task's own.

  Args:
    task: a task that Classifies.
    state: State.
    source: Source of the evaluation split, with labels.
    key: not used.
    options: not used.

  Returns:
    ({}, {'confusion': matrix, rows the truth; 'mistakes': images whose class is not the one that is named, those first
    about which the network was surest, left out where there are none}, {}).
  """
  del key, options
  labels, logits = [], []
  for start in range(0, len(source), _CHUNK):
    items = source.take(np.arange(start, min(start + _CHUNK, len(source))))
    labels.append(items['label'])
    logits.append(task.outputs(state, items['image'])[0])
  labels, logits = np.concatenate(labels), np.concatenate(logits)
  named = logits.argmax(-1)
  counts = confusion(labels[:, None, None], named[:, None, None], task.num_classes)
  pictures = {'confusion': plots.confusion_matrix(counts, task.class_names)}
  wrong = np.flatnonzero(named != labels)
  if len(wrong):
    margins = logits[wrong].max(-1) - logits[wrong, labels[wrong]]
    worst = wrong[np.argsort(-margins, kind='stable')[:SHOWN]]
    images = source.take(worst)['image']
    grid = plots.named_grid(images, task.describe(labels[worst], logits[worst]))
    pictures['mistakes'] = plots.caption(grid, f'{len(wrong)} mistakes of {len(labels)}; truth -> prediction')
  return {}, pictures, {}


EVALUATOR = Evaluator(measure, needs=Classifies, split='eval')
