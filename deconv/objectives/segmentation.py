"""Losses of a segmentation: cross-entropy, focal, Dice, Lovasz; class weights and U-Net's border weights.

Every loss takes logits (batch, height, width, C) and a mask of integers (batch, height, width) and returns a float32
scalar. A pixel counts if its mask is a class, 0 to C - 1; `ignore` (255) and other values have no part in value or
gradient. Where nothing counts, a loss is 0.
"""

import jax
import jax.numpy as jnp
import numpy as np

from deconv.objectives.border import border_weights
from deconv.ops.arguments import of_rank
from deconv.options.data import IGNORE


class SegmentationLoss:
  """Weighted sum of losses.

  Attributes:
    options: deconv.options.objectives.segmentation.SegmentationObjective.
  """

  def __init__(self, options):
    self.options = options

  def __call__(self, logits, mask, class_weights=None):
    """Returns (sum, {name: loss before its weight}) of the losses that have a weight; all float32 scalars.

    Args:
      logits: (batch, h, w, C).
      mask: integers (batch, height, width), at least as large as the logits; cropped centrally to them.
      class_weights: (C,), as `median_frequency_weights` returns them; None without such weights.

    Raises:
      ValueError: class weights missing or not asked for, or a mask that the logits do not fit into.
    """
    o = self.options
    if (class_weights is None) != (o.class_weights == 'none'):
      raise ValueError(f"class_weights={class_weights} with objective.class_weights='{o.class_weights}'")
    extra = None
    if o.border_weight:  # before the crop: what lies beside it counts
      extra = crop_to(border_weights(mask, o.border_weight, o.border_sigma), logits)
    mask = crop_to(mask, logits)
    parts = {}
    if o.cross_entropy:
      parts['cross_entropy'] = cross_entropy(logits, mask, class_weights, extra)
    if o.dice:
      parts['dice'] = dice(logits, mask)
    if o.focal:
      parts['focal'] = focal(logits, mask, o.focal_gamma, class_weights)
    if o.lovasz:
      parts['lovasz'] = lovasz(logits, mask, o.lovasz_per_image)
    return sum(getattr(o, name) * value for name, value in parts.items()), parts


