"""Whole held-out slices of cells: does the network separate the cells that the truth separates?

The protocol of the ISBI challenge of 2012 (Arganda-Carreras et al. 2015): the probability of the inside is cut at a
threshold, the borders of what remains are thinned, and the regions are compared with the connected regions of the
truth, where the truth has an inside. The challenge takes the best of eleven thresholds for the whole stack; so do the
numbers that end with '_best', on the very slices that they are measured on. The others have the threshold 1/2.
"""

import numpy as np

from deconv import plots
from deconv.errors import UserError
from deconv.evaluators import readable_pictures
from deconv.evaluators.evaluator import Evaluator
from deconv.metrics import segments
from deconv.tasks.capabilities import PredictsClasses

_INSIDE = 1  # class 0 is the border between two regions
_THRESHOLDS = np.arange(11) / 10
_HALF = 5  # place of 1/2 among them
_SHOWN = 4  # slices that are drawn


def measure(task, state, source, key, options):
  """Predicts the first pictures of the evaluation split, and compares regions.

  Args:
    task: a task that PredictsClasses, with two classes: border and inside.
    state: State.
    source: Source of the evaluation split.
    key: not used.
    options: deconv.options.EvalOptions; whole_images is used.

  Returns:
    ({'v_rand', 'v_rand_split', 'v_rand_merge', 'v_rand_best': means over the pictures, 'v_rand_threshold': the best
    threshold; and 'v_info' likewise}, {'segments_0': picture of the regions of truth and prediction, ...}, protocol),
    all empty where `whole_images` is 0.

  Raises:
    UserError: not two classes.
  """
  del key
  if not options.whole_images:
    return {}, {}, {}
  if len(task.class_names) != 2:
    raise UserError(
      f"the evaluator 'segments' compares regions between borders, two classes, not {len(task.class_names)}; take it "
      'out of eval.evaluators'
    )
  found, shown = [], {}
  for i, item in readable_pictures.load_each(source, min(options.whole_images, source.num_full), source.load_full):
    inside, truth = task.predict_image(state, item['image'])[..., _INSIDE], segments.regions(item['mask'] == _INSIDE)
    row = []
    for number, threshold in enumerate(_THRESHOLDS):
      proposal = segments.thinned(inside > threshold)
      row.append((segments.rand_score(truth, proposal), segments.information_score(truth, proposal)))
      if number == _HALF and i < _SHOWN:
        panel = plots.image_grid(np.stack([_coloured(truth), _coloured(proposal)]), columns=2)
        shown[f'segments_{i}'] = plots.caption(
          panel, f'regions of the truth | predicted, V-Rand {row[-1][0].score:.3f}'
        )
    found.append(row)
  if not found:
    return {}, {}, {}
  means = np.mean(found, axis=0)  # thresholds, rand and information, fields of a Score
  numbers = {}
  for j, name in enumerate(('v_rand', 'v_info')):
    score, split, merge = map(float, means[_HALF, j])
    numbers.update({name: score, f'{name}_split': split, f'{name}_merge': merge})
    numbers[f'{name}_best'] = float(means[:, j, 0].max())
    numbers[f'{name}_threshold'] = float(_THRESHOLDS[means[:, j, 0].argmax()])
  protocol = {
    'split': source.options.eval_split,
    'whole_images': len(found),
    'segments_are': 'the connected regions (4 neighbours) of the truth; the prediction is cut at 1/2 (best: at the '
    'best of eleven thresholds for all slices), and its borders are thinned; the mean over the slices',
  }
  return numbers, shown, protocol


def _coloured(labels):
  """Numbers of regions (height, width) -> uint8 (height, width, 3): 0 is black, neighbours in number differ."""
  colours = np.random.default_rng(0).integers(64, 256, (int(labels.max()) + 1, 3), dtype=np.uint8)
  colours[0] = 0
  return colours[labels]


EVALUATOR = Evaluator(measure, needs=PredictsClasses, split='eval')
