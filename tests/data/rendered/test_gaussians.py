"""Points of the plane: the mixtures are those that are named, and no bit of a point is lost on its way."""

import math

import numpy as np
import pytest

from deconv import data
from deconv.errors import UserError


def open_source(name, split='train', **fields):
  return data.open_source(data.DataOptions(**{'source': name, 'image_size': 1, 'channels': 2, **fields}), split)


@pytest.mark.parametrize('name, modes, sigma', [('gaussian_ring', 8, 0.01), ('gaussian_grid', 25, 0.05)])
def test_the_points_are_of_the_mixture(name, modes, sigma):
  source = open_source(name)
  assert (len(source), source.num_classes, source.image_shape) == (100_000, modes, (1, 1, 2))
  items = source.take(np.arange(len(source)))
  assert items['image'].dtype == np.float32 and items['image'].shape == (100_000, 1, 1, 2)
  away = items['image'].reshape(-1, 2) - source.centres[items['label']]
  # Within 3 standard deviations of sampling: each mode's share, both coordinates' spread, Rayleigh's law of the length.
  share = np.bincount(items['label'], minlength=modes) / len(source)
  assert np.abs(share - 1 / modes).max() < 4 * math.sqrt(1 / modes / len(source))
  np.testing.assert_allclose(away.std(axis=0), sigma, rtol=3 / math.sqrt(2 * len(source)))
  np.testing.assert_allclose(away.mean(axis=0), 0, atol=3 * sigma / math.sqrt(len(source)))
  near = np.mean(np.linalg.norm(away, axis=-1) <= 3 * sigma)
  assert abs(near - (1 - math.exp(-4.5))) < 3 * math.sqrt(0.011 / len(source))


def test_the_places_of_the_modes():
  grid, ring = (open_source(name).centres for name in ('gaussian_grid', 'gaussian_ring'))
  assert {tuple(centre) for centre in grid} == {(2 * i - 4, 2 * j - 4) for i in range(5) for j in range(5)}
  np.testing.assert_allclose(np.linalg.norm(ring, axis=-1), 1)
  np.testing.assert_allclose(np.linalg.norm(ring - np.roll(ring, 1, axis=0), axis=-1), 2 * math.sin(math.pi / 8))


def test_splits_share_no_point_and_have_fingerprints_of_their_own():
  train, test = open_source('gaussian_grid'), open_source('gaussian_grid', 'test')
  assert len(test) == 10_000
  points = [source.take(np.arange(len(source)))['image'] for source in (train, test)]
  assert not set(map(bytes, points[0])) & set(map(bytes, points[1]))
  prints = {source.fingerprint() for source in (train, test, open_source('gaussian_ring'))}
  assert len(prints) == 3 and train.fingerprint() == open_source('gaussian_grid').fingerprint()


def test_batches_hold_the_points_bit_for_bit():
  source = open_source('gaussian_ring', 'test')
  train = data.TrainBatches(source, 50, 3, source.options)
  batch = train.at(7)
  np.testing.assert_array_equal(batch['image'], source.take(train.indices(7))['image'])
  np.testing.assert_array_equal(data.to_signed(batch['image']), batch['image'])
  evaluated = list(data.EvalBatches(source, 3000))
  assert evaluated[-1]['image'].dtype == np.float32 and evaluated[-1]['weight'].sum() == 1000
  found = np.concatenate([batch['image'][batch['weight'] > 0] for batch in evaluated])
  np.testing.assert_array_equal(found, source.take(np.arange(len(source)))['image'])


@pytest.mark.parametrize(
  'fields, sentence',
  [
    ({'source': 'gaussian_grid', 'channels': 1}, "'gaussian_grid' has points.*set data.channels to 2"),
    (
      {'source': 'digits', 'channels': 2, 'image_size': 1},
      "data.channels=2 is for points.*set it to 1 or 3 for 'digits'",
    ),
    ({'channels': 2, 'image_size': 8}, 'set data.image_size to 1'),
    ({'channels': 2, 'image_size': 1, 'flip': True}, 'data.flip to False'),
    ({'source': 'gaussian_ring', 'channels': 2, 'image_size': 1, 'split': 'valid'}, "no split 'valid'"),
  ],
)
def test_options_that_are_not_those_of_points(fields, sentence):
  with pytest.raises(UserError, match=sentence):
    data.open_source(data.DataOptions(**fields))
