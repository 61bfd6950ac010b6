"""Do samples have a checkerboard on them, from the way in which the generator enlarges?"""

import numpy as np

from deconv import data, plots
from deconv.evaluators import samples
from deconv.evaluators.evaluator import Evaluator
from deconv.metrics import checkerboard
from deconv.tasks.capabilities import Generates

STRIDES = 2, 4  # pixels between two of the pattern: of the last layer, of the last two
LIMIT = 2000  # samples and real images that are looked at, at most


def measure(task, state, source, key, options):
  """Compares the spectrum of samples with that of real images; see deconv.metrics.checkerboard.measure.

  Args:
    task: a Task that Generates.
    state, source, key, options: see Evaluator.

  Returns:
    ({'checkerboard_db_2', 'checkerboard_excess_db_2', 'checkerboard_rms_2', 'phase_contrast_2', and the same with _4
    for the other of STRIDES, where the images have so many pixels}, {'spectrum': mean log spectra of samples and of
    real images}, protocol), all empty for points of the plane.
  """
  if source.options.points:
    return {}, {}, {}
  drawn, real, protocol = images_of(task, state, source, key, options)
  drawn, real = drawn[:LIMIT], real[:LIMIT]
  numbers = {}
  for stride in STRIDES:
    if min(drawn.shape[1:3]) >= 2 * stride:
      found = checkerboard.measure(drawn, stride, real)
      numbers.update({f'{name}_{stride}': found[name] for name in checkerboard.MEASURED})
  spectra = [plots.enlarge(checkerboard.spectrum_picture(images), 4) for images in (drawn, real)]
  picture = plots.caption(np.concatenate(spectra, axis=1), 'mean log spectrum of samples; of real images')
  return numbers, {'spectrum': picture}, {**protocol, 'n_checkerboard': len(drawn), 'n_checkerboard_real': len(real)}


def images_of(task, state, source, key, options):
  """Returns (samples, real images, protocol of the samples), float32 (n, height, width, channels) in [-1, 1]."""
  drawn = samples.draw(task, state, source, key, options)
  return *(np.asarray(data.to_signed(images)) for images in (drawn.samples, drawn.reference)), drawn.protocol


EVALUATOR = Evaluator(measure, needs=Generates, split='train')
