"""Prepared data sets of tensorflow-datasets."""

import dataclasses
import json
import pickle
import shutil

import numpy as np
import pytest

from deconv.data import DataOptions, EvalBatches, NoSuchSplit, TrainBatches, open_source
from deconv.errors import UserError
from scripts import prepare_tfds
from tests.data import pictures
from tests.scripts import archives


@pytest.fixture(scope='module')
def data_dir(tmp_path_factory):
  """A data_dir with tiny mnist and oxford_iiit_pet."""
  root = tmp_path_factory.mktemp('tfds')
  manual = pictures.write_folder(root / 'manual', {**archives.mnist()[0], **archives.oxford_iiit_pet()})
  for name in ('mnist', 'oxford_iiit_pet'):
    prepare_tfds.prepare(name, str(root / 'data'), manual, verify=False)
  return str(root / 'data')


@pytest.fixture
def options(data_dir):
  return DataOptions(source='tfds', name='mnist', path=data_dir, image_size=28)


def test_splits_and_parts_of_them(options):
  for split, length in [
    ('train', 20),
    ('test', 10),
    ('train+test', 30),
    ('all', 30),
    ('train[:25%]', 5),
    ('train[15:]+test[:2]', 7),
  ]:
    assert len(open_source(options, split)) == length
  first, rest = open_source(options, 'train[:5]'), open_source(options, 'train[5:]')
  whole = open_source(options, 'train')
  for index in range(20):
    part = first[index] if index < 5 else rest[index - 5]
    np.testing.assert_array_equal(part['image'], whole[index]['image'])
    assert part['label'] == whole[index]['label'] and part['label'].dtype == np.int32
  assert len({source.fingerprint() for source in (first, rest, whole)}) == 3
  assert open_source(options, 'train').fingerprint() == whole.fingerprint()


def test_images_of_any_size_get_the_common_crop_and_resize(data_dir):
  options = DataOptions(source='tfds', name='oxford_iiit_pet', path=data_dir, image_size=16, channels=3)
  source = open_source(options, 'all')
  assert source.num_classes == 37 and source.class_names[4] == 'beagle' and len(source) == 4
  assert {source[index]['image'].shape for index in range(4)} == {(16, 16, 3)}


def test_memory_threads_and_processes(options):
  held = TrainBatches(open_source(options), 6, 0, options)
  for kind in ('thread', 'process'):
    streaming = dataclasses.replace(options, memory_limit_mb=0, worker_kind=kind, workers=1)
    iterator = TrainBatches(open_source(streaming), 6, 0, streaming).iterate(2)
    for step in range(2, 6):
      batch, expected = next(iterator), held.at(step)
      np.testing.assert_array_equal(batch['image'], expected['image'])
      np.testing.assert_array_equal(batch['label'], expected['label'])
    iterator.close()
  assert sum(batch['weight'].sum() for batch in EvalBatches(open_source(options, 'test'), 4)) == 10


def test_pickle(options):
  source = open_source(options)
  copy = pickle.loads(pickle.dumps(source))
  np.testing.assert_array_equal(copy[3]['image'], source[3]['image'])


@pytest.mark.parametrize(
  'fields,message',
  [
    ({'name': ''}, 'data.name=NAME'),
    ({'name': 'mnits'}, "no data set 'mnits' .did you mean 'mnist'"),
    ({'name': 'cifar10'}, "'cifar10' is not prepared in .*scripts.prepare_tfds cifar10 --data_dir="),
    ({'path': '/no/such'}, 'not prepared in /no/such.*scripts.prepare_tfds'),
    ({'split': 'valid'}, "no split 'valid': it has test, train and all"),
    ({'split': 'train+valid[:3]'}, "no split 'valid'"),
    ({'split': 'train[a:b]'}, 'cannot be read'),
    ({'split': 'train[:0]'}, 'cannot be read .*0 length'),
  ],
)
def test_mistakes(options, fields, message):
  with pytest.raises(UserError, match=message) as error:
    open_source(dataclasses.replace(options, **fields))
  assert isinstance(error.value, NoSuchSplit) == ('no split' in message)


def test_a_copy_that_only_tensorflow_reads(options, tmp_path):
  """A set prepared as tfrecord must not end in tensorflow-datasets' misleading error."""
  shutil.copytree(f'{options.path}/mnist', tmp_path / 'mnist')
  [info] = tmp_path.glob('mnist/*/dataset_info.json')
  text = json.loads(info.read_text())
  text['fileFormat'] = 'tfrecord'
  for split in text['splits']:
    split['filepathTemplate'] = split['filepathTemplate'].replace('array_record', 'tfrecord')
  info.write_text(json.dumps(text))
  with pytest.raises(UserError, match='only TensorFlow reads'):
    open_source(dataclasses.replace(options, path=str(tmp_path)))
  with pytest.raises(UserError, match='only TensorFlow reads'):
    prepare_tfds.prepare('mnist', str(tmp_path))


def test_trimaps_of_the_pets(data_dir):
  """Trimap values 1, 2, 3 become 0, 1, 2; in the archive of the tests they go on along the rows."""
  names = ('foreground', 'background', 'border')
  options = DataOptions(
    source='tfds', name='oxford_iiit_pet', path=data_dir, image_size=16, channels=3, class_names=names
  )
  source = open_source(options, 'all')
  assert source.mask_names == names
  for index in range(4):
    whole = source.load_full(index)
    height = len(whole['mask'])
    assert whole['image'].shape == (height, 50, 3) and 40 <= height < 44
    rising = np.arange(height * 50, dtype=np.uint8).reshape(height, 50) % 3
    np.testing.assert_array_equal(whole['mask'], rising)
  items = source.load([2, 0])
  assert items[0]['mask'].shape == (16, 16) and items[0]['label'] == source[2]['label']
  np.testing.assert_array_equal(items[1]['mask'], source[0]['mask'])
  assert TrainBatches(source, 2, 0, options).at(0)['mask'].shape == (2, 16, 16)
  assert 'mask' not in open_source(dataclasses.replace(options, class_names=()), 'all')[0]
  with pytest.raises(UserError, match='masks of oxford_iiit_pet have the classes foreground, background, border'):
    open_source(dataclasses.replace(options, class_names=('cat', 'dog')), 'all')
  with pytest.raises(UserError, match="'mnist' have no segmentation_mask"):
    open_source(dataclasses.replace(options, name='mnist', class_names=names), 'train')
