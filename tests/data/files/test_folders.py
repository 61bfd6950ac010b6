"""Folders and archives of image files: what is found, which split and class it is in, what happens to broken files."""

import concurrent.futures
import logging
import os
import pickle
import zipfile

import numpy as np
import pytest

from deconv.data import DataOptions, NoSuchSplit, open_source
from deconv.errors import UserError
from tests.data import pictures


@pytest.fixture(params=['folder', 'zip'])
def make(request, tmp_path):
  """A function {path: bytes} -> DataOptions, once for a folder and once for an archive."""

  def write(files, **fields):
    if request.param == 'folder':
      path = pictures.write_folder(tmp_path / 'images', files)
    else:
      path = pictures.write_zip(tmp_path / 'images.zip', files)
    return DataOptions(**{'source': request.param, 'path': path, 'image_size': 8, 'channels': 3, **fields})

  return write


def numbers(source):
  return [pictures.number(source[index]['image']) for index in range(len(source))]


def test_a_tree_with_unicode_names_and_what_is_no_image(make):
  grey = [data for _, data in sorted(pictures.numbered(6).items())]
  source = open_source(
    make(
      {
        'b/ü/東京.PNG': grey[2],
        'a.jpeg': pictures.encode(pictures.smooth(20, 12), 'JPEG'),
        'b/c.webp': grey[1],
        'z ö.png': grey[3],
        'readme.txt': b'text',
        '.hidden.png': b'x',
        '.thumbs/a.png': b'x',
        'b/._c.png': b'x',
        '__MACOSX/b/c.png': b'x',
        'b/notes.png.txt': b'x',
      }
    )
  )
  assert len(source) == 4 and not source.broken
  assert numbers(source)[1:] == [1, 2, 3]  # sorted by path: a, b/c, b/ü, z
  assert source.num_classes is None and 'label' not in source[0]
  assert source.image_shape == source[0]['image'].shape == (8, 8, 3)


def test_subfolders_are_labels(make):
  files = {
    f'shared/set/{name}/deep/{index}.png': data
    for index, (name, data) in enumerate(zip(['dog', 'cat', 'cat', 'eel'], pictures.numbered(4).values()))
  }
  source = open_source(make(files))
  assert source.class_names == ('cat', 'dog', 'eel') and source.num_classes == 3
  assert numbers(source) == [1, 2, 0, 3] and [source[i]['label'] for i in range(4)] == [0, 0, 1, 2]
  assert source[0]['label'].dtype == np.int32 and source[0]['label'].shape == ()


@pytest.mark.parametrize('names', [['one/a.png', 'one/b.png'], ['cat/a.png', 'dog/b.png', 'c.png']])
def test_one_subfolder_or_images_beside_subfolders_are_no_labels(make, names):
  source = open_source(make(dict(zip(names, pictures.numbered(3).values()))))
  assert source.num_classes is None and len(source) == len(names)


def test_folders_named_like_splits_are_splits_with_the_same_classes(make):
  data = iter(pictures.numbered(5).values())
  files = {
    name: next(data)
    for name in ['x/train/b/0.png', 'x/train/c/1.png', 'x/Test/c/2.png', 'x/val/a/3.png', 'x/val/b/4.png']
  }
  options = make(files)
  found = {split: open_source(options, split) for split in ('train', 'test', 'valid', 'all')}
  assert {split: numbers(source) for split, source in found.items()} == {
    'train': [0, 1],
    'test': [2],
    'valid': [3, 4],
    'all': [2, 0, 1, 3, 4],
  }
  assert {source.class_names for source in found.values()} == {('a', 'b', 'c')}
  assert found['test'][0]['label'] == 2
  fingerprints = {source.fingerprint() for source in found.values()}
  assert len(fingerprints) == 4


def test_a_train_folder_alone_is_a_split(make):
  options = make({f'train/{name}': data for name, data in pictures.numbered(2).items()})
  assert len(open_source(options, 'train')) == 2
  with pytest.raises(NoSuchSplit, match="no split 'test': it has all, train"):
    open_source(options, 'test')


def test_without_split_folders_train_is_everything(make):
  options = make(pictures.numbered(3))
  assert len(open_source(options)) == len(open_source(options, 'all')) == 3
  with pytest.raises(NoSuchSplit, match="no split 'test': it has all, train"):
    open_source(options, 'test')


BROKEN = {
  '000000.png': b'not an image',
  '000003.png': b'',
  '000004.jpg': pictures.encode(pictures.smooth(64, 64), 'JPEG')[:400],
  '000007.png': b'\x89PNG\r\n\x1a\n',
}


def test_broken_files_are_replaced_by_the_next_counted_and_named_once(make, caplog):
  files = {**pictures.numbered(8), **BROKEN}
  del files['000004.png']
  with caplog.at_level(logging.WARNING, 'absl'):
    source = open_source(make(files))
    for _ in range(2):
      assert numbers(source) == [1, 1, 2, 5, 5, 5, 6, 1]
  assert sorted(source.broken) == [0, 3, 4, 7]
  for name in BROKEN:
    assert sum(name in record.getMessage() for record in caplog.records) == 1
  assert 'broken so far: 4 of 8' in caplog.text
  assert len(caplog.records) == 4


def test_broken_files_are_an_error_if_so_wanted(make):
  files = {**pictures.numbered(3), '000001.png': b'not an image'}
  source = open_source(make(files, on_broken='error'))
  with pytest.raises(UserError, match='000001.png .*data.on_broken=skip'):
    source[1]


