"""CelebA from each place and form in which a copy lies."""

import os

import numpy as np
import pytest

from deconv.data import DataOptions, NoSuchSplit, open_source
from deconv.errors import UserError
from scripts import prepare_tfds
from tests.data import pictures
from tests.scripts import archives

SPLITS = {'train': [1, 2, 3], 'valid': [4, 5], 'validation': [4, 5], 'test': [6, 7], 'all': [1, 2, 3, 4, 5, 6, 7]}


@pytest.fixture(autouse=True)
def default_data_dir(tmp_path, monkeypatch):
  """The machine's own default data_dir must not be looked in."""
  monkeypatch.setenv('TFDS_DATA_DIR', str(tmp_path / 'default'))
  return str(tmp_path / 'default')


def options(path, **fields):
  return DataOptions(**{'source': 'celeba', 'path': str(path), 'image_size': 64, 'channels': 3, 'crop': 108, **fields})


def assert_splits(path, faces):
  expected = [open_face(data) for data in faces.values()]
  for split, numbers in SPLITS.items():
    source = open_source(options(path), split)
    found = {source[index]['image'].tobytes() for index in range(len(source))}
    assert len(source) == len(numbers) and found == {expected[number - 1].tobytes() for number in numbers}
    assert source.num_classes is None


def open_face(data):
  from deconv.data.files import decode

  return decode.decode(data, options(''))


def test_archive_with_the_official_partition(tmp_path):
  faces = archives.celeb_a(str(tmp_path))
  assert_splits(tmp_path, faces)
  assert_splits(tmp_path / 'img_align_celeba.zip', faces)


@pytest.mark.parametrize(
  'place', ['img_align_celeba', 'celeba/img_align_celeba', 'img_align_celeba/img_align_celeba', '']
)
def test_folder_with_a_comma_separated_partition(tmp_path, place):
  faces = archives.celeb_a(str(tmp_path / 'made'))
  root = tmp_path / 'root'
  pictures.write_folder(root / place, faces)
  partition = ['image_id,partition', *(f'{i:06d}.jpg,{part}' for i, part in enumerate((0, 0, 0, 1, 1, 2, 2), 1))]
  pictures.write_folder(root, {'list_eval_partition.csv': '\n'.join(partition).encode()})
  assert_splits(root, faces)


def test_without_a_partition_the_published_numbers_hold(tmp_path):
  face = pictures.encode(pictures.smooth(218, 178), 'JPEG')
  numbers = [1, 162770, 162771, 182637, 182638, 202599]
  pictures.write_folder(tmp_path / 'img_align_celeba', {f'{number:06d}.jpg': face for number in numbers})
  assert [len(open_source(options(tmp_path), split)) for split in ('train', 'valid', 'test', 'all')] == [2, 2, 2, 6]


def test_prepared_copy_in_the_path_and_in_the_default_place(tmp_path, default_data_dir):
  faces = archives.celeb_a(str(tmp_path / 'manual'))
  prepare_tfds.prepare('celeb_a', default_data_dir, str(tmp_path / 'manual'), verify=False)
  assert_splits(default_data_dir, faces)
  assert_splits('', faces)
  os.makedirs(tmp_path / 'empty')
  assert_splits(tmp_path / 'empty', faces)
  # What lies in the path that was given comes before the default place.
  path = pictures.write_folder(tmp_path / 'own' / 'img_align_celeba', {'000001.jpg': faces['000006.jpg']})
  assert len(open_source(options(os.path.dirname(path)), 'all')) == 1


def test_crop_is_the_usual_one(tmp_path):
  pixels = np.zeros((218, 178, 3), np.uint8)
  pixels[55:163, 35:143] = pictures.smooth(108, 108)
  pictures.write_folder(tmp_path / 'img_align_celeba', {'000001.png': pictures.encode(pixels)})
  source = open_source(options(tmp_path, image_size=108))
  np.testing.assert_array_equal(source[0]['image'], pictures.smooth(108, 108))


def test_nowhere(tmp_path, default_data_dir):
  pictures.write_folder(tmp_path / 'sub', pictures.numbered(2))  # other images below do not make it CelebA
  with pytest.raises(UserError) as caught:
    open_source(options(tmp_path))
  message = str(caught.value)
  for place in (
    f'{tmp_path}/celeb_a',
    f'{tmp_path}/img_align_celeba.zip',
    f'{tmp_path}/img_align_celeba/000001.jpg',
    f'{default_data_dir}/celeb_a',
    'mmlab.ie.cuhk.edu.hk',
    'by hand',
    'data.path',
  ):
    assert place in message
  with pytest.raises(UserError, match='looked for .*/default/celeb_a: download'):
    open_source(options(''))


def test_mistakes(tmp_path):
  face = pictures.encode(pictures.smooth(218, 178), 'JPEG')
  pictures.write_folder(tmp_path / 'img_align_celeba', {'000001.jpg': face})
  with pytest.raises(NoSuchSplit, match="belongs to CelebA's split 'test'"):
    open_source(options(tmp_path), 'test')
  with pytest.raises(NoSuchSplit, match="no split 'dev': it has all, test, train, valid"):
    open_source(options(tmp_path), 'dev')


def test_a_truncated_archive(tmp_path):
  archives.celeb_a(str(tmp_path))
  with open(tmp_path / 'img_align_celeba.zip', 'r+b') as file:
    file.truncate(1000)
  with pytest.raises(UserError, match='img_align_celeba.zip is not a complete zip archive'):
    open_source(options(tmp_path))
