"""Preparing data sets without TensorFlow, from synthetic files in the original formats."""

import io
import os
import socket
import sys

import numpy as np
from PIL import Image
import pytest
import tensorflow_datasets as tfds

from deconv.data import DataOptions, open_source
from deconv.errors import UserError
from scripts import prepare_tfds
from tests.data import pictures
from tests.scripts import archives


def prepare(name, tmp_path, files=None):
  """Prepares a set from files; returns its data_dir."""
  manual = pictures.write_folder(tmp_path / 'manual', files or {})
  data_dir = str(tmp_path / 'data')
  assert prepare_tfds.prepare(name, data_dir, manual, verify=False).startswith(os.path.join(data_dir, name))
  assert 'tensorflow' not in sys.modules
  return data_dir


def options(name, data_dir, **fields):
  return DataOptions(**{'source': 'tfds', 'name': name, 'path': data_dir, 'channels': 3, **fields})


def items(source):
  return [source[index] for index in range(len(source))]


@pytest.mark.parametrize('name', ['mnist', 'fashion_mnist'])
def test_mnist_and_fashion_mnist(name, tmp_path):
  files, splits = archives.mnist()
  data_dir = prepare(name, tmp_path, files)
  for split, (images, labels) in splits.items():
    source = open_source(options(name, data_dir, image_size=28, channels=1), split)
    assert source.num_classes == 10 and len(source) == len(images)
    found = {(item['image'].tobytes(), int(item['label'])) for item in items(source)}
    assert found == {(image.tobytes(), label) for image, label in zip(images, labels)}


def test_cifar10(tmp_path):
  files, images, labels = archives.cifar10()
  data_dir = prepare('cifar10', tmp_path, files)
  for split, parts in (('train', slice(0, 5)), ('test', slice(5, 6))):
    source = open_source(options('cifar10', data_dir), split)
    assert source.class_names == tuple(archives.CLASSES)
    found = {(item['image'].tobytes(), int(item['label'])) for item in items(source)}
    assert found == {
      (image.tobytes(), label) for image, label in zip(images[parts].reshape(-1, 32, 32, 3), labels[parts].ravel())
    }
  record = tfds.data_source('cifar10', split='test', data_dir=data_dir)[0]
  assert record['id'].startswith(b'test_') or record['id'].startswith('test_')


def test_celeb_a(tmp_path):
  faces = archives.celeb_a(str(tmp_path / 'manual'))
  data_dir = prepare('celeb_a', tmp_path)
  builder = tfds.builder('celeb_a', data_dir=data_dir)
  assert {name: split.num_examples for name, split in builder.info.splits.items()} == {
    'train': 3,
    'validation': 2,
    'test': 2,
  }
  records = builder.as_data_source('validation', decoders={'image': tfds.decode.SkipDecoding()})
  found = {record['image']: record for record in records}
  assert set(found) == {faces['000004.jpg'], faces['000005.jpg']}  # the very bytes
  record = found[faces['000005.jpg']]
  assert record['landmarks']['nose_x'] == 44 and record['identity']['Identity_No'] == 1004
  assert [bool(record['attributes'][name]) for name in archives.ATTRIBUTES] == [(4 + j) % 3 != 0 for j in range(40)]
  source = open_source(options('celeb_a', data_dir, image_size=64, crop=108))
  assert len(source) == 3 and source.num_classes is None and source[0]['image'].shape == (64, 64, 3)


def test_oxford_iiit_pet(tmp_path):
  data_dir = prepare('oxford_iiit_pet', tmp_path, archives.oxford_iiit_pet())
  builder = tfds.builder('oxford_iiit_pet', data_dir=data_dir)
  records = {record['file_name']: record for split in ('train', 'test') for record in builder.as_data_source(split)}
  records = {name.decode() if isinstance(name, bytes) else name: record for name, record in records.items()}
  assert len(records) == 4
  for number, (name, label, species) in enumerate(archives.PETS):
    record = records[f'{name}.jpg']
    assert (record['label'], record['species']) == (label - 1, species - 1)
    np.testing.assert_allclose(record['image'].astype(int), pictures.smooth(40 + number, 50, number), atol=16)
    np.testing.assert_array_equal(
      record['segmentation_mask'][..., 0].ravel(), np.arange((40 + number) * 50, dtype=np.uint8) % 3 + 1
    )
  np.testing.assert_allclose(records['Abyssinian_100.jpg']['head_bbox'], [0.1, 0.1, 0.75, 0.5])
  np.testing.assert_allclose(records['beagle_9.jpg']['head_bbox'], 0)
  raw = builder.as_data_source('train', decoders={'image': tfds.decode.SkipDecoding()})
  assert {Image.open(io.BytesIO(record['image'])).format for record in raw} == {'JPEG'}  # the PNG has become one
  assert len(open_source(options('oxford_iiit_pet', data_dir), 'train+test')) == 4


