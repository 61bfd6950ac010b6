"""Which parts of an image matter: a grey square is moved over it (Zeiler & Fergus 2013, section 4.2 and figure 7)."""

import jax
import jax.numpy as jnp
import numpy as np

from deconv import data


def occlude(measure, image, side, stride, batch_size=64):
  """Measures an image with each of its squares hidden.

  Args:
    measure: function of float32 images (n, height, width, channels) in [-1, 1] to {name: (n,)}.
    image: uint8 (height, width, channels).
    side: of the square, in pixels; it is grey (0).
    stride: pixels from one place of the square to the next.
    batch_size: images in a call of `measure`.

  Returns:
    {name: float32 (rows, columns)}: the number with the square there; the first place is the upper left corner.
  """
  height, width = image.shape[:2]
  rows, columns = range(0, height - side + 1, stride), range(0, width - side + 1, stride)
  corners = np.array([(top, left) for top in rows for left in columns])
  signed = data.to_signed(jnp.asarray(image))

  @jax.jit
  def hide(corner):
    y, x = jnp.arange(height)[:, None, None], jnp.arange(width)[None, :, None]
    inside = (y >= corner[0]) & (y < corner[0] + side) & (x >= corner[1]) & (x < corner[1] + side)
    return jnp.where(inside, 0.0, signed)

  parts = []
  for start in range(0, len(corners), batch_size):
    part = corners[start : start + batch_size]
    padded = np.concatenate([part, np.repeat(part[-1:], batch_size - len(part), axis=0)])
    measured = measure(jax.vmap(hide)(padded))
    parts.append({name: np.asarray(x)[: len(part)] for name, x in measured.items()})
  return {
    name: np.concatenate([part[name] for part in parts]).reshape(len(rows), len(columns)).astype(np.float32)
    for name in parts[0]
  }
