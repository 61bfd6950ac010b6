"""Whole pictures of any size through a restoration network, and a user's own pictures."""

import jax.numpy as jnp
import numpy as np

from deconv import data
from deconv.data.transforms.colour import from_ycbcr, luminance, to_ycbcr
from deconv.errors import UserError
from deconv.ops.resample import upsample_bicubic
from deconv.tasks import tiling

_MIRRORED = 8  # pixels beyond the border of a user's own picture
_TILE = 128  # side in pixels of a tile that a fully convolutional network sees, at least


def predict(apply, inputs, network, scale, options):
  """Runs a network on one image of any size.

  Args:
    apply: images (n, h, w, c) -> (n, scale * h, scale * w, c').
    inputs: float32 (h, w, c).
    network: deconv.models.restorer.Restorer, which says which sizes it takes.
    scale: output pixels per input pixel along a side.
    options: deconv.options.EvalOptions: tile_overlap, flips and quarter_turns are used.

  Returns:
    numpy float32 (scale * h, scale * w, c').
  """
  multiple, tile = network.multiple, network.fixed_side
  if tile is None:
    tile = -(-min(_TILE, max(inputs.shape[:2])) // multiple) * multiple
  if options.flips or options.quarter_turns:
    apply = tiling.ensemble(apply, flips=options.flips, quarter_turns=options.quarter_turns)
  return tiling.predict_tiled(
    apply,
    np.asarray(inputs, np.float32),
    tile=tile,
    overlap=int(options.tile_overlap * tile),
    multiple=multiple,
    scale=scale,
  )


def transform(task, state, image):
  """Restores a user's own picture; what the network does not see is enlarged by bicubic interpolation.

  Colours: a network of luminance restores the luminance of a coloured picture; one of grey images restores red, green
  and blue apart; one of RGB images sees a grey picture three times, and its mean is returned; one that makes colours
  returns colours. Where the network fills holes, they are the transparent pixels, and the result has no alpha.

  Args:
    task: deconv.tasks.restoration.Restoration.
    state: State.
    image: uint8 or uint16 (h, w, 1 to 4): grey or RGB, perhaps with alpha.

  Returns:
    The type of image, (scale * h, scale * w, channels), alpha kept (enlarged); uint8 from a network that makes colours,
    for no common file holds more.

  Raises:
    UserError: a network that fills holes and a picture without any, or with one elsewhere than the network can fill.
  """
  peak = np.iinfo(image.dtype).max
  pixels, alpha = data.split_alpha(image)
  hole = None
  if task.has_holes:
    if alpha is None or (alpha > 0).all():
      raise UserError('this network fills holes, and the picture has none; make what is missing transparent')
    hole, alpha = (alpha == 0), None
    if task.network.centre_only:
      edge, inside = task.side // 4, np.zeros_like(hole)
      inside[edge:-edge, edge:-edge] = True
      if hole.shape[:2] != (task.side, task.side) or (hole & ~inside).any():
        raise UserError(
          f'this network fills only the middle {task.side // 2}x{task.side // 2} pixels of a picture of '
          f'{task.side}x{task.side}; crop the picture so that the hole lies there'
        )
  signed = pixels.astype(np.float32) * (2 / peak) - 1

  def restore(x):  # (h, w, channels of the network's input)
    if hole is None:
      return _continued(task, state, x) if task.objective.shave else task.predict_image(state, x)
    x = np.where(hole, np.float32(task.degradation.hole_value), x)
    return np.where(hole, task.predict_image(state, x), x)

  if task.objective.colour == 'y':
    planes = np.asarray(to_ycbcr(jnp.asarray(np.broadcast_to(signed, (*signed.shape[:2], 3)))))
    chroma = np.asarray(upsample_bicubic(jnp.asarray(planes[None, ..., 1:]), task.scale))[0]
    result = np.asarray(from_ycbcr(jnp.asarray(np.concatenate([restore(planes[..., :1]), chroma], axis=-1))))
    result = result.mean(-1, keepdims=True) if signed.shape[-1] == 1 else result
  elif task.objective.colour == 'grey':
    result = np.concatenate([restore(signed[..., i : i + 1]) for i in range(signed.shape[-1])], axis=-1)
  elif task.input_channels == 1:
    result = restore(np.asarray(luminance(jnp.asarray(signed), 'full')))
  else:
    result = restore(np.ascontiguousarray(np.broadcast_to(signed, (*signed.shape[:2], 3))))
    result = result.mean(-1, keepdims=True) if signed.shape[-1] == 1 else result
  dtype = np.uint8 if task.input_channels < task.channels else image.dtype
  result = _levels((result + 1) / 2, dtype)
  if alpha is None:
    return result
  share = upsample_bicubic(jnp.asarray(alpha[None].astype(np.float32) / peak), task.scale)[0]
  return np.concatenate([result, _levels(np.asarray(share), dtype)], axis=-1)


def _continued(task, state, x):
  """Restores a picture that goes on beyond its border as in a mirror, and cuts the border off.

  A loss that shaves pixels at the border has not trained the network there: it draws a dark frame.
  """
  x, cut = np.pad(x, [(_MIRRORED, _MIRRORED), (_MIRRORED, _MIRRORED), (0, 0)], 'symmetric'), _MIRRORED * task.scale
  return task.predict_image(state, x)[cut:-cut, cut:-cut]


def _levels(x, dtype):
  peak = np.iinfo(dtype).max
  return np.clip(np.round(np.asarray(x, np.float64) * peak), 0, peak).astype(dtype)
