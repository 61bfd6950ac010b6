"""The scores of an encoder, where the data set knows its factors."""
import jax
import numpy as np

from deconv.data import DataOptions, open_source
from deconv.evaluators import disentanglement
from deconv.metrics import disentanglement as metric
from deconv.options import EvalOptions
from deconv.tasks.capabilities import Encodes
from tests.spots import OPTIONS, open_spots

KEY = jax.random.key(5)


class Moments(Encodes):
  """Codes: the sum of the levels, and the places of their centre across and down."""

  def means(self, state, images):
    levels = np.asarray(images, np.float64)[..., 0] + 1e-3
    total, place = levels.sum((1, 2)), np.arange(levels.shape[-1])
    return np.stack([total, levels.sum(1) @ place / total, levels.sum(2) @ place / total], axis=-1) + state


def measure(source, state=0., key=KEY, num=300):
  return disentanglement.EVALUATOR.measure(Moments(), state, source, key, EvalOptions(num_samples=num))


def test_scores_are_those_of_the_metric():
  """The seed is the last word of the key; the state is the one that is evaluated."""
  source, seen = open_spots(OPTIONS, 'train'), []
  seed = int(np.asarray(jax.random.key_data(KEY)).astype(np.uint32).ravel()[-1])
  expected = metric.measure(lambda images: Moments().means(0., images), source, 300, seed)
  numbers, pictures, protocol = measure(source)
  assert (numbers, protocol) == expected and pictures == {}
  assert protocol['n'] == 300 and protocol['seed'] == seed == 5
  assert {'mig', 'sap', 'factor_score', 'dci_disentanglement'} <= set(numbers)
  assert all(0 <= value <= 1 for value in numbers.values())
  assert measure(source) == (numbers, pictures, protocol)
  assert measure(source, key=jax.random.key(6))[0] != numbers

  class Spy(Moments):
    def means(self, state, images):
      seen.append(state)
      return super().means(state, images)
  disentanglement.measure(Spy(), 7., source, KEY, EvalOptions(num_samples=50))
  assert set(seen) == {7.}


def test_latents_that_are_factors_score_higher_than_noise():
  class Noise(Moments):
    def means(self, state, images):
      return np.random.RandomState(len(images)).normal(size=(len(images), 3))
  source = open_spots(OPTIONS, 'train')
  noise, _, _ = disentanglement.measure(Noise(), 0., source, KEY, EvalOptions(num_samples=300))
  numbers, _, _ = measure(source)
  assert noise['mig'] < 0.05 and numbers['mig'] > 0.3


def test_nothing_is_measured_without_factors():
  assert measure(open_source(DataOptions(source='digits'))) == ({}, {}, {})
