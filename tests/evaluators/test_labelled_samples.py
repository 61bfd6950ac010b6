"""The nearest-neighbour classifier that is trained on samples: by hand, and of a task without classes."""

import jax
import numpy as np

from deconv.data import ArraySource, DataOptions
from deconv.evaluators import labelled_samples
from deconv.options import EvalOptions
from deconv.tasks.capabilities import GeneratesClasses


class Painter(GeneratesClasses):
  """Paints class k as a flat image of brightness k - 1, or class 1 like class 0."""

  num_classes = 3

  def __init__(self, wrong=False):
    self.wrong = wrong

  def sample(self, state, key, num):
    shades = np.arange(num) % 3
    shades = np.where((shades == 1) & self.wrong, 0, shades)
    return np.broadcast_to((shades - 1).reshape(-1, 1, 1, 1), (num, 4, 4, 1)).astype(np.float32)

  sample_class = interpolate = None

  def sampling_protocol(self, state):
    return {'ema': False}


SOURCE = ArraySource(
  'shades',
  np.repeat(np.array([0, 127, 255, 100], np.uint8), 16).reshape(4, 4, 4),
  np.array([0, 1, 2, 1]),
  DataOptions(image_size=4),
  ('a', 'b', 'c'),
)


def measure(task):
  return labelled_samples.measure(task, None, SOURCE, jax.random.key(0), EvalOptions(num_samples=30))


def test_by_hand():
  numbers, pictures, protocol = measure(Painter())
  assert numbers == {'knn_error': 0.0} and pictures == {}
  assert protocol['num_samples'] == 30 and protocol['num_real'] == 4 and protocol['ema'] is False
  assert measure(Painter(wrong=True))[0] == {'knn_error': 0.5}  # both of class 1


def test_nothing_without_classes():
  task = Painter()
  task.num_classes = 0
  assert measure(task) == ({}, {}, {})
