"""Whole pictures of any size through a restoration network: held-out ones that are measured, and a user's own."""
import jax
import jax.numpy as jnp
import numpy as np

from deconv import data, plots
from deconv.data.transforms.colour import from_ycbcr, luminance, to_ycbcr
from deconv.errors import UserError
from deconv.metrics import baselines
from deconv.ops.resample import upsample_bicubic
from deconv.rng import stream
from deconv.tasks import tiling

_TILE = 128   # side in pixels of a tile that a fully convolutional network sees, at least
_SHOWN = 4    # held-out pictures that are drawn
_ZOOM = 4     # the crop beside them is a quarter of the picture's shorter side


def predict(apply, inputs, network, *, scale=1, overlap=0.25, flips=False, quarter_turns=False):
  """Runs a network on one image of any size.

  Args:
    apply: images (n, h, w, c) -> (n, scale * h, scale * w, c').
    inputs: float32 (h, w, c).
    network: its module; `multiple` and `fixed_side` say which sizes it takes, see deconv.models.
    scale: output pixels per input pixel along a side.
    overlap: share of a tile's side by which its neighbours overlap it.
    flips: also mirrored, and averaged.
    quarter_turns: also turned, and averaged.

  Returns:
    numpy float32 (scale * h, scale * w, c').
  """
  multiple = getattr(network, 'multiple', 1)
  tile = getattr(network, 'fixed_side', None)
  if tile is None:
    tile = -(-min(_TILE, max(inputs.shape[:2])) // multiple) * multiple
  if flips or quarter_turns:
    apply = tiling.ensemble(apply, flips=flips, quarter_turns=quarter_turns)
  return tiling.predict_tiled(apply, np.asarray(inputs, np.float32), tile=tile, overlap=int(overlap * tile),
                              multiple=multiple, scale=scale)


def evaluate(task, state, source, key):
  """Degrades and restores whole held-out pictures, cut at the right and below to a multiple of the scale.

  Args:
    task: deconv.tasks.restoration.Restoration.
    state: State.
    source: Source; its `num_full` whole images are `load_full(i)`. A network of one size gets the source's items.
    key: PRNG key of the degradations.

  Returns:
    ({'whole_psnr': ..., 'whole_psnr_baseline': ..., ...} means over the pictures, with '_median', '_nlm' (noise of a
      fixed sigma), '_nlm_default' and '_biharmonic' (holes) those of deconv.metrics.baselines; {'whole_0': picture,
      ...}; protocol).
  """
  fixed = getattr(task.eval_network, 'fixed_side', None)
  number = min(task.whole_images, len(source) if fixed else getattr(source, 'num_full', len(source)))
  found, shown = [], {}
  for i in range(number):
    image = (source[i] if fixed else source.load_full(i))['image']
    height, width = (side // task.scale * task.scale for side in image.shape[:2])
    batch = {'image': image[None, :height, :width]}
    batch.update(task.draw(batch, jax.random.fold_in(stream(key, 'whole'), i)))
    inputs, hole, targets = task.observe_whole(batch)
    outputs = task.predict_image(state, np.asarray(inputs[0]))[None]
    values = {name: float(value[0]) for name, value in task.measure_whole(outputs, inputs, hole, targets).items()}
    for other, guess in classical(task.degradation, np.asarray(inputs), hole).items():
      measured = task.measure_whole(guess, inputs, hole, targets)
      values.update({f'{name}_{other}': float(value[0]) for name, value in measured.items() if '_baseline' not in name})
    found.append(values)
    if i < _SHOWN:
      parts = (inputs, task.baseline(inputs, hole), task.composite(outputs, inputs, hole), targets)
      shown[f'whole_{i}'] = panel([np.asarray(x[0]) for x in parts], values, task.baseline_name)
  numbers = {f'whole_{name}': float(np.mean([values[name] for values in found])) for name in found[0]}
  protocol = {'split': source.options.eval_split if hasattr(source, 'options') else '', 'whole_images': number,
              'tile_overlap': task.tile_overlap, 'flips': task.flips, 'quarter_turns': task.quarter_turns}
  return numbers, shown, protocol


def classical(degradation, inputs, hole):
  """Returns {name: images like inputs}: what deconv.metrics.baselines has for a degradation (host)."""
  if hole is not None:
    return {'biharmonic': baselines.biharmonic_fill(inputs, np.asarray(hole))}
  if degradation.noise_sigma and degradation.scale == 1 and not degradation.grey:
    fixed = degradation.noise_sigma_max <= degradation.noise_sigma
    found = {'nlm': baselines.non_local_means(inputs, degradation.noise_sigma)} if fixed else {}
    return {'median': baselines.median_filter(inputs), **found, 'nlm_default': baselines.non_local_means(inputs)}
  return {}


def panel(parts, values, baseline):
  """Draws input, baseline, result and truth beside each other, and under them the crop where the baseline errs most.

  Args:
    parts: four float arrays in [-1, 1]: (h / scale, w / scale, c'), and three times (h, w, c).
    values: {'psnr', 'psnr_baseline', ...} of the picture.
    baseline: name of the baseline.

  Returns:
    uint8 (height, width, c).
  """
  _, guess, _, truth = parts
  height, width, channels = truth.shape
  enlarge = height // parts[0].shape[0]
  parts = [np.repeat(np.repeat(parts[0], enlarge, axis=0), enlarge, axis=1), *parts[1:]]
  parts = np.stack([data.to_uint8(np.broadcast_to(part, truth.shape)) for part in parts])
  side = max(1, min(height, width) // _ZOOM)
  error = np.square(guess - truth).sum(-1)
  total = np.pad(error, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
  boxes = total[side:, side:] - total[:-side, side:] - total[side:, :-side] + total[:-side, :-side]
  top, left = np.unravel_index(np.argmax(boxes), boxes.shape)
  crops = [plots.enlarge(part[top:top + side, left:left + side], max(1, width // side)) for part in parts]
  canvas = [np.full((crops[0].shape[0], width, channels), 255, np.uint8) for _ in crops]
  for background, crop in zip(canvas, crops):
    background[:, :crop.shape[1]] = crop[:, :width]
  rows = np.concatenate([plots.image_grid(parts, columns=4), plots.image_grid(np.stack(canvas), columns=4)])
  known = f" {values['psnr_baseline']:.2f} dB" if baseline else ''
  text = (f"input | {baseline or 'input'}{known} | network {values['psnr']:.2f} dB | truth; below, "
          f'{max(1, width // side)} times as large, where the second errs most')
  return plots.caption(rows, text)


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
    if task.centre_only:
      edge, inside = task.side // 4, np.zeros_like(hole)
      inside[edge:-edge, edge:-edge] = True
      if hole.shape[:2] != (task.side, task.side) or (hole & ~inside).any():
        raise UserError(f'this network fills the middle {task.side // 2} pixels each way of pictures of {task.side}x'
                        f'{task.side} alone; cut the picture so that what is missing lies there')
  signed = pixels.astype(np.float32) * (2 / peak) - 1

  def restore(x):  # (h, w, channels of the network's input)
    if hole is None:
      return task.predict_image(state, x)
    x = np.where(hole, np.float32(task.degradation.hole_value), x)
    return np.where(hole, task.predict_image(state, x), x)

  if task.objective.colour == 'y':
    planes = np.asarray(to_ycbcr(jnp.asarray(np.broadcast_to(signed, (*signed.shape[:2], 3)))))
    chroma = np.asarray(upsample_bicubic(jnp.asarray(planes[None, ..., 1:]), task.scale))[0]
    result = np.asarray(from_ycbcr(jnp.asarray(np.concatenate([restore(planes[..., :1]), chroma], axis=-1))))
    result = result.mean(-1, keepdims=True) if signed.shape[-1] == 1 else result
  elif task.objective.colour == 'grey':
    result = np.concatenate([restore(signed[..., i:i + 1]) for i in range(signed.shape[-1])], axis=-1)
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


def _levels(x, dtype):
  peak = np.iinfo(dtype).max
  return np.clip(np.round(np.asarray(x, np.float64) * peak), 0, peak).astype(dtype)
