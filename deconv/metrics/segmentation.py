"""Overlap of predicted and true segmentations: confusion matrices, IoU and boundary IoU, accumulated in integers.

`confusion` and `boundary_counts` are additive over batches, tiles and devices: sum them over a whole split, then
`summarize` once. Both take jax arrays (inside a step; int32 out) or numpy arrays (images of any size on the host; int64
out) and give the same numbers. IGNORE (255) marks pixels without truth: of images that are not to count, all.
"""

import jax
import jax.numpy as jnp
import numpy as np

from deconv.options import IGNORE

BOUNDARY_SHARE = 0.02  # of the image's diagonal: the width of the boundary band (Cheng et al. 2021, section 5)


def confusion(mask, prediction, num_classes):
  """Counts pixels by (true class, predicted class).

  Args:
    mask: integers (batch, height, width), the truth: 0 to num_classes - 1; other values are ignored.
    prediction: integers (batch, height, width), 0 to num_classes - 1.
    num_classes: C.

  Returns:
    Integers (C, C), rows truth, columns prediction. The pixels of one call must be fewer than 2**31.
  """
  xp, (mask, prediction) = _arrays(mask, prediction)
  counted = _known(mask, num_classes) & (prediction >= 0) & (prediction < num_classes)
  index = xp.where(counted, mask * num_classes + prediction, num_classes**2)
  return _histogram(xp, index, num_classes**2).reshape(num_classes, num_classes)


def boundary_width(height, width):
  """Returns the width in pixels of the boundary band: 2 % of the image's diagonal, rounded, at least 1."""
  return max(1, round(BOUNDARY_SHARE * float(np.hypot(height, width))))


def boundary_counts(mask, prediction, num_classes, width):
  """Counts, class by class, the pixels of the boundary bands of truth and prediction: intersection and union.

  The band of a region are its own pixels no farther than `width` (larger of the two coordinate distances) from a pixel
  of something else; beyond the image is something else, as in the authors' code: the region minus its erosion by
  `width` passes of a 3x3 square (Cheng et al. 2021, "Boundary IoU", equation 1). Ignored pixels belong to no region of
  either side, so the edge of an ignored area is a boundary of both.

  Args:
    mask, prediction, num_classes: as for `confusion`; one size.
    width: of the band, pixels, at least 1; see `boundary_width`.

  Returns:
    Integers (C, 2): intersection and union of the two bands in pixels.
  """
  xp, (mask, prediction) = _arrays(mask, prediction)
  known = _known(mask, num_classes)
  truth, predicted = (
    _band(xp, xp.where(known, labels, num_classes), num_classes, width) for labels in (mask, prediction)
  )
  both = _histogram(xp, xp.where(truth == predicted, truth, num_classes), num_classes)
  either = _histogram(xp, truth, num_classes) + _histogram(xp, predicted, num_classes) - both
  return xp.stack([both, either], axis=1)


def summarize(confusion_matrix, boundary, names):
  """Turns the sums over a whole split into metrics, in float64.

  A class that occurs neither in truth nor in prediction has no IoU and is left out of the means; one that is predicted
  but never true has IoU 0 and counts. See `protocol`.

  Args:
    confusion_matrix: (C, C), sum of `confusion`.
    boundary: (C, 2), sum of `boundary_counts`; None = not measured.
    names: C strings.

  Returns:
    {'miou': mean of the IoU = true positives / (true positives + false positives + false negatives) over classes,
     'pixel_accuracy': share of pixels that are right,
     'mean_accuracy': mean over the classes that occur in the truth of the share of their pixels that are right,
     'frequency_weighted_iou': IoU weighted by the share of true pixels (Long et al. 2015, section 5),
     'boundary_iou': mean over classes of the IoU of the boundary bands; where measured,
     'iou_NAME': the IoU of each class that has one}; empty when no pixel was counted.
  """
  matrix = np.asarray(confusion_matrix, np.float64)
  right, true, predicted = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
  if not matrix.sum():
    return {}
  union = true + predicted - right
  occurs = union > 0
  iou = np.divide(right, union, out=np.zeros_like(right), where=occurs)
  result = {
    'miou': float(iou[occurs].mean()),
    'pixel_accuracy': float(right.sum() / matrix.sum()),
    'mean_accuracy': float(np.mean(right[true > 0] / true[true > 0])),
    'frequency_weighted_iou': float(np.sum(true * iou) / matrix.sum()),
  }
  if boundary is not None:
    both, either = np.asarray(boundary, np.float64).T
    result['boundary_iou'] = float(np.mean(both[either > 0] / either[either > 0]))
  result.update({f'iou_{name}': float(value) for name, value, there in zip(names, iou, occurs) if there})
  return result


def protocol(width=None):
  """Returns what has to stand beside the numbers of `summarize`.

  Args:
    width: of the boundary band in pixels, where all images have one size.
  """
  band = f'{width} pixels' if width else f'{100 * BOUNDARY_SHARE:g} % of the diagonal, at least 1 pixel,'
  return {
    'miou_is': 'pixels counted over the whole split first, then one IoU a class, as for PASCAL VOC; mean over the '
    'classes in truth or prediction',
    'boundary_iou_is': f'the same on bands of {band} inside the regions (Cheng et al. 2021; counts of the whole split)',
    'ignore': IGNORE,
  }


def _arrays(*arrays):
  """Returns (numpy or jax.numpy, the arrays as signed integers of it)."""
  xp = jnp if any(isinstance(array, jax.Array) for array in arrays) else np
  return xp, [xp.asarray(array).astype(xp.int32 if xp is jnp else xp.int64) for array in arrays]


def _known(mask, num_classes):
  return (mask >= 0) & (mask < num_classes)


def _histogram(xp, index, length):
  """Counts of 0 to length - 1 among integers 0 to length; `length` itself is for what does not count."""
  if xp is jnp:
    return jnp.zeros(length, jnp.int32).at[index.ravel()].add(1, mode='drop')
  return np.bincount(index.ravel(), minlength=length + 1)[:length]


def _band(xp, labels, num_classes, width):
  """Labels (batch, height, width) near another label or the image's border; elsewhere num_classes, as where ignored."""
  outside, mixed = num_classes + 1, num_classes + 2
  rows = xp.where(_alike(xp, labels, width, 2, outside), labels, mixed)
  inside = _alike(xp, rows, width, 1, outside) & (rows != mixed)  # the whole square around a pixel has its label
  return xp.where(inside, num_classes, labels)


def _alike(xp, labels, reach, axis, outside):
  """Whether the neighbours up to `reach` steps away along an axis all have a pixel's label; bool, shape of labels."""
  size = labels.shape[axis]
  padded = xp.pad(
    labels, [(reach, reach) if i == axis else (0, 0) for i in range(labels.ndim)], constant_values=outside
  )
  alike = xp.ones(labels.shape, bool)
  for shift in range(2 * reach + 1):
    alike &= padded[(slice(None),) * axis + (slice(shift, shift + size),)] == labels
  return alike
