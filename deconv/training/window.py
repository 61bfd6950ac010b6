"""What happens between two lines of metrics.jsonl: the mean of the scalars, and where the time went."""

import time


class Window:
  """Means of the scalars since the last line; checkpoints hold them, so that a resumed run writes the same lines."""

  def __init__(self, saved=None):
    saved = saved or {'count': 0, 'sums': {}}
    self.count, self.sums = saved['count'], dict(saved['sums'])

  def add(self, scalars):
    """Adds the scalars of a step: {name: number}."""
    self.count += 1
    for name, value in scalars.items():
      self.sums[name] = self.sums.get(name, 0.0) + float(value)

  def take(self):
    """Returns the means and begins anew."""
    means = {name: value / self.count for name, value in self.sums.items()}
    self.count, self.sums = 0, {}
    return means

  def saved(self):
    """What JSON can hold and `Window` accepts."""
    return {'count': self.count, 'sums': dict(self.sums)}


class Timing:
  """Images a second and the share of time spent waiting for data, over the time that the clock runs.

  It stands still while programs compile, and during evaluation, sampling and the start of a checkpoint.
  """

  def __init__(self):
    self._began = None
    self._reset()

  def _reset(self):
    self._seconds, self._waited, self._images = 0.0, 0.0, 0

  @property
  def running(self):
    return self._began is not None

  def start(self):
    """Lets the clock run."""
    if not self.running:
      self._began = time.perf_counter()

  def pause(self):
    """Stops the clock."""
    if self.running:
      self._seconds += time.perf_counter() - self._began
      self._began = None

  def waited(self, seconds):
    """Notes time spent waiting for a batch."""
    if self.running:
      self._waited += seconds

  def trained(self, images):
    """Notes that a step on so many images was finished."""
    if self.running:
      self._images += images

  def take(self):
    """Returns {'images_per_second', 'data_wait' in [0, 1]} since the last time, {} when nothing was timed."""
    running = self.running
    self.pause()
    numbers = {}
    if self._images and self._seconds > 0:
      numbers = {'images_per_second': self._images / self._seconds, 'data_wait': min(1.0, self._waited / self._seconds)}
    self._reset()
    if running:
      self.start()
    return numbers