def test_a_second_call_does_nothing(tmp_path):
  files, _ = archives.mnist(3, 2)
  data_dir = prepare('mnist', tmp_path, files)
  assert prepare_tfds.prepare('mnist', data_dir).startswith(data_dir)


def test_files_that_are_not_the_registered_ones(tmp_path):
  manual = pictures.write_folder(tmp_path / 'manual', archives.mnist(3, 2)[0])
  with pytest.raises(UserError, match='train-images-idx3-ubyte.gz is not the registered file .*--noverify'):
    prepare_tfds.prepare('mnist', str(tmp_path / 'data'), manual)
  with pytest.raises(UserError, match='not prepared'):
    open_source(options('mnist', str(tmp_path / 'data')))


@pytest.mark.parametrize(
  'name,file,data,message',
  [
    ('mnist', 'train-images-idx3-ubyte.gz', b'text', 'not an idx file'),
    ('cifar10', 'cifar-10-binary.tar.gz', b'text', 'not a complete tar archive'),
    ('cifar10', 'cifar-10-binary.tar.gz', archives.tar({'a': b'b'}), 'batches.meta.txt is not in'),
    ('oxford_iiit_pet', 'images.tar.gz', archives.oxford_iiit_pet()['images.tar.gz'][:3000], 'not a complete tar'),
    ('celeb_a', 'img_align_celeba.zip', b'text', 'not a complete zip archive'),
  ],
  ids=['idx', 'tar', 'tar_without_a_file', 'short_tar', 'zip'],
)  # an archive holds its time
def test_damaged_files(name, file, data, message, tmp_path):
  files = {'mnist': archives.mnist(3, 2)[0], 'oxford_iiit_pet': archives.oxford_iiit_pet()}.get(name, {})
  with pytest.raises(UserError, match=message):
    prepare(name, tmp_path, {**files, file: data})
  assert not tfds.builder(name, data_dir=str(tmp_path / 'data')).is_prepared()


@pytest.fixture
def no_network(monkeypatch):
  """No name is resolved; counts the attempts."""
  attempts = []

  def fail(host, *args, **kwargs):
    attempts.append(host)
    raise socket.gaierror(-2, 'Name or service not known')

  monkeypatch.setattr(socket, 'getaddrinfo', fail)
  return attempts


@pytest.mark.parametrize('name', ['mnist', 'fashion_mnist', 'cifar10', 'celeb_a', 'oxford_iiit_pet'])
def test_no_network(name, tmp_path, no_network, capsys):
  assert prepare_tfds.main([name, f'--data_dir={tmp_path}']) == 2
  error = capsys.readouterr().err.strip().splitlines()[-1]
  assert error.startswith(f'error: cannot download {name} from ') and 'by hand' in error and '--manual_dir' in error
  for info in tfds.builder(name).url_infos.values():
    assert info.filename in error
  # One attempt a file that is asked for; ten retries each are what takes minutes.
  assert 1 <= len(no_network) <= 2
  assert not list(tmp_path.glob('downloads/**/*.tmp.*'))


def test_only_what_is_missing_is_asked_for(tmp_path, no_network):
  files, _ = archives.mnist(3, 2)
  del files['t10k-labels-idx1-ubyte.gz']
  with pytest.raises(UserError, match='fetch t10k-labels-idx1-ubyte.gz from'):
    prepare('mnist', tmp_path, files)


def test_mistakes(tmp_path, capsys, monkeypatch):
  (tmp_path / 'file').write_bytes(b'')
  find_spec = prepare_tfds.importlib.util.find_spec
  for arguments, message in [
    (['mnits'], "no data set 'mnits' (did you mean 'mnist'?)"),
    (['mnist', '--manual_dir=/no/such'], 'is not a folder'),
    (['mnist', f'--data_dir={tmp_path}/file/below'], 'cannot write'),
    (['food101', f'--data_dir={tmp_path}'], "'food101' can only be prepared with TensorFlow: pip install"),
  ]:
    monkeypatch.setattr(
      prepare_tfds.importlib.util,
      'find_spec',
      lambda name, *args: None if name == 'tensorflow' else find_spec(name, *args),
    )
    assert prepare_tfds.main(arguments) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith('error: ') and message in error and '\n' not in error
    monkeypatch.undo()


def test_lists_the_files(capsys):
  assert prepare_tfds.main(['celeb_a', '--files']) == 0
  assert 'img_align_celeba.zip' in capsys.readouterr().out