def test_nothing_but_broken_files(make, caplog):
  with pytest.raises(UserError, match='none of the 30 images .* can be decoded .*000000.png'):
    open_source(make(dict.fromkeys(pictures.numbered(30), b'text')))
  assert not caplog.records  # the sentence is enough


@pytest.mark.parametrize('files', [{}, {'a.txt': b'text', 'b.gif': b'GIF89a'}])
def test_no_images_at_all(make, files):
  with pytest.raises(UserError, match='no PNG, JPEG, WebP, BMP, PGM or PPM images .*data.path'):
    open_source(make(files))


def test_wrong_paths(tmp_path):
  folder = pictures.write_folder(tmp_path / 'folder', pictures.numbered(1))
  archive = pictures.write_zip(tmp_path / 'a.zip', pictures.numbered(1))
  text = pictures.write_folder(tmp_path / 'b', {'text.zip': b'no archive'}) + '/text.zip'
  for source, path, message in [
    ('folder', '', 'data.path=FOLDER'),
    ('folder', '/no/such', 'does not exist'),
    ('folder', archive, 'source=zip'),
    ('folder', folder + '/000000.png', 'is not a folder'),
    ('zip', '', 'data.path=FILE.zip'),
    ('zip', '/no/such.zip', 'does not exist'),
    ('zip', folder, 'source=folder'),
    ('zip', text, 'complete zip archive'),
  ]:
    with pytest.raises(UserError, match=message):
      open_source(DataOptions(source=source, path=path))


def test_a_truncated_archive(tmp_path):
  path = pictures.write_zip(tmp_path / 'a.zip', pictures.numbered(20))
  with open(path, 'r+b') as file:
    file.truncate(os.path.getsize(path) // 2)
  with pytest.raises(UserError, match='not a complete zip archive'):
    open_source(DataOptions(source='zip', path=path))


def test_an_archive_of_a_later_version(tmp_path):
  path = pictures.write_zip(tmp_path / 'a.zip', pictures.numbered(2))
  with open(path, 'rb') as file:
    data = file.read()
  place = data.index(b'PK\x01\x02') + 6  # the version that is needed, in the list of members
  with open(path, 'wb') as file:
    file.write(data[:place] + b'\x89' + data[place + 1 :])
  with pytest.raises(UserError, match='not a complete zip archive .zip file version 13.7'):
    open_source(DataOptions(source='zip', path=path))


def test_a_damaged_member_is_a_broken_file(tmp_path):
  path = pictures.write_zip(tmp_path / 'a.zip', pictures.numbered(4), zipfile.ZIP_STORED)
  with zipfile.ZipFile(path) as archive:
    place = archive.getinfo('000002.png').header_offset + 60
  with open(path, 'r+b') as file:
    file.seek(place)
    file.write(b'\x00\x01\x02\x03')
  source = open_source(DataOptions(source='zip', path=path, image_size=8, channels=3))
  assert numbers(source) == [0, 1, 3, 3] and list(source.broken) == [2]


def test_names_with_backslashes(tmp_path):
  """Some archivers of Windows write them."""
  path = pictures.write_zip(
    tmp_path / 'a.zip', {f'{"ab"[i % 2]}\\{name}': data for i, (name, data) in enumerate(pictures.numbered(4).items())}
  )
  source = open_source(DataOptions(source='zip', path=path, image_size=8, channels=3))
  assert source.class_names == ('a', 'b') and numbers(source) == [0, 2, 1, 3]


def test_an_archive_is_read_in_place(tmp_path):
  path = pictures.write_zip(tmp_path / 'a.zip', pictures.numbered(4))
  source = open_source(DataOptions(source='zip', path=path, image_size=8, channels=3))
  numbers(source)
  assert os.listdir(tmp_path) == ['a.zip']


def test_threads_and_pickles_read_the_same(make):
  source = open_source(
    make(
      {f'{i % 3}/{name}': pictures.encode(pictures.smooth(40, 30, i)) for i, name in enumerate(pictures.numbered(60))}
    )
  )
  alone = [source[index] for index in range(60)]
  copy = pickle.loads(pickle.dumps(source))
  with concurrent.futures.ThreadPoolExecutor(8) as pool:
    for one in (source, copy):
      for expected, item in zip(alone * 4, pool.map(one.__getitem__, list(range(60)) * 4)):
        np.testing.assert_array_equal(item['image'], expected['image'])
        assert item['label'] == expected['label']


def test_fingerprint_tells_other_files(make):
  files = pictures.numbered(4)
  first = open_source(make(files)).fingerprint()
  assert open_source(make(files, image_size=16)).fingerprint() == first and len(first) == 16
  files['000001.png'] = pictures.encode(pictures.smooth(9, 9))
  assert open_source(make(files)).fingerprint() != first


def test_links_are_followed_and_circles_end(tmp_path):
  pictures.write_folder(tmp_path / 'far', pictures.numbered(2))
  near = pictures.write_folder(tmp_path / 'near', pictures.numbered(1, start=2))
  os.symlink(tmp_path / 'far', tmp_path / 'near' / 'link')
  os.symlink(tmp_path / 'near', tmp_path / 'near' / 'circle')
  assert sorted(numbers(open_source(DataOptions(source='folder', path=near, image_size=8, channels=3)))) == [0, 1, 2]


def test_index_outside(make):
  source = open_source(make(pictures.numbered(2)))
  for index in (2, -1):
    with pytest.raises(IndexError):
      source[index]
