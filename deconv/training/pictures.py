"""Sample pictures of a run: PNG files, TensorBoard images and the GIF made of them."""

import collections
import os
import re

import numpy as np

from deconv import plots
from deconv.rng import stream

# The film of a training shows its last picture so long before it begins again.
_LAST_FRAME_SECONDS = 2.0


class Pictures:
  """Draws the pictures of a task from one key and one batch throughout a run, so that they can be compared."""

  def __init__(self, run, folder, writer):
    self._run, self._writer = run, writer
    self._folder = folder.file('samples')
    self._writes = run.parallel.process_index == 0
    self._key = stream(run.key, 'pictures')
    self._batch = None

  def make(self, state, step):
    """Draws and saves samples/NAME_STEP.png of the state on the devices."""
    if not self._writes:
      return
    if self._batch is None:
      self._batch = self._run.batches.at(0)
    drawn = self._run.task.pictures(self._run.parallel.local_state(state), self._batch, self._key)
    self.save(step, drawn)

  def save(self, step, images):
    """Saves {name: uint8 image} as samples/NAME_STEP.png."""
    for name, image in images.items():
      image = np.asarray(image)
      plots.save_png(os.path.join(self._folder, f'{name}_{step:08d}.png'), image)
      self._writer.image(step, name, image)

  def save_gif(self, step):
    """Makes samples/progress.gif of the pictures up to a step; of those names that there are, the most frequent one."""
    if self._writes:
      frames = [read_png(path) for path in frames_up_to(self._folder, step)]
      frames = [frame for frame in frames if frame.shape == frames[-1].shape]
      if frames:
        film, fps = os.path.join(self._folder, 'progress.gif'), self._run.options.samples.gif_fps
        plots.save_gif(film, frames, fps, _LAST_FRAME_SECONDS)


def frames_up_to(folder, step):
  """Returns the paths of the pictures of the most frequent name, in the order of their steps."""
  found = collections.defaultdict(list)
  for file in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
    match = re.fullmatch(r'(.+)_(\d{8,})\.png', file)
    if match and int(match[2]) <= step:
      found[match[1]].append((int(match[2]), os.path.join(folder, file)))
  if not found:
    return []
  # Of equally frequent ones the task's own samples, then the first of the alphabet.
  name = min(found, key=lambda name: (-len(found[name]), name != 'samples', name))
  return [path for _, path in sorted(found[name])]


def read_png(path):
  """Returns a PNG file as uint8 (height, width, channels)."""
  from PIL import Image

  image = np.asarray(Image.open(path))
  return image if image.ndim == 3 else image[..., None]
