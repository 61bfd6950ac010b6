"""Are samples nearer to training images than unseen images are? In feature space; the nearest in pixels beside it."""

import numpy as np

from deconv import data, plots
from deconv.errors import UserError
from deconv.evaluators import judged, reference, samples
from deconv.evaluators.evaluator import Evaluator
from deconv.metrics import manifold, neighbours
from deconv.tasks.capabilities import MakesImages

SHOWN = 8  # samples in the picture: those nearest to a training image
_SHARE = 0.01  # of the held-out images: those nearest to a training image
HELD_OUT_LIMIT = 10_000


def measure(task, state, source, key, options, network):
  """Compares distances to the nearest training image: of samples, and of images of the evaluation split.

  Args:
    task: a Task that Generates or Reconstructs.
    state, source, key, options, network: see Evaluator.

  Returns:
    ({'memorisation': the probability that a sample is nearer to its nearest training image than an unseen image is to
    its own, 1/2 for samples as good as unseen images and 1 for copies; 'memorised': share of the samples that are
    nearer than all but 1 % of the unseen images}, {'memorisation': picture}, protocol), all empty without an evaluation
    split.

  Raises:
    UserError: `eval.reference` is set.
  """
  if not source.options.eval_split:
    return {}, {}, {}
  if options.reference:
    raise UserError('memorisation looks at the training images themselves: leave eval.reference empty')
  unseen = data.open_source(source.options.held_out, source.options.eval_split)
  found = judged.judge(task, state, source, key, options, network)
  train = found.real.need_features()
  chosen = np.random.default_rng(samples.SEED).permutation(len(unseen))[:HELD_OUT_LIMIT]
  held_out = np.concatenate(
    [
      network.outputs(np.asarray(unseen.take(chosen[i : i + reference.CHUNK])['image']))[0]
      for i in range(0, len(chosen), reference.CHUNK)
    ]
  )
  distances, indices = manifold.nearest(found.features, train)
  unseen_distances, _ = manifold.nearest(held_out, train)
  numbers = {
    'memorisation': nearer(distances, unseen_distances),
    'memorised': float(np.mean(distances < np.quantile(unseen_distances, _SHARE))),
  }
  picture = _picture(task, state, source, key, options, distances, indices)
  protocol = {
    **found.protocol,
    'unseen': len(chosen),
    'unseen_split': source.options.eval_split,
    'unseen_fingerprint': unseen.content_fingerprint(),
  }
  return numbers, {'memorisation': picture}, protocol


def nearer(distances, others):
  """Returns the share of all pairs in which the first distance is smaller, ties by half (Mann & Whitney 1947).

  Args:
    distances: float (n,).
    others: float (m,).
  """
  others = np.sort(others)
  above = len(others) - np.searchsorted(others, distances, side='right')
  equal = np.searchsorted(others, distances, side='right') - np.searchsorted(others, distances, side='left')
  return float(np.mean(above + 0.5 * equal) / len(others))


def _picture(task, state, source, key, options, distances, indices):
  """Columns of a sample, its nearest training image in feature space, and its nearest in pixels."""
  shown = np.argsort(distances, kind='stable')[:SHOWN]
  images = judged.Images(task, state, source, key, options).at(shown)
  order = reference.order_of(source, options)
  best, nearest = np.full(len(images), np.inf), np.zeros(len(images), int)
  for start in range(0, len(order), reference.CHUNK):
    part = order[start : start + reference.CHUNK]
    found, at = neighbours.nearest(images, source.take(part)['image'])
    closer = found < best
    best, nearest = np.where(closer, found, best), np.where(closer, part[at], nearest)
  rows = [images, source.take(order[indices[shown]])['image'], source.take(nearest)['image']]
  picture = plots.image_grid(np.concatenate(rows), columns=len(images))
  return plots.caption(picture, 'rows: samples nearest to a training image; that image; the nearest in pixels')


EVALUATOR = Evaluator(measure, needs=MakesImages, split='train', looks=True)
