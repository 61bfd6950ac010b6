"""Whole held-out pictures at their own size, degraded and restored, beside what needs no network.

With `objective.colour='y'`, `degrade.down='bicubic'` and `degrade.levels='raw'` this is the protocol of papers on
super-resolution: luminance of BT.601 in whole levels, the picture cut to a multiple of the scale, MATLAB's antialiased
bicubic down, the result clipped and rounded, as many pixels shaved as the scale says, the mean of the PSNR of each
picture. With 'rounded' the small picture is rounded to bytes too. The noise of papers on denoising is 'raw' as well.
"""

import time

import jax
import numpy as np

from deconv import data, plots
from deconv.errors import UserError
from deconv.evaluators import readable_pictures
from deconv.evaluators.evaluator import Evaluator
from deconv.metrics import baselines, image_quality
from deconv.rng import stream
from deconv.tasks.capabilities import RestoresPictures

_SHOWN = 4  # held-out pictures that are drawn
_ZOOM = 4  # the crop beside them is a quarter of the picture's shorter side
# In dB. What is published has two digits; the mean over Set12 of noise has a standard error of 0.006 dB.
_TOLERANCE, _TOLERANCE_OF_NOISE = 0.01, 0.02


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
      fixed sigma), '_nlm_default' and '_biharmonic' (holes) those of deconv.metrics.baselines, and 'whole_psnr_input'
      (no other size, no hole) that of the input neither clipped nor rounded; {'whole_0': picture, ...}; protocol, with
      'whole_seconds'), all empty where `whole_images` is 0.

  Raises:
    UserError: the baseline is not `published_baseline`.
  """
  if not options.whole_images:
    return {}, {}, {}
  fixed = task.eval_network.fixed_side
  number = min(options.whole_images, len(source) if fixed else source.num_full)
  found, shown, began = [], {}, time.monotonic()
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
    if task.baseline_name == 'input' and inputs.shape == targets.shape:
      error = np.mean(np.square(np.asarray(inputs, np.float64) - np.asarray(targets, np.float64)))
      values['psnr_input'] = -10 * np.log10(max(error / 4, 10 ** (-image_quality.LIMIT_DB / 10)))
    found.append(values)
    if i < _SHOWN:
      parts = (inputs, task.baseline(inputs, hole), task.composite(outputs, inputs, hole), targets)
      shown[f'whole_{i}'] = panel([np.asarray(x[0]) for x in parts], values, task.baseline_name)
  if not found:
    return {}, {}, {}
  numbers = {f'whole_{name}': float(np.mean([values[name] for values in found])) for name in found[0]}
  if options.self_tests and options.published_baseline:
    check_baseline(numbers, options.published_baseline)
  protocol = {
    'split': source.options.eval_split,
    'whole_images': len(found),
    'tile_overlap': options.tile_overlap,
    'flips': options.flips,
    'quarter_turns': options.quarter_turns,
    'whole_seconds': round(time.monotonic() - began, 1),
  }
  if source.options.eval_path:
    protocol['whole_fingerprint'] = source.content_fingerprint()
  if options.published_baseline:
    protocol['published_baseline'] = options.published_baseline
  return numbers, shown, protocol


def check_baseline(numbers, published):
  """Raises UserError where the noise as it is, or else the baseline of 'whole_psnr', is not the published one (dB)."""
  of_noise = 'whole_psnr_input' in numbers
  found = numbers['whole_psnr_input' if of_noise else 'whole_psnr_baseline']
  if not abs(found - published) <= (_TOLERANCE_OF_NOISE if of_noise else _TOLERANCE):
    raise UserError(
      f'the baseline has {found:.3f} dB on these pictures, and eval.published_baseline is {published:g}, so nothing is '
      'measured: look at the pictures of data.eval_path and their number, or set eval.published_baseline=0 for others'
    )


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
