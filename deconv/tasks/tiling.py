"""Prediction of images of any size: overlapping tiles with mirrored borders, and averages over flips, turns and scales.

The overlap-tile strategy of U-Net (Ronneberger et al. 2015, section 2, figure 2), also for networks that keep the size
or enlarge it. On the host, in numpy, around a compiled `predict` that sees one shape of batch only.
"""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np

from deconv.errors import UserError


def predict_tiled(predict, image, *, tile, overlap=0, margin=0, multiple=1, scale=1, batch_size=4, blend=False):
  """Predicts an image tile by tile; what predict sees of other tiles' pixels is context.

  Tiles stand evenly spread on a grid of `multiple` pixels from the top left corner of the image, adjoining results
  share at least `overlap` pixels, and each pixel is taken from the tile in which it is farther from the border. A tile
  that starts or ends at the image's border uses its result up to there. So the result is that of `predict` on the whole
  image where a pixel's receptive field reaches no farther than overlap / 2, if the network's strides divide `multiple`;
  a pointwise predict gives exactly its own result. What is needed beyond the image (`margin`, the rest of a tile that
  is larger than the image, the rest to a whole `multiple`) is the image mirrored about its border pixels, where a
  zero-padded network on the whole image would have seen zeros.

  Args:
    predict: maps images (n, tile, tile, c) of the image's type to (n, out, out, C), out = scale * (tile - 2 * margin)
      of each side. Always called with the same n.
    image: array (height, width, c), height and width at least 1, any type.
    tile: side in pixels of a tile as predict sees it, or (height, width), margins included; 0 = the whole image at
      once, mirrored to a multiple of `multiple` (margins included).
    overlap: pixels of the image that the results of neighbouring tiles share at least.
    margin: pixels on each side of a tile that predict leaves out of its result: (input side - output side) / 2 for a
      network of valid convolutions.
    multiple: the network's total stride: tiles start at multiples of it.
    scale: output pixels per input pixel along a side, an integer.
    batch_size: tiles in a call of predict; less where there are fewer tiles.
    blend: mix neighbouring results linearly over what they share instead of a cut in its middle: hides seams of a
      network that sees farther than the overlap, but is not the untiled result.

  Returns:
    numpy float32 (scale * height, scale * width, C).

  Raises:
    UserError: a tile without room for margins and overlap.
    ValueError: not an image, or predict returns another size.
  """
  image = np.asarray(image)
  if image.ndim != 3 or not image.size:
    raise ValueError(f'image must be (height >= 1, width >= 1, channels), not of shape {image.shape}')
  height, width = image.shape[:2]
  tile = (tile, tile) if isinstance(tile, int) else tile
  sides = [side or _whole(size, margin, multiple) for size, side in zip((height, width), tile)]
  results = [side - 2 * margin for side in sides]
  axes = [_starts(size, result, overlap, multiple, side) for size, result, side in zip((height, width), results, sides)]
  after = [margin + max(0, starts[-1] + result - size) for starts, result, size in zip(axes, results, (height, width))]
  padded = np.pad(image, ((margin, after[0]), (margin, after[1]), (0, 0)), mode='reflect')

  shares = [_shares(starts, result, size, scale, blend) for starts, result, size in zip(axes, results, (height, width))]
  places = [(i, j) for i in range(len(axes[0])) for j in range(len(axes[1]))]
  batch_size = min(batch_size, len(places))
  output = None
  for first in range(0, len(places), batch_size):
    now = places[first : first + batch_size]
    tiles = [padded[axes[0][i] : axes[0][i] + sides[0], axes[1][j] : axes[1][j] + sides[1]] for i, j in now]
    predicted = np.asarray(predict(np.stack(tiles + tiles[-1:] * (batch_size - len(now)))), np.float32)
    expected = (batch_size, scale * results[0], scale * results[1])
    if predicted.shape[:3] != expected or predicted.ndim != 4:
      raise ValueError(
        f'predict returned {predicted.shape} for tiles of {sides[0]}x{sides[1]} pixels, expected '
        f'({", ".join(map(str, expected))}, channels) at margin {margin} and scale {scale}'
      )
    if output is None:
      output = np.zeros((scale * height, scale * width, predicted.shape[-1]), np.float32)
    for (i, j), one in zip(now, predicted):
      (top, bottom, rows), (left, right, columns) = shares[0][i], shares[1][j]
      above, before = scale * axes[0][i], scale * axes[1][j]
      weights = (rows[:, None] * columns)[..., None]
      output[top:bottom, left:right] += weights * one[top - above : bottom - above, left - before : right - before]
  return output


