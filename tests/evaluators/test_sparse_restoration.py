"""Denoising and inpainting by sparse maps: how the weight is chosen, and what is filled, with a task that one can
reckon."""

import jax
import numpy as np
import pytest

from deconv.data import ArraySource, DataOptions
from deconv.evaluators import EVALUATORS, sparse_restoration
from deconv.tasks.capabilities import InfersMaps

IMAGES = np.tile(np.linspace(60, 190, 16).astype(np.uint8)[:, None, None], (30, 1, 16, 1))


SIGMA = sparse_restoration.SIGMA
OFF = 0.55  # of the noise's deviation


class Smoother(InfersMaps):
  """Explains all that it sees, where that has a large weight; then row means that are off; then nothing."""

  def __init__(self):
    self.seen = []

  def explain(self, state, images, weights=None):
    weights = np.broadcast_to(weights, (*images.shape[:3], 1))
    self.seen.append((images, weights))
    trust = weights.max()
    if weights.min() == 0:  # missing pixels: the mean of the known ones of a row
      rows = (images * weights).sum(axis=2, keepdims=True) / weights.sum(axis=2, keepdims=True)
      return {'layer1': np.broadcast_to(rows, images.shape)}, {}
    rows = np.broadcast_to(images.mean(axis=2, keepdims=True), images.shape)
    if trust < 0.1:
      return {'layer1': np.zeros_like(images)}, {}
    return {'layer1': images if trust > 0.2 else rows + OFF * SIGMA / 127.5}, {}


@pytest.fixture(scope='module')
def measured():
  task = Smoother()
  source = ArraySource('ramps', IMAGES, None, DataOptions(image_size=16))
  return task, sparse_restoration.measure(task, None, source, jax.random.key(0), None)


def test_the_weight_is_that_which_leaves_the_noise(measured):
  """The identity leaves no residual, and zeros too much of one."""
  _, (numbers, _, protocol) = measured
  assert numbers['noisy_psnr'] == pytest.approx(20 * np.log10(255 / 25), abs=0.5)
  gain = -10 * np.log10(1 / 16 + OFF**2)  # of a mean of 16 pixels
  assert numbers['denoised_psnr_layer1'] == pytest.approx(20 * np.log10(255 / 25) + gain, abs=0.5)
  assert numbers['inference_images_per_second'] > 0
  assert protocol['noise_sigma'] == 25 and protocol['restored'] == 24


def test_missing_pixels_are_filled_and_not_seen(measured):
  task, (numbers, pictures, _) = measured
  images, weights = task.seen[-1]
  assert 0.4 < weights.mean() < 0.6 and np.all(images[weights[..., 0] == 0] == 0)
  assert numbers['inpainted_psnr_layer1'] > 60  # rows are constant
  assert 20 < numbers['inpainted_psnr_mean'] < 60
  assert pictures['denoised'].shape == (6 * 50 + 2, 3 * 50 + 2, 1)


def test_it_is_in_the_table():
  assert EVALUATORS['sparse_restoration'].needs is InfersMaps and EVALUATORS['sparse_restoration'].split == 'eval'
