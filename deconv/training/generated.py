"""Training images that a trained run has generated."""

import os

import jax
import numpy as np

from deconv import data
from deconv.data.feed.chosen import joined
from deconv.errors import UserError
from deconv.rng import stream
from deconv.tasks.capabilities import GeneratesClasses
from deconv.training import restore
from deconv.training.saved_config import load_config


def add(source, options):
  """Returns a source with `data.generated_per_class` images more of each class, drawn from the run `data.generated`.

  They are a function of that run's newest checkpoint and of the seed.

  Args:
    source: Source that is trained on.
    options: deconv.options.Experiment.

  Raises:
    UserError: there is no run, it cannot draw the classes of the source, or its images have another shape.
  """
  place, number = options.data.generated, options.data.generated_per_class
  if not os.path.isfile(os.path.join(place, 'config.json')):
    raise UserError(f"data.generated='{place}' is no folder of a run: train a GAN with labels there first")
  theirs = load_config(place)
  task, state, _ = restore.restore(theirs, place)
  classes = task.num_classes if isinstance(task, GeneratesClasses) else 0
  if not classes or classes != source.num_classes:
    raise UserError(
      f"data.generated='{place}' is a run that draws {classes or 'no'} classes, and {source.name} has "
      f'{source.num_classes or "none"}: choose the run of a GAN that was trained with the labels of this source'
    )
  if theirs.data.image_shape != source.image_shape:
    raise UserError(
      f"data.generated='{place}' draws images of {theirs.data.image_shape}, not {source.image_shape}: set "
      'data.image_size and data.channels to those of that run'
    )
  images = task.sample(state, stream(jax.random.key(options.seed), 'generated'), classes * number)
  return joined(source, np.asarray(data.to_uint8(images)), np.arange(classes * number) % classes)
