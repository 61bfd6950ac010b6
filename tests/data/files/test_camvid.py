"""CamVid in SegNet's layout, on pictures that are made here."""

import dataclasses

import numpy as np
import pytest

from deconv.data import DataOptions, NoSuchSplit, open_source
from deconv.data.files import camvid, decode
from deconv.errors import UserError
from tests.data import pictures

OPTIONS = DataOptions(source='camvid', image_size=12, image_width=16, channels=3, class_names=camvid.CLASSES)


def mask_of(seed):
  """Class numbers 0 to 11 in blocks of 4 pixels, all of which occur."""
  blocks = np.random.RandomState(seed).permutation(np.arange(48) % 12).reshape(6, 8)
  return np.kron(blocks, np.ones((4, 4), int)).astype(np.uint8)


def tree(top='', **numbers):
  """{path: bytes}: so many pictures of 24x32 of each split, WebP without losses, and their masks."""
  files = {}
  for split, number in (numbers or {'train': 3, 'val': 2}).items():
    for i in range(number):
      name = f'{len(split)}_{i:03d}'
      seed = 10 * len(split) + i
      files[f'{top}{split}/{name}.webp'] = pictures.encode(pictures.smooth(24, 32, seed), 'WEBP', lossless=True)
      files[f'{top}{split}annot/{name}.png'] = pictures.encode(mask_of(seed))
  return files


def open_tree(tmp_path, files, split=None, **fields):
  path = pictures.write_folder(tmp_path / 'set', files)
  return open_source(dataclasses.replace(OPTIONS, path=path, **fields), split)


@pytest.mark.parametrize('top', ['', 'CamVid/'])
def test_pictures_masks_and_splits(tmp_path, top):
  files = tree(top)
  source = open_tree(tmp_path, files)
  assert len(camvid.CLASSES) == 11 and source.mask_names == camvid.CLASSES and len(source) == 3
  whole, item = source.load_full(1), source[1]
  np.testing.assert_array_equal(whole['image'], pictures.smooth(24, 32, 51))
  expected = mask_of(51)
  np.testing.assert_array_equal(whole['mask'], np.where(expected == 11, 255, expected))  # void is no class
  assert item['image'].shape == (12, 16, 3)
  np.testing.assert_array_equal(item['mask'], whole['mask'][1::2, 1::2])  # blocks of 4 pixels, halved
  assert [len(open_tree(tmp_path, files, split)) for split in ('train', 'val', 'all')] == [3, 2, 5]
  with pytest.raises(NoSuchSplit, match="no split 'test': it has all, train, val"):
    open_tree(tmp_path, files, 'test')


def test_a_mask_that_is_missing(tmp_path):
  files = tree()
  del files['trainannot/5_001.png'], files['trainannot/5_002.png']
  with pytest.raises(
    UserError,
    match=r'2 of the 3 pictures of the folder train in .* have no mask in the folder train'
    'annot, the first train/5_001.webp',
  ):
    open_tree(tmp_path, files, 'val')  # whatever split is opened


@pytest.mark.parametrize('value, right', [(10, True), (11, True), (255, True), (12, False), (254, False)])
def test_values_of_a_mask(tmp_path, value, right):
  files = tree()
  files['valannot/3_000.png'] = pictures.encode(np.full((24, 32), value, np.uint8))
  if right:
    mask = open_tree(tmp_path, files, 'val')[0]['mask']
    assert (mask == (10 if value == 10 else 255)).all()
    return
  message = f'valannot/3_000.png has the value {value}, and CamVid has 11 classes .0 to 10; 11 and 255 are none'
  with pytest.raises(UserError, match=message):
    open_tree(tmp_path, files, 'val')


def test_a_mask_of_another_size(tmp_path):
  files = tree()
  files['trainannot/5_001.png'] = pictures.encode(np.zeros((24, 30), np.uint8))
  source = open_tree(tmp_path, files)
  np.testing.assert_array_equal(source[1]['image'], source[2]['image'])  # skipped, counted and named
  assert 'its mask trainannot/5_001.png is 30x24 and the image 32x24: they must be of one size' in source.broken[1]
  with pytest.raises(decode.BrokenImage, match='of one size'):
    source.load_full(1)
  with pytest.raises(UserError, match='its mask trainannot/5_001.png is 30x24 and the image 32x24'):
    open_tree(tmp_path, files, on_broken='error')[1]


def test_where_there_is_nothing(tmp_path):
  with pytest.raises(UserError, match='needs --config.data.path=FOLDER, the folder CamVid'):
    open_source(OPTIONS)
  with pytest.raises(UserError, match='there is no folder train, val, test with PNG'):
    open_tree(tmp_path, {'images/a.png': pictures.encode(pictures.smooth(8, 8))})


def test_the_classes_are_those_of_the_set(tmp_path):
  with pytest.raises(UserError, match='the masks of camvid have the classes sky, building'):
    open_tree(tmp_path, tree(), class_names=('a', 'b'))
