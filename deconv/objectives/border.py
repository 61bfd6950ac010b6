"""U-Net's border weights, computed on the device: regions by connected components, distances by two passes.

Inside a step, so that the weights belong to the mask as augmentation has left it.
"""

import math

import jax
import jax.numpy as jnp

from deconv.options.data import IGNORE


def border_weights(mask, weight, sigma, ignore=IGNORE):
  """Weights of the ground between regions: weight * exp(-(d1 + d2)^2 / (2 sigma^2)) (Ronneberger et al. 2015, eq. 2).

  d1 and d2 are the distances in pixels, from pixel to pixel, to the nearest and the second nearest region. Regions are
  `components` of the mask. Only the ground, class 0, has such a weight; it is 0 where there are fewer than two regions
  within 5 sigma (a second region beyond would add less than 4e-6 of `weight`). The first summand of the equation, the
  class weight, is not included.

  Args:
    mask: integers (batch, height, width); 0 is the ground, `ignore` is neither ground nor region.
    weight: w0 of the paper (there 10).
    sigma: pixels (there 5).
    ignore: value of pixels without truth.

  Returns:
    float32 (batch, height, width).
  """
  mask = jnp.asarray(mask, jnp.int32)
  first, second = _two_nearest(components(mask, ignore), math.ceil(5 * sigma))
  near = jnp.where(jnp.isfinite(second), jnp.sqrt(first) + jnp.sqrt(second), jnp.inf)
  return jnp.where(mask == 0, weight * jnp.exp(-jnp.square(near) / (2 * sigma**2)), 0)


def components(mask, ignore=IGNORE):
  """Numbers the connected regions of one class; neighbours are the four pixels above, below, left and right.

  Args:
    mask: integers (batch, height, width).
    ignore: belongs to no region, as does 0.

  Returns:
    int32 (batch, height, width): 0 outside of regions, else a number that all pixels of a region in its image share and
    no other region there has (not consecutive).
  """
  mask = jnp.asarray(mask, jnp.int32)
  inside = (mask != 0) & (mask != ignore)
  pixels = mask[0].size
  around = [(0, 1), (0, -1), (1, 0), (-1, 0)]
  alike = [_shifted(mask, step, -1) == mask for step in around]

  def body(state):
    old, _ = state
    new = old
    for step, same in zip(around, alike):
      new = jnp.maximum(new, jnp.where(same, _shifted(old, step, 0), 0))
    # A number is the place of a pixel of the region, and that pixel's number is at least as high: far fewer rounds.
    flat = new.reshape(-1, pixels)
    jumped = jnp.where(inside, jnp.take_along_axis(flat, jnp.maximum(flat - 1, 0), axis=1).reshape(mask.shape), 0)
    return jumped, jnp.any(jumped != old)

  numbers = jnp.arange(1, pixels + 1, dtype=jnp.int32).reshape(1, *mask.shape[1:])
  return jax.lax.while_loop(lambda state: state[1], body, (jnp.where(inside, numbers, 0), jnp.any(inside)))[0]


def _shifted(values, step, beyond):
  """The values one pixel away, `beyond` outside of the image."""
  rows, columns = step
  padded = jnp.pad(values, ((0, 0), (1, 1), (1, 1)), constant_values=beyond)
  height, width = values.shape[1:]
  return padded[:, 1 + rows : 1 + rows + height, 1 + columns : 1 + columns + width]


def _two_nearest(labels, reach):
  """Squared distances to the nearest label and to the nearest other one; float32 (b, h, w) each, inf beyond reach.

  First along rows, then over the rows: of each row no more than its two nearest labels can be among the two nearest.
  """
  far = jnp.full(labels.shape, jnp.inf)
  none = jnp.zeros_like(labels)
  found = (jnp.where(labels > 0, 0.0, jnp.inf), labels, far, none)  # (distance, label) of the nearest and of the other
  for axis in (2, 1):
    found = _spread(found, min(reach, labels.shape[axis] - 1), axis)
  limit = reach**2
  return jnp.where(found[0] <= limit, found[0], jnp.inf), jnp.where(found[2] <= limit, found[2], jnp.inf)


def _spread(found, reach, axis):
  """Merges what is found at each pixel with what is found up to `reach` pixels away along an axis."""
  size = found[0].shape[axis]
  pads = [(reach, reach) if i == axis else (0, 0) for i in range(3)]
  padded = [jnp.pad(x, pads, constant_values=jnp.inf if x.dtype == jnp.float32 else 0) for x in found]

  def merge(shift, best):
    squared = jnp.square((shift - reach).astype(jnp.float32))
    there = [jax.lax.dynamic_slice_in_dim(x, shift, size, axis) for x in padded]
    for distance, label in ((there[0] + squared, there[1]), (there[2] + squared, there[3])):
      best = _insert(best, distance, label)
    return best

  empty = [jnp.full_like(x, jnp.inf if x.dtype == jnp.float32 else 0) for x in found]
  return jax.lax.fori_loop(0, 2 * reach + 1, merge, tuple(empty))


def _insert(best, distance, label):
  """The two nearest distinct labels of the two in `best` and one more."""
  first, first_label, second, second_label = best
  nearest = distance < first
  # A new nearest one of the same label replaces the first; of another label it pushes it to the second place.
  pushed = nearest & (label != first_label)
  behind = ~nearest & (label != first_label) & (distance < second)
  second = jnp.where(pushed, first, jnp.where(behind, distance, second))
  second_label = jnp.where(pushed, first_label, jnp.where(behind, label, second_label))
  return jnp.where(nearest, distance, first), jnp.where(nearest, label, first_label), second, second_label