def deep(scores, mask, class_weights=None):
  """Deep supervision (Lee et al. 2015, section 2.2): the mean over coarser maps of the cross-entropy of their scores.

  A cell of a map speaks for all the pixels in it: what it is to learn are their shares of the classes.

  Args:
    scores: list of logits (batch, h, w, C), h and w divisors of the mask's sides.
    mask: integers (batch, height, width).
    class_weights: as for cross_entropy.
  """
  classes = scores[0].shape[-1]
  mask = jnp.asarray(mask, jnp.int32)
  pixels = jnp.maximum(jnp.sum((mask >= 0) & (mask < classes), dtype=jnp.int32), 1).astype(jnp.float32)
  weights = 1.0 if class_weights is None else jnp.asarray(class_weights, jnp.float32)[None, None, None]
  shares = weights * jax.nn.one_hot(mask, classes, dtype=jnp.float32)  # b h w C; all zero where the mask is no class
  total = 0.0
  for logits in sorted(scores, key=lambda x: -x.shape[1]):  # the finest first, as the cells only grow
    batch, h, w, _ = logits.shape
    shares = shares.reshape(batch, h, shares.shape[1] // h, w, shares.shape[2] // w, classes).sum(axis=(2, 4))
    total -= jnp.sum(shares * jax.nn.log_softmax(logits.astype(jnp.float32))) / pixels
  return total / len(scores)


def crop_to(mask, logits):
  """Cuts the middle of (batch, height, width, ...) that logits (batch, h, w, ...) of valid convolutions show.

  Raises:
    ValueError: logits larger than the mask, or a margin that is not the same on both sides.
  """
  margins = [big - small for big, small in zip(mask.shape[1:3], logits.shape[1:3])]
  if min(margins) < 0 or any(margin % 2 for margin in margins):
    raise ValueError(f'logits of {logits.shape[1:3]} pixels are not the middle of a mask of {mask.shape[1:3]}')
  top, left = margins[0] // 2, margins[1] // 2
  return mask[:, top : top + logits.shape[1], left : left + logits.shape[2]]


def cross_entropy(logits, mask, class_weights=None, extra_weight=None, ignore=IGNORE):
  """Mean of -(w_c + e) log p_c over the pixels that count, c the true class, p the softmax of the logits.

  The divisor is the number of pixels, not the sum of weights (Ronneberger et al. 2015, equations 1 and 2, is their
  sum over pixels).

  Args:
    logits, mask, ignore: see the top of the file.
    class_weights: w, (C,); None = 1 each.
    extra_weight: e, (batch, height, width); None = 0.
  """
  log_p, true, counts = _prepared(logits, mask, ignore)
  weight = _class_weight(true, class_weights)
  if extra_weight is not None:
    weight = weight + extra_weight
  return _mean(-weight * _select(true, log_p), counts)


def focal(logits, mask, gamma, class_weights=None, ignore=IGNORE):
  """Mean of -w_c (1 - p_c)^gamma log p_c over the pixels that count (Lin et al. 2017, equation 5, for a softmax).

  Args:
    logits, mask, ignore: see the top of the file; at least two classes.
    gamma: at least 0; 0 is the cross-entropy.
    class_weights: w, (C,); None = 1 each.
  """
  log_p, true, counts = _prepared(logits, mask, ignore)
  # log(1 - p_c) from the other classes: with finite gradients where p_c is 1, for any gamma.
  log_rest = jax.nn.logsumexp(jnp.where(true, -jnp.inf, log_p), axis=-1)
  return _mean(-_class_weight(true, class_weights) * jnp.exp(gamma * log_rest) * _select(true, log_p), counts)


def dice(logits, mask, ignore=IGNORE):
  """1 - mean over the classes in the mask of 2 sum(p g) / (sum(p^2) + sum(g^2)) (Milletari et al. 2016, section 3).

  p are the probabilities and g the one-hot truth of a class; sums over all pixels of the batch that count.
  """
  log_p, true, counts = _prepared(logits, mask, ignore)
  p = jnp.where(counts[..., None], jnp.exp(log_p), 0)
  g = (true & counts[..., None]).astype(jnp.float32)
  both, pixels = jnp.sum(p * g, axis=(0, 1, 2)), jnp.sum(g, axis=(0, 1, 2))
  lost = 1 - 2 * both / jnp.maximum(jnp.sum(p * p, axis=(0, 1, 2)) + pixels, 1)  # the sum is at least 1 where pixels is
  return _mean(lost, pixels > 0)


def lovasz(logits, mask, per_image, ignore=IGNORE):
  """Lovasz-Softmax (Berman et al. 2018, equations 8, 9 and 11): the convex extension of 1 - IoU at the errors 1 - p.

  Mean over the classes that occur in the mask, of the batch or of each image.

  Args:
    logits, mask, ignore: see the top of the file.
    per_image: the loss of each image, then the mean over the images in which a pixel counts; else one loss for all
      pixels of the batch together.
  """
  log_p, true, counts = _prepared(logits, mask, ignore)
  groups, classes = len(mask) if per_image else 1, logits.shape[-1]

  def grouped(x):  # (batch, h, w, C) -> (groups, C, pixels)
    return jnp.moveaxis(x.reshape(groups, -1, classes), -1, 1)

  counts = grouped(jnp.broadcast_to(counts[..., None], true.shape))
  true = grouped(true) & counts
  p = grouped(jnp.exp(log_p))
  errors = jnp.where(counts, jnp.where(true, 1 - p, p), -1)  # those that do not count come last
  order = _descending(jax.lax.stop_gradient(errors))
  errors, true = (jnp.take_along_axis(x, order, axis=-1) for x in (errors, true))
  present = jnp.any(true, axis=-1)
  one = _mean(jnp.sum(jnp.maximum(errors, 0) * _jaccard_steps(true), axis=-1), present, axis=-1)
  return _mean(one, jnp.any(present, axis=-1))


def _descending(errors):
  """Indices (int32) that sort the last axis of float32 errors, -1 or at least 0, the largest first.

  XLA's sort of pairs on the CPU calls a comparator for each; that of one array of integers is five times as fast
  (docs/benchmarks.md#sorting). So there an error and its index become one integer: floats that are not negative are
  ordered as their bits are.
  """
  return jax.lax.platform_dependent(
    errors, cpu=_descending_packed, default=lambda x: jnp.argsort(x, axis=-1, descending=True).astype(jnp.int32)
  )


def _descending_packed(errors):
  ranks = jnp.where(errors < 0, 0, jax.lax.bitcast_convert_type(jnp.abs(errors), jnp.uint32) + jnp.uint32(1))
  with jax.enable_x64(True):
    index = jax.lax.broadcasted_iota(jnp.uint64, errors.shape, errors.ndim - 1)
    keys = (jnp.uint64(2**32 - 1) - ranks.astype(jnp.uint64) << 32) | index
    keys = jax.lax.sort(keys, dimension=errors.ndim - 1, is_stable=False)
    return (keys & jnp.uint64(2**32 - 1)).astype(jnp.int32)


def _jaccard_steps(true):
  """By how much 1 - IoU grows when one more pixel is wrong, in the order of the last axis; float32, shape of `true`.

  The difference of neighbours of Berman et al.'s algorithm 1, written out: no digits cancel.
  """
  pixels = jnp.sum(true, axis=-1, keepdims=True, dtype=jnp.int32)
  wrong = jnp.cumsum(true, axis=-1, dtype=jnp.int32)
  intersection = (pixels - wrong).astype(jnp.float32)
  place = of_rank(jnp.arange(1, true.shape[-1] + 1, dtype=jnp.int32), true.ndim)
  union = (pixels + place - wrong).astype(jnp.float32)
  return jnp.where(true, 1, intersection / jnp.maximum(union - 1, 1)) / jnp.maximum(union, 1)


def count_classes(masks, num_classes):
  """Counts the pixels of each class in each mask (host).

  Args:
    masks: iterable of integer arrays, any shapes; values that are no class are not counted.
    num_classes: C.

  Returns:
    numpy int64 (n, C).
  """
  rows = []
  for mask in masks:
    values = np.asarray(mask).ravel()
    rows.append(np.bincount(values[(values >= 0) & (values < num_classes)], minlength=num_classes))
  return np.array(rows, np.int64).reshape(-1, num_classes)


def median_frequency_weights(counts):
  """Weights of classes: median of the frequencies over the frequency of a class (Eigen & Fergus 2015, section 6.3.2).

  The frequency of a class is its pixels over all (counted) pixels of the images in which it occurs; SegNet
  (Badrinarayanan et al. 2017, section 4) takes the same. A class that never occurs has no frequency and weight 1.

  Args:
    counts: (n, C), pixels of each class in each image, as `count_classes` returns them.

  Returns:
    numpy float32 (C,).
  """
  counts = np.asarray(counts, np.float64)
  pixels = counts.sum(axis=0)
  around = ((counts > 0) * counts.sum(axis=1, keepdims=True)).sum(axis=0)
  there = pixels > 0
  weights = np.ones(counts.shape[1])
  if there.any():
    frequency = pixels[there] / around[there]
    weights[there] = np.median(frequency) / frequency
  return weights.astype(np.float32)


def _prepared(logits, mask, ignore):
  """Returns (log-probabilities float32, one-hot truth bool (all (b, h, w, C)), which pixels count (b, h, w))."""
  classes, mask = logits.shape[-1], jnp.asarray(mask, jnp.int32)
  counts = (mask != ignore) & (mask >= 0) & (mask < classes)
  true = jnp.where(counts, mask, 0)[..., None] == jnp.arange(classes, dtype=jnp.int32)[None, None, None]
  return jax.nn.log_softmax(logits.astype(jnp.float32)), true, counts


def _select(true, values):
  """The true class's entry; a masked sum, as gathers are slow to differentiate."""
  return jnp.sum(jnp.where(true, values, 0), axis=-1)


def _class_weight(true, class_weights):
  return 1.0 if class_weights is None else _select(true, jnp.asarray(class_weights, jnp.float32)[None, None, None])


def _mean(values, counts, axis=None):
  """Mean of the values that count, 0 where none does."""
  number = jnp.maximum(jnp.sum(counts, axis=axis, dtype=jnp.int32), 1)
  return jnp.sum(jnp.where(counts, values, 0), axis=axis) / number.astype(jnp.float32)
