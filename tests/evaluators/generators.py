"""A task without a network: its samples are the images that it was given."""

import jax.numpy as jnp
import numpy as np

from deconv import data
from deconv.options import EvalOptions
from deconv.tasks.capabilities import Generates
from deconv.tasks.state import State

OPTIONS = EvalOptions(num_samples=20)


class Copier(Generates):
  """Gives images (n, h, w, c) of uint8 back, over and over; counts how often it is asked."""

  def __init__(self, images, **protocol):
    self.images, self.protocol, self.calls = images, protocol, 0

  def sample(self, state, key, num):
    self.calls += 1
    return np.resize(self.images, (num, *self.images.shape[1:])) / np.float32(127.5) - 1

  def interpolate(self, state, key, rows, columns):
    raise NotImplementedError

  def sampling_protocol(self, state):
    return self.protocol


class CountingSource(data.ArraySource):
  """Counts the images that are read."""

  reads = 0

  def __getitem__(self, index):
    self.reads += 1
    return super().__getitem__(index)


def make_state(step=3):
  """A state without networks."""
  return State(step=jnp.int32(step), networks={})


def noise(num, seed, labels=None, side=8):
  """A source of random images."""
  images = np.random.default_rng(seed).integers(0, 256, (num, side, side, 1), dtype=np.uint8)
  names = None if labels is None else [str(i) for i in range(int(max(labels)) + 1)]
  return CountingSource('noise', images, labels, data.DataOptions(image_size=side), names)


def digits(num, side=8):
  """A source of the first so many handwritten digits."""
  source = data.open_source(data.DataOptions(image_size=side))
  taken = source.take(np.arange(num))
  return CountingSource('digits', taken['image'], taken['label'], source.options, source.class_names)