def ensemble(predict, flips=True, quarter_turns=False, scales=(1.0,)):
  """Returns a predict that averages over mirrored, turned and resized images, each result turned back.

  Every combination is predicted: 2 with flips, 8 with quarter turns too (the "self-ensemble" of super-resolution, Lim
  et al. 2017, section 3.4), times the number of scales. The mean is over what predict returns: give one that returns
  probabilities to average those, not logits.

  Args:
    predict: maps (..., h, w, c) to (..., h', w', C); takes turned shapes (w, h) where quarter_turns is set, and resized
      ones. numpy arrays are handed on as numpy arrays, jax arrays as jax arrays.
    flips: also the image mirrored left to right.
    quarter_turns: also the image turned by 90, 180 and 270 degrees.
    scales: factors of both sides; the image is resized linearly (antialiased), its result resized to the size at
      factor 1. Other factors than 1 need predict to take floats and to return a map of the image's size.

  Returns:
    Callable, (..., h, w, c) -> float32 (..., h', w', C).

  Raises:
    ValueError: no scale, or one that is not above 0.
  """
  if not scales or min(scales) <= 0:
    raise ValueError(f'scales must be one or more factors above 0, not {scales}')

  def averaged(images):
    xp = jnp if isinstance(images, jax.Array) else np
    total, count = None, 0
    for factor in scales:
      scaled = _resize(images, [max(1, round(side * factor)) for side in images.shape[-3:-1]])
      for turns in range(4 if quarter_turns else 1):
        for mirrored in (False, True) if flips else (False,):
          seen = xp.rot90(scaled, turns, axes=(-3, -2))
          result = predict(xp.flip(seen, axis=-2) if mirrored else seen)
          rp = jnp if isinstance(result, jax.Array) else np
          result = rp.rot90(rp.flip(result, axis=-2) if mirrored else result, -turns, axes=(-3, -2))
          if factor != 1:
            result = _resize(result, images.shape[-3:-1])
          result = result.astype(np.float32)
          total, count = result if total is None else total + result, count + 1
    return total / count

  return averaged


def _whole(size, margin, multiple):
  return math.ceil((size + 2 * margin) / multiple) * multiple


def _starts(size, result, overlap, multiple, tile):
  """First pixels of the results along an axis of `size` pixels, evenly spread multiples of `multiple`."""
  if result >= size:
    if result < 1:
      raise UserError(f'a tile of {tile} pixels is all margin; choose a larger tile')
    return [0]
  step = (result - overlap) // multiple
  if result < 1 or overlap < 0 or step < 1:
    raise UserError(
      f'tiles of {tile} pixels give results of {result}, which cannot overlap by {overlap} pixels and '
      f'advance by {multiple} or more; choose a larger tile or a smaller overlap'
    )
  last = math.ceil((size - result) / multiple)  # in units of `multiple`, as `step` is
  count = math.ceil(last / step) + 1
  return [multiple * (i * last // (count - 1)) for i in range(count)]


def _shares(starts, result, size, scale, blend):
  """What each tile contributes along an axis: (first output pixel, end, float32 weights (end - first,))."""
  starts, result, size = [scale * start for start in starts], scale * result, scale * size
  ends = [min(start + result, size) for start in starts]
  if not blend:
    cuts = [0] + [(start + end) // 2 for start, end in zip(starts[1:], ends)] + [size]
    return [(first, end, np.ones(end - first, np.float32)) for first, end in itertools.pairwise(cuts)]
  total, shares = np.zeros(size), []
  for i, (first, end) in enumerate(zip(starts, ends)):
    x = np.arange(first, end) + 0.5
    rising = (x - first) / (ends[i - 1] - first) if i else np.ones(len(x))
    falling = (end - x) / (end - starts[i + 1]) if i + 1 < len(starts) else np.ones(len(x))
    shares.append((first, end, np.clip(np.minimum(rising, falling), 0, 1)))
    total[first:end] += shares[-1][2]
  return [(first, end, (weights / total[first:end]).astype(np.float32)) for first, end, weights in shares]


def _resize(images, size):
  """Linear, antialiased; (..., h, w, c) -> (..., *size, c). The array itself when it has that size."""
  if tuple(images.shape[-3:-1]) == tuple(size):
    return images
  resized = jax.image.resize(jnp.asarray(images, jnp.float32), (*images.shape[:-3], *size, images.shape[-1]), 'linear')
  return resized if isinstance(images, jax.Array) else np.asarray(resized)
