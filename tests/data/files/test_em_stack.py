"""A stack of electron microscopy, on slices that are made here."""

import dataclasses

import numpy as np
import pytest

from deconv.data import DataOptions, NoSuchSplit, open_source
from deconv.data.files import em_stack
from deconv.errors import UserError
from tests.data import pictures

OPTIONS = DataOptions(source='em_stack', image_size=8, class_names=em_stack.CLASSES)


def slices(count=30, place='train/image/{}.png', first=0):
  """{path: bytes}: slice i has the level i; its label has i black pixels."""
  files = {}
  for i in range(first, first + count):
    label = np.full(64, 255, np.uint8)
    label[:i] = 0
    files[place.format(i)] = pictures.encode(np.full((8, 8), i, np.uint8))
    files[place.format(i).replace('image', 'label')] = pictures.encode(label.reshape(8, 8))
  return files


def open_slices(tmp_path, files, split=None, **fields):
  path = pictures.write_folder(tmp_path / 'set', files)
  return open_source(dataclasses.replace(OPTIONS, path=path, **fields), split)


def depths(source):
  return [int(source[i]['image'][0, 0, 0]) for i in range(len(source))]


@pytest.mark.parametrize('place', ['train/image/{}.png', 'image/slice{}.png', 'images/{:03d}.png'])
def test_slices_in_the_order_of_depth(tmp_path, place):
  """Also where the names are of other lengths: 10.png goes before 2.png in a listing."""
  files = slices(place=place)
  sources = {split: open_slices(tmp_path, files, split) for split in ('train', 'test', 'all')}
  assert [depths(source) for source in sources.values()] == [[*range(24)], [*range(24, 30)], [*range(30)]]
  item = sources['test'][1]
  assert (item['mask'] == 0).sum() == 25 and (item['mask'] == 1).sum() == 39  # membrane, inside; nothing is ignored
  assert sources['train'].mask_names == ('membrane', 'inside')
  with pytest.raises(NoSuchSplit, match="no split 'val'"):
    open_slices(tmp_path, files, 'val')


def test_a_small_stack_still_holds_out_a_slice(tmp_path):
  assert depths(open_slices(tmp_path, slices(3), 'test')) == [2]


def test_mistakes(tmp_path):
  files = slices(5)
  with pytest.raises(UserError, match='needs --config.data.path=FOLDER'):
    open_source(OPTIONS)
  with pytest.raises(UserError, match="no folder 'image' with"):
    open_slices(tmp_path / 'a', {'other/0.png': files['train/image/0.png']})
  missing = {name: data for name, data in files.items() if name != 'train/label/3.png'}
  with pytest.raises(UserError, match='1 of the 5 slices in .* have no label, the first train/image/3.png'):
    open_slices(tmp_path / 'b', missing)
  unnumbered = {
    **files,
    'train/image/a.png': files['train/image/0.png'],
    'train/label/a.png': files['train/label/0.png'],
  }
  with pytest.raises(UserError, match='ends with its number, and train/image/a.png in .* has none'):
    open_slices(tmp_path / 'c', unnumbered)
  with pytest.raises(UserError, match='train/image/1.png in .* has that of image/1.png'):
    open_slices(tmp_path / 'd', {**files, **slices(1, 'image/{}.png', 1)})
  grey = {**files, 'train/label/0.png': pictures.encode(np.full((8, 8), 128, np.uint8))}
  with pytest.raises(
    UserError, match='train/label/0.png has the colour 128 128 128 .* black and white: save them as PNG'
  ):
    open_slices(tmp_path / 'e', grey)
