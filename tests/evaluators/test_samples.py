"""What samples are judged by: real images drawn and split, drawn once for several evaluators, and then let go."""

import gc
import weakref

import jax
import numpy as np

from deconv import data
from deconv.evaluators import coverage, neighbours, samples
from deconv.options import EvalOptions
from tests.evaluators.generators import OPTIONS, Copier, make_state, noise

KEY = jax.random.key(0)


def test_split_is_a_function_of_its_seed_and_shares_no_image(monkeypatch):
  monkeypatch.setattr(samples, 'REFERENCE_LIMIT', 20)
  images = np.arange(50, dtype=np.uint8)[:, None, None, None] * np.ones((1, 8, 8, 1), np.uint8)
  source = data.ArraySource('ramp', images, None, data.DataOptions(image_size=8))
  first, again = (samples.split(source)[:2] for _ in range(2))
  np.testing.assert_array_equal(first[0], again[0])
  values = [set(part[:, 0, 0, 0].tolist()) for part in first]
  assert len(values[0]) == 16 and len(values[1]) == 4 and not values[0] & values[1]
  assert samples.split(source)[2] is None
  monkeypatch.setattr(samples, 'SEED', 1)
  assert not np.array_equal(first[0], samples.split(source)[0])


def test_labels_stay_with_their_images():
  source = noise(30, 0, labels=np.arange(30))
  reference, heldout, labels = samples.split(source)
  assert len(reference) == 24 and len(heldout) == 6
  for part, numbers in zip((reference, heldout), labels):
    np.testing.assert_array_equal(part, source.take(numbers)['image'])


def test_what_is_drawn():
  task, source = Copier(noise(5, 1).take(np.arange(5))['image'], ema=True, forward=7), noise(30, 0)
  drawn = samples.draw(task, make_state(4), source, KEY, OPTIONS)
  np.testing.assert_array_equal(drawn.samples, np.resize(task.images, (20, 8, 8, 1)))
  assert drawn.samples.dtype == np.uint8
  assert list(drawn.protocol.items()) == [
    ('source', 'noise'),
    ('num_samples', 20),
    ('num_reference', 24),
    ('num_heldout', 6),
    ('num_source', 30),
    ('fingerprint', source.fingerprint()),
    ('ema', True),
    ('forward', 7),
    ('step', 4),
    ('seed', 0),
  ]


def test_two_evaluators_draw_once():
  labels = np.arange(30) % 2
  task, state, source = Copier(noise(5, 1).take(np.arange(5))['image']), make_state(), noise(30, 0, labels)
  for evaluator in (neighbours.EVALUATOR, coverage.EVALUATOR):
    assert evaluator.measure(task, state, source, KEY, OPTIONS)[0]
  assert task.calls == 1 and source.reads == 30


def test_anything_else_is_drawn_anew():
  images = noise(5, 1).take(np.arange(5))['image']
  task, state, source = Copier(images), make_state(), noise(30, 0)
  asked = [(task, state, source, KEY, OPTIONS)]
  asked += [
    (task, make_state(), source, KEY, OPTIONS),
    (task, state, noise(30, 0), KEY, OPTIONS),
    (task, state, source, jax.random.key(1), OPTIONS),
    (task, state, source, KEY, EvalOptions(num_samples=21)),
    asked[0],
    (Copier(images), state, source, KEY, OPTIONS),
  ]
  results = [samples.draw(*arguments) for arguments in asked]
  assert task.calls == 6 and asked[-1][0].calls == 1
  assert len(set(map(id, results))) == len(results)
  assert len(results[4].samples) == 21
  # Another key of the same value, as each evaluation makes it, is the same.
  assert samples.draw(*asked[-1][:3], jax.random.key(0), EvalOptions(num_samples=20)) is results[-1]


def test_nothing_is_kept_alive():
  """Neither the state, the task and the source, nor the images once one of them is gone."""
  for gone in range(3):
    things = [Copier(noise(5, 1).take(np.arange(5))['image']), make_state(), noise(30, 0)]
    drawn = samples.draw(*things, KEY, OPTIONS)
    images = weakref.ref(drawn.samples)
    del drawn
    gc.collect()
    assert images() is not None
    thing = weakref.ref(things[gone])
    del things[gone]
    gc.collect()
    assert thing() is None and images() is None
