"""Whole held-out pictures at their own size, degraded and restored, beside what needs no network."""

import jax
import numpy as np

from deconv import data, plots
from deconv.evaluators import readable_pictures
from deconv.evaluators.evaluator import Evaluator
from deconv.metrics import baselines
from deconv.rng import stream
from deconv.tasks.capabilities import RestoresPictures

_SHOWN = 4  # held-out pictures that are drawn
_ZOOM = 4  # the crop beside them is a quarter of the picture's shorter side


def measure(task, state, source, key, options):
  """Degrades and restores whole held-out pictures, cut at the right and below to a multiple of the scale.

  Args:
    task: a task that RestoresPictures.
    state: State.
    source: Source of the evaluation split; a network of one size gets the source's items.
    key: PRNG key of the degradations.
    options: deconv.options.EvalOptions.

  Returns:
    ({'whole_psnr': ..., 'whole_psnr_baseline': ..., ...} means over the pictures, with '_median', '_nlm' (noise of a
      fixed sigma), '_nlm_default' and '_biharmonic' (holes) those of deconv.metrics.baselines; {'whole_0': picture,
      ...}; protocol), all empty where `whole_images` is 0.
  """
  if not options.whole_images:
    return {}, {}, {}
  fixed = task.eval_network.fixed_side
  number = min(options.whole_images, len(source) if fixed else source.num_full)
  found, shown = [], {}
  for i, item in readable_pictures.load_each(source, number, source.__getitem__ if fixed else source.load_full):
    image = item['image']
    height, width = (side // task.scale * task.scale for side in image.shape[:2])
    batch = {'image': image[None, :height, :width]}
    batch.update(task.random_inputs(batch, jax.random.fold_in(stream(key, 'whole'), i)))
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
  if not found:
    return {}, {}, {}
  numbers = {f'whole_{name}': float(np.mean([values[name] for values in found])) for name in found[0]}
  protocol = {
    'split': source.options.eval_split,
    'whole_images': len(found),
    'tile_overlap': options.tile_overlap,
    'flips': options.flips,
    'quarter_turns': options.quarter_turns,
  }
  return numbers, shown, protocol


def classical(degradation, inputs, hole):
  """Returns {name: images like inputs}: what deconv.metrics.baselines has for a degradation (host)."""
  if hole is not None:
    return {'biharmonic': baselines.biharmonic_fill(inputs, np.asarray(hole))}
  if degradation.scale > 1 or degradation.grey:
    return {}
  if degradation.noise_sigma:
    fixed = degradation.noise_sigma_max <= degradation.noise_sigma
    found = {'nlm': baselines.non_local_means(inputs, degradation.noise_sigma)} if fixed else {}
    return {'median': baselines.median_filter(inputs), **found, 'nlm_default': baselines.non_local_means(inputs)}
  return {'median': baselines.median_filter(inputs)} if degradation.salt_pepper else {}


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
  crops = [plots.enlarge(part[top : top + side, left : left + side], max(1, width // side)) for part in parts]
  canvas = [np.full((crops[0].shape[0], width, channels), 255, np.uint8) for _ in crops]
  for background, crop in zip(canvas, crops):
    background[:, : crop.shape[1]] = crop[:, :width]
  rows = np.concatenate([plots.image_grid(parts, columns=4), plots.image_grid(np.stack(canvas), columns=4)])
  known = f' {values["psnr_baseline"]:.2f} dB' if baseline else ''
  text = (
    f'input | {baseline or "input"}{known} | network {values["psnr"]:.2f} dB | truth; below, '
    f'{max(1, width // side)} times as large, where the second errs most'
  )
  return plots.caption(rows, text)


EVALUATOR = Evaluator(measure, needs=RestoresPictures, split='eval')
