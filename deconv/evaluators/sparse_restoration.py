"""What sparse maps know of images: noise that they do not explain, and pixels that they were not shown."""

import time

import jax
import numpy as np

from deconv import data, plots
from deconv.data.transforms.contrast import WINDOW, normalize_contrast
from deconv.evaluators.evaluator import Evaluator
from deconv.metrics import image_quality
from deconv.rng import stream
from deconv.tasks.capabilities import InfersMaps

SIGMA, HIDDEN = 25, 0.5  # noise in levels of 255; share of the pixels
TRUST = (1.0, 1 / 2, 1 / 4, 1 / 8, 1 / 16)  # weights of the data term that are tried on noisy images
_IMAGES = 24  # that are looked at, at most
_SHOWN, _LEAST_SIDE = 6, 48  # rows of the picture; pixels of an image in it


def measure(task, state, source, key, options):
  """Explains held-out images with noise, and others of whose pixels half are missing.

  Noise: the data term gets the weight of TRUST at which the residual of an image comes closest to the power of the
  noise, so the noise level is known and the clean image is not looked at (Morozov's discrepancy principle). Missing
  pixels: they are filled by the explanation, and the known ones stay.

  Args:
    task: a task that InfersMaps.
    state: State.
    source: Source of the evaluation split.
    key: PRNG key of the noise and of the missing pixels.
    options: not used.

  Returns:
    ({'inference_images_per_second': images whose maps are found in a second, what is compiled not counted;
    'noisy_psnr', 'denoised_psnr_LAYER' and 'inpainted_psnr_LAYER' of each layer, 'inpainted_psnr_mean', where the
    Gaussian mean of the known pixels around fills: dB, means over images}, {'denoised': rows of truth, noisy image, and
    what each layer makes of it}, protocol). Missing pixels are left out where the images are too small for the mean.
  """
  del options
  number = min(_IMAGES, len(source))
  truth = np.asarray(data.to_signed(source.take(np.arange(number))['image']))
  noisy = truth + SIGMA / 127.5 * np.asarray(jax.random.normal(stream(key, 'noise'), truth.shape, 'float32'))
  tried, ends = [], []
  for trust in TRUST:
    tried.append(task.explain(state, noisy, np.full((1, 1, 1, 1), trust, np.float32))[0])
    ends.append(time.perf_counter())
  rate = number * (len(ends) - 1) / (ends[-1] - ends[0])  # the first one compiled
  denoised = {layer: _of_the_noise(noisy, [one[layer] for one in tried]) for layer in tried[0]}
  numbers = {'inference_images_per_second': rate, 'noisy_psnr': _psnr(noisy, truth)}
  numbers.update({f'denoised_psnr_{layer}': _psnr(images, truth) for layer, images in denoised.items()})

  if min(truth.shape[1:3]) > WINDOW // 2:
    shape = (*truth.shape[:3], 1)
    known = np.asarray(jax.random.bernoulli(stream(key, 'hidden'), np.float32(1 - HIDDEN), shape), np.float32)
    seen = truth * known
    filled, _ = task.explain(state, seen, known)
    filled['mean'] = np.broadcast_to(normalize_contrast(seen, 'local', known).mean, truth.shape)
    for layer, images in filled.items():
      numbers[f'inpainted_psnr_{layer}'] = _psnr(np.where(known > 0, truth, images), truth)

  columns = np.stack([truth, noisy, *denoised.values()], axis=1)[:_SHOWN]
  shown = data.to_uint8(columns).reshape(-1, *truth.shape[1:])
  grid = plots.image_grid(plots.at_least(shown, _LEAST_SIDE), columns=columns.shape[1])
  protocol = {
    'restored': number,
    'noise_sigma': SIGMA,
    'noise_weights': [round(trust, 3) for trust in TRUST],
    'noise_weight_by': 'discrepancy with the known noise level',
    'missing_pixels': HIDDEN,
  }
  return numbers, {'denoised': grid}, protocol


def _of_the_noise(noisy, tried):
  """Of several explanations, for each image the one whose residual comes closest to the power of the noise."""
  power = np.stack([np.mean((noisy - one) ** 2, axis=(1, 2, 3)) for one in tried])
  distance = np.abs(np.log(np.maximum(power, 1e-12)) - 2 * np.log(SIGMA / 127.5))
  return np.stack(tried)[distance.argmin(axis=0), np.arange(len(noisy))]


def _psnr(images, targets):
  return float(np.mean(image_quality.psnr(np.asarray(images, np.float32), targets)))


EVALUATOR = Evaluator(measure, needs=InfersMaps, split='eval')
