"""What a linear classifier reads in the sparse maps of images, beside what it reads in their pixels."""

import numpy as np

from deconv import data
from deconv.evaluators.evaluator import Evaluator
from deconv.metrics import linear_readout
from deconv.tasks.capabilities import InfersMaps

_IMAGES = 2000  # of each split that are looked at, at most
_CHUNK = 250  # images whose maps are held at once


def measure(task, state, source, key, options):
  """Trains linear classifiers on the training images and counts what they name rightly of the evaluation split.

  The network has seen no label: it is its features that are judged. The maps are pooled in cells, see
  deconv.metrics.linear_readout.

  Args:
    task: a task that InfersMaps.
    state: State.
    source: Source of the training split.
    key, options: not used.

  Returns:
    ({'linear_accuracy_pixels', 'linear_accuracy_LAYER' of the maps of each layer, and with several layers
    'linear_accuracy_layers' of all of them together: shares}, {}, protocol); nothing without classes or without an
    evaluation split of other images.
  """
  del key, options
  if (source.num_classes or 0) < 2 or source.options.eval_split in ('', source.options.split):
    return {}, {}, {}
  unseen = data.open_source(source.options.held_out, source.options.eval_split)
  (features, labels), (others, other_labels) = (_read(task, state, one) for one in (source, unseen))
  numbers = {
    f'linear_accuracy_{name}': linear_readout.accuracy(features[name], labels, others[name], other_labels)
    for name in features
  }
  protocol = {
    'classifier': linear_readout.PROTOCOL,
    'trained_on': len(labels),
    'unseen': len(other_labels),
    'unseen_split': source.options.eval_split,
  }
  return numbers, {}, protocol


def _read(task, state, source):
  """({name: features float32 (n, d)}, labels (n,)) of images that are drawn of a source, all where it has few."""
  chosen = np.sort(np.random.default_rng(0).permutation(len(source))[:_IMAGES])
  parts, labels = [], []
  for start in range(0, len(chosen), _CHUNK):
    items = source.take(chosen[start : start + _CHUNK])
    pixels, maps = task.explain(state, data.to_signed(items['image']))
    layers = {name: linear_readout.pooled(maps[name]) for name in pixels}
    together = {'layers': np.concatenate(list(layers.values()), axis=1)} if len(layers) > 1 else {}
    parts.append({'pixels': items['image'].reshape(len(items['image']), -1) / 255.0, **layers, **together})
    labels.append(items['label'])
  return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}, np.concatenate(labels)


EVALUATOR = Evaluator(measure, needs=InfersMaps)
