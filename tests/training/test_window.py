"""Means and times between two lines."""

import json

import pytest

from deconv.training import window
from deconv.training.window import Timing, Window


def test_means_and_a_new_beginning():
  means = Window()
  means.add({'loss': 1.0, 'other': 2})
  means.add({'loss': 2.0, 'other': 4})
  assert means.take() == {'loss': 1.5, 'other': 3.0}
  means.add({'loss': 5.0})
  assert means.take() == {'loss': 5.0}


def test_saved_in_the_middle_gives_the_same_bits():
  values = [0.1, 0.2, 0.3, 1e-17, 7.7]
  straight, first = Window(), Window()
  for value in values:
    straight.add({'loss': value})
  for value in values[:2]:
    first.add({'loss': value})
  second = Window(json.loads(json.dumps(first.saved())))
  for value in values[2:]:
    second.add({'loss': value})
  assert second.take() == straight.take()


@pytest.fixture
def clock(monkeypatch):
  class Clock:
    now = 100.0

    def perf_counter(self):
      return self.now

  clock = Clock()
  monkeypatch.setattr(window, 'time', clock)
  return clock


def test_only_the_running_clock_counts(clock):
  timing = Timing()
  timing.trained(1000)  # before the start: the call that compiled
  timing.waited(50.0)
  clock.now += 30
  timing.start()
  clock.now += 2
  timing.waited(0.5)
  timing.trained(64)
  timing.pause()
  clock.now += 100  # an evaluation
  timing.start()
  clock.now += 2
  timing.trained(64)
  assert timing.take() == {'images_per_second': 32.0, 'data_wait': 0.125}
  assert timing.take() == {}
  clock.now += 1
  timing.trained(5)
  assert timing.take() == {'images_per_second': 5.0, 'data_wait': 0.0}
