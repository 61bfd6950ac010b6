"""The pictures of a classifier's mistakes."""

import jax
import numpy as np

from deconv.evaluators import EVALUATORS
from deconv.evaluators import confusion as evaluator
from deconv.options import EvalOptions
from deconv.tasks.capabilities import Classifies
from tests.evaluators.generators import digits, make_state

KEY = jax.random.key(0)


class Sure(Classifies):
  """Names the class of an image by a table; `wrong` are the numbers of images that it takes for the next class."""

  num_classes, class_names = 10, tuple(map(str, range(10)))

  def __init__(self, source, wrong=()):
    self.table = {}
    for i in range(len(source)):
      item = source[i]
      logits = np.zeros(10, np.float32)
      logits[(item['label'] + (i in wrong)) % 10] = 1 + i
      self.table[item['image'].tobytes()] = logits
    self.described = []

  def outputs(self, state, images):
    logits = np.stack([self.table[image.tobytes()] for image in images])
    return logits, logits

  def describe(self, labels, logits):
    self.described = list(zip(labels, logits.argmax(-1), logits.max(-1)))
    return [f'{label}' for label in labels]


def test_mistakes_are_shown_the_surest_first():
  source = digits(60)
  task = Sure(source, wrong=(3, 50, 17))
  numbers, pictures, protocol = EVALUATORS['confusion'].measure(task, make_state(), source, KEY, EvalOptions())
  assert not numbers and not protocol and set(pictures) == {'confusion', 'mistakes'}
  assert all(picture.dtype == np.uint8 and picture.ndim == 3 for picture in pictures.values())
  shown = [source[i]['label'] for i in (50, 17, 3)]
  assert [label for label, _, _ in task.described] == shown
  assert [named for _, named, _ in task.described] == [(label + 1) % 10 for label in shown]


def test_no_mistake_no_picture_of_them():
  source = digits(20)
  _, pictures, _ = EVALUATORS['confusion'].measure(Sure(source), make_state(), source, KEY, EvalOptions())
  assert set(pictures) == {'confusion'}


def test_the_whole_split_is_read(monkeypatch):
  monkeypatch.setattr(evaluator, '_CHUNK', 7)
  source = digits(20)
  task = Sure(source, wrong=(19,))
  _, pictures, _ = EVALUATORS['confusion'].measure(task, make_state(), source, KEY, EvalOptions())
  assert 'mistakes' in pictures and EVALUATORS['confusion'].split == 'eval'
