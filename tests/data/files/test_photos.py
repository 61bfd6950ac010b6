"""The embedded photographs."""

import os

import numpy as np
import pytest
import skimage.data
from sklearn import datasets

from deconv.data import DataOptions, TrainBatches, open_source
from deconv.data.files import photos
from deconv.errors import UserError


def opened(split, channels=3, **fields):
  return open_source(DataOptions(source='photos', channels=channels, **fields), split)


def test_pixels_are_those_of_the_packages():
  source = opened('all')
  found = {title: source.load_full(i)['image'] for i, title in enumerate(source.titles)}
  assert found['china'].dtype == np.uint8
  np.testing.assert_array_equal(found['china'], datasets.load_sample_image('china.jpg'))
  np.testing.assert_array_equal(found['astronaut'], skimage.data.astronaut())
  grey = opened('test', channels=1)
  np.testing.assert_array_equal(grey.load_full(grey.titles.index('camera'))['image'][..., 0], skimage.data.camera())


@pytest.mark.parametrize('channels,counts', [(3, (7, 3)), (1, (14, 6))])
def test_no_photograph_is_in_both_splits(channels, counts):
  train, test, everything = (opened(split, channels) for split in ('train', 'test', 'all'))
  assert (len(train), len(test)) == counts
  assert not set(train.titles) & set(test.titles)
  assert sorted(everything.titles) == sorted(train.titles + test.titles)
  files = [os.path.basename(photos._path(title)) for title in everything.titles]
  assert len(set(files)) == len(files) and not {'motorcycle_right.png', 'microaneurysms.png'} & set(files)
  assert len({train.fingerprint(), test.fingerprint(), everything.fingerprint()}) == 3
  with pytest.raises(UserError, match="no split 'valid': it has all, test, train"):
    opened('valid')


def test_items_are_squares_or_patches():
  assert opened('test', image_size=48)[1]['image'].shape == (48, 48, 3)
  source = opened('test', channels=1, image_size=64, fit='patches')
  assert source.num_full == 6
  camera = [i for i in range(len(source)) if source._places[i, 0] == 4]
  assert len(camera) == 64  # 512 x 512 pixels
  mosaic = np.block([[source[camera[8 * i + j]]['image'][..., 0] for j in range(8)] for i in range(8)])
  np.testing.assert_array_equal(mosaic, skimage.data.camera())
  options = DataOptions(source='photos', channels=1, image_size=64, fit='patches')
  batch = TrainBatches(source, 4, 0, options).at(3)
  assert batch['image'].shape == (4, 64, 64, 1) and list(batch) == ['image']
