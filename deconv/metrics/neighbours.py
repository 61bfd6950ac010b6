"""Nearest real neighbours of generated images: does the generator copy its training set?"""

import numpy as np

from deconv import plots

CHUNK = 1000  # images compared at a time, which bounds the memory to so many distances to each reference
PROTOCOL = 'root mean square difference of pixels scaled to [0, 1], no alignment'


def nearest(queries, references, exclude_self=False):
  """Finds the nearest reference image of each query by brute force.

  Args:
    queries: uint8 (n, height, width, channels).
    references: uint8 (m, height, width, channels).
    exclude_self: queries and references are the same array, and an image is not its own neighbour (m >= 2).

  Returns:
    (distances float32 (n,), indices int64 (n,)): root mean square pixel difference on the scale [0, 1].
  """
  flat = np.reshape(references, (len(references), -1)).astype(np.float32) / 255
  norms = np.sum(flat**2, axis=1)
  distances, indices = [], []
  for start in range(0, len(queries), CHUNK):
    part = queries[start : start + CHUNK]
    part = part.reshape(len(part), -1).astype(np.float32) / 255
    squares = norms - 2 * part @ flat.T  # |a - b|^2 without |a|^2, which does not move the minimum
    if exclude_self:
      squares[np.arange(len(part)), np.arange(start, start + len(part))] = np.inf
    best = np.argmin(squares, axis=1)
    indices.append(best)
    # From the difference itself: the expanded square cancels badly for near copies, the very case looked for.
    distances.append(np.sqrt(np.mean((part - flat[best]) ** 2, axis=1)))
  return np.concatenate(distances), np.concatenate(indices)


def compare(samples, reference, heldout):
  """Compares the samples' distances to the reference with those of real images that are not in it.

  A sample counts as closer when it is nearer to its nearest reference image than that image is to its own nearest
  other one. A generator that copies is near 1; held-out real images give the value of an honest draw from the same
  source, which need not be 1/2.

  Args:
    samples: uint8 (n, height, width, channels).
    reference: uint8 (m >= 2, height, width, channels), real images that the samples are compared with.
    heldout: uint8 (k >= 1, height, width, channels), other real images of the same source.

  Returns:
    ({'neighbour_distance', 'neighbour_distance_heldout', 'neighbour_closer', 'neighbour_closer_heldout'}, indices
    (n,) of the samples' nearest reference images): mean distances (see `nearest`) and shares in [0, 1].
  """
  own, _ = nearest(reference, reference, exclude_self=True)
  distances, indices = nearest(samples, reference)
  real_distances, real_indices = nearest(heldout, reference)
  return {
    'neighbour_distance': float(np.mean(distances)),
    'neighbour_distance_heldout': float(np.mean(real_distances)),
    'neighbour_closer': float(np.mean(distances < own[indices])),
    'neighbour_closer_heldout': float(np.mean(real_distances < own[real_indices])),
  }, indices


def picture(samples, matches):
  """Returns a uint8 grid of eight columns: a row of samples, under it a row of their nearest real images, and so on."""
  columns, rows = 8, []
  for i in range(0, len(samples), columns):
    for images in (samples[i : i + columns], matches[i : i + columns]):
      fill = np.full((columns - len(images), *images.shape[1:]), 255, np.uint8)
      rows.append(np.concatenate([images, fill]))
  return plots.image_grid(np.concatenate(rows), columns=columns)
