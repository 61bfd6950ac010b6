"""Poisson blending (Perez, Gangnet & Blake 2003): a fill keeps its gradients and takes the colours of the border."""

import numpy as np


def blend(fills, images, hole):
  """Fills the hole with the surface whose gradients are nearest to those of the fill (Yeh et al. 2017, section 3.3).

  Least squares over all pairs of neighbouring pixels (up, down, left, right) of which one is missing; known pixels are
  fixed, and beyond the edge of the image there is nothing. The correction of the fill is what is solved for, a harmonic
  function: a fill that meets its border stays as it is, bit for bit, and a constant offset disappears. In float64 on
  the host, a sparse LU factorisation of as many unknowns as pixels are missing.

  Args:
    fills: floats (b, h, w, c), of which the gradients are taken.
    images: floats (b, h, w, c), of which the known pixels are taken.
    hole: (b, h, w, 1), above 0 where a pixel is missing.

  Returns:
    float32 (b, h, w, c), not clipped.

  Raises:
    ValueError: nothing is known of an image.
  """
  from scipy.sparse import linalg

  fills, images, holes = np.asarray(fills, np.float32), np.asarray(images, np.float32), np.asarray(hole)[..., 0] > 0
  blended, systems = np.where(holes[..., None], fills, images), {}
  for result, fill, image, missing in zip(blended, fills, images, holes):
    if missing.all():
      raise ValueError('an image of which no pixel is known has no border to blend with')
    if not missing.any():
      continue
    name = missing.tobytes()
    if name not in systems:  # most often there is one mask for all
      rows = _laplacian(*missing.shape)[missing.ravel()]
      systems[name] = linalg.splu(rows[:, missing.ravel()].tocsc()), rows[:, ~missing.ravel()]
    factors, border = systems[name]
    beside = image[~missing].astype(np.float64) - fill[~missing]
    result[missing] = fill[missing] + factors.solve(-(border @ beside))
  return blended


def _laplacian(height, width):
  """The sum over pairs of neighbours of (x_i - x_j)^2 as a quadratic form: sparse (height * width)^2."""
  from scipy import sparse

  def line(length):
    differences = sparse.diags_array([-1.0, 1.0], offsets=[0, 1], shape=(length - 1, length))
    return differences.T @ differences

  # Vertical pairs and horizontal ones, pixels row by row.
  along, across = line(height), line(width)
  return (sparse.kron(along, sparse.eye_array(width)) + sparse.kron(sparse.eye_array(height), across)).tocsr()
