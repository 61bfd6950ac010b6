"""Whole held-out pictures at their own size, segmented by tiles that overlap."""

import jax
import numpy as np

from deconv import plots
from deconv.evaluators import readable_pictures
from deconv.evaluators.evaluator import Evaluator
from deconv.tasks.capabilities import PredictsClasses

_SHOWN = 8  # pictures that are drawn


def measure(task, state, source, key, options):
  """Predicts the first pictures of the evaluation split.

  Args:
    task: a task that PredictsClasses.
    state: State.
    source: Source of the evaluation split.
    key: not used.
    options: deconv.options.EvalOptions.

  Returns:
    ({'whole_miou', ...}, {'whole_0': picture, ...}, protocol), all empty where `whole_images` is 0.
  """
  del key
  if not options.whole_images:
    return {}, {}, {}
  number, total, shown = 0, None, {}
  for i, item in readable_pictures.load_each(source, min(options.whole_images, source.num_full), source.load_full):
    number += 1
    classes = task.predict_image(state, item['image']).argmax(-1).astype(np.uint8)
    sums = task.count_classes(item['mask'][None], classes[None])
    total = sums if total is None else jax.tree.map(np.add, total, sums)
    if i < _SHOWN:
      shown[f'whole_{i}'] = plots.segmentation_panel(
        item['image'][None], item['mask'][None], classes[None], task.class_names
      )
  if not number:
    return {}, {}, {}
  numbers = {f'whole_{name}': value for name, value in task.summarize(total).items()}
  height, width = task.sides
  protocol = {
    'split': source.options.eval_split,
    'whole_images': number,
    'tile': height if height == width else f'{height}x{width}',
    'tile_overlap': options.tile_overlap,
    'flips': options.flips,
    'scales': list(options.scales),
  }
  return numbers, shown, protocol


EVALUATOR = Evaluator(measure, needs=PredictsClasses, split='eval')
