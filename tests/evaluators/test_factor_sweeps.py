"""Sweeps of single factors, by codes that are the factors themselves."""
import jax
import numpy as np
import pytest

from deconv import data
from deconv.data import sources
from deconv.data.rendered.factors import FactorSource
from deconv.evaluators import factor_sweeps
from deconv.options import EvalOptions
from deconv.tasks.capabilities import Encodes, TurnsKnobs

OPTIONS = data.DataOptions(source='codes', image_size=2)
KEY = jax.random.key(3)
SIZES = {'azimuth': 9, 'elevation': 5, 'light': 7, 'shape': 40}


def open_codes(options, split):
  """Images of 2x2 pixels that are the four factors; unseen scenes have shapes of their own."""
  def render(factors):
    return np.asarray(factors, np.uint8).reshape(-1, 2, 2, 1)
  sizes = dict(SIZES, shape=30) if split == 'unseen' else SIZES
  return FactorSource('codes', options, sizes, render, 1, offsets={'shape': 100} if split == 'unseen' else None)


@pytest.fixture(autouse=True)
def source(monkeypatch):
  monkeypatch.setitem(sources.SOURCES, 'codes', open_codes)
  return open_codes(OPTIONS, 'train')


class Oracle(TurnsKnobs):
  """The codes are the factors, light with a share of azimuth."""
  num_factors = 4

  def __init__(self):
    self.seen = []

  def means(self, state, images):
    codes = np.asarray(images, np.float64).reshape(-1, 4)
    self.seen.append(codes.astype(int))
    return codes + state * codes[:, :1] * [0., 0., 1., 0.]

  def knobs(self, state, images):
    return np.asarray(images)[0]


def measure(task, source, state=0., num=45):
  return factor_sweeps.EVALUATOR.measure(task, state, source, KEY, EvalOptions(num_samples=num))


def test_an_oracle_is_perfect(source):
  numbers, pictures, protocol = measure(Oracle(), source)
  factors = ('azimuth', 'elevation', 'light')
  assert numbers == pytest.approx({
      **{f'{factor}_{what}': 1. for factor in factors for what in ('monotone', 'selective')},
      'monotone': 1., 'selective': 1.})
  assert set(pictures) == {'knobs'} and pictures['knobs'].shape == (2, 2, 1)
  assert protocol == {
      'split': 'unseen', 'scenes': 5, 'codes': 'posterior means',
      'is': 'deconv.metrics.sweeps: |mean Spearman| in sweeps of its factor; share of the variance in them'}


def test_a_latent_of_two_factors_is_less_selective(source):
  """light = light + azimuth: its variance is 4 within sweeps of light and 60 / 9 within those of azimuth."""
  numbers, _, _ = measure(Oracle(), source, state=1.)
  assert numbers['light_monotone'] == pytest.approx(1.)
  assert numbers['light_selective'] == pytest.approx(4 / (4 + 60 / 9))
  assert numbers['selective'] == pytest.approx((2 + 4 / (4 + 60 / 9)) / 3) and numbers['azimuth_selective'] == 1.


def test_what_is_looked_at(source):
  """A factor at a time of unseen scenes; of the shapes no more than the longest of the other factors has values."""
  task = Oracle()
  _, pictures, _ = measure(task, source)
  assert [len(codes) for codes in task.seen] == [5 * 9, 5 * 5, 5 * 7, 5 * 9]
  assert all((codes[:, 3] >= 100).all() for codes in task.seen) and (pictures['knobs'].ravel()[3] >= 100).all()
  for factor, codes in enumerate(task.seen):
    rows = codes.reshape(5, -1, 4)
    assert (np.diff(rows[..., factor], axis=1) == 1).all()
    assert (np.ptp(np.delete(rows, factor, axis=-1), axis=1) == 0).all()


def test_two_scenes_at_least(source):
  assert measure(Oracle(), source, num=1)[2]['scenes'] == 2


def test_who_only_encodes_is_not_asked():
  assert factor_sweeps.EVALUATOR.needs is TurnsKnobs and issubclass(TurnsKnobs, Encodes)
  with pytest.raises(TypeError, match='knobs'):
    type('OnlyEncodes', (TurnsKnobs,), {'means': Oracle.means})()
