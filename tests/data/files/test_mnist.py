"""The idx files of MNIST and its relatives."""

import gzip

import numpy as np
import pytest

from deconv.data import DataOptions, open_source
from deconv.data.files import mnist
from deconv.errors import UserError
from tests.data import pictures

IMAGES = np.random.RandomState(0).randint(0, 256, (12, 28, 28)).astype(np.uint8)
LABELS = np.arange(12, dtype=np.uint8) % 10


def files(separator='-', pack=lambda data: data, end=''):
  parts = {'train': slice(0, 8), 't10k': slice(8, 12)}
  made = {}
  for name, part in parts.items():
    made[f'{name}-images{separator}idx3-ubyte{end}'] = pack(pictures.idx(IMAGES[part]))
    made[f'{name}-labels{separator}idx1-ubyte{end}'] = pack(pictures.idx(LABELS[part]))
  return made


def options(path, **fields):
  return DataOptions(**{'source': 'mnist', 'path': str(path), 'image_size': 28, **fields})


@pytest.mark.parametrize('separator', ['-', '.'])
@pytest.mark.parametrize('pack,end', [(lambda data: data, ''), (gzip.compress, '.gz'), (gzip.compress, '')])
@pytest.mark.parametrize('place', ['', 'MNIST/raw'])
def test_every_way_to_name_and_pack_them(tmp_path, separator, pack, end, place):
  pictures.write_folder(tmp_path / place, files(separator, pack, end))
  train, test, both = (open_source(options(tmp_path), split) for split in ('train', 'test', 'all'))
  assert [len(source) for source in (train, test, both)] == [8, 4, 12]
  np.testing.assert_array_equal(test[1]['image'][..., 0], IMAGES[9])
  assert [int(both[i]['label']) for i in range(12)] == LABELS.tolist()
  assert train.num_classes == 10 and len({train.fingerprint(), test.fingerprint(), both.fingerprint()}) == 3


def test_other_sizes_are_resized(tmp_path):
  source = open_source(options(pictures.write_folder(tmp_path, files()), image_size=32, channels=3))
  assert source[0]['image'].shape == (32, 32, 3)
  np.testing.assert_allclose(source[0]['image'].mean(), IMAGES[0].mean(), atol=4)


def test_missing(tmp_path):
  with pytest.raises(UserError, match='data.path=FOLDER'):
    open_source(options(''))
  with pytest.raises(UserError, match='train-images-idx3-ubyte .* is not in'):
    open_source(options(tmp_path))
  with pytest.raises(UserError, match="no split 'valid': it has all, test, train"):
    open_source(options(tmp_path), 'valid')


@pytest.mark.parametrize(
  'name,data,message',
  [
    ('train-images-idx3-ubyte', pictures.idx(IMAGES[:8])[:-1], 'header says 6272'),
    ('train-images-idx3-ubyte', b'', 'not an idx file'),
    ('train-images-idx3-ubyte', b'<html>not found</html>', 'not an idx file'),
    ('train-labels-idx1-ubyte', pictures.idx(IMAGES), 'not an idx file'),
    ('train-labels-idx1-ubyte', pictures.idx(LABELS), '8 images, 12 labels'),
    ('train-images-idx3-ubyte', gzip.compress(pictures.idx(IMAGES))[:500], 'damaged gzip'),
  ],
)
def test_damaged(tmp_path, name, data, message):
  path = pictures.write_folder(tmp_path, {**files(), name: data})
  with pytest.raises(UserError, match=message):
    open_source(options(path))


def test_dimensions(tmp_path):
  path = pictures.write_folder(tmp_path, {'a': pictures.idx(IMAGES[:, :5, :7])}) + '/a'
  np.testing.assert_array_equal(mnist.read_idx(path, 3), IMAGES[:, :5, :7])
