"""Prepares a data set of tensorflow-datasets as array_record, which the data source `tfds` reads without TensorFlow.

  python -m scripts.prepare_tfds cifar10 [--data_dir=DIR] [--manual_dir=DIR] [--noverify]

mnist, fashion_mnist, cifar10, celeb_a and oxford_iiit_pet need no TensorFlow: tensorflow-datasets downloads and writes
them, but unpacks and encodes by TensorFlow, so here that part is done with the standard library and Pillow. The result
has the same records under the same keys, hence in the same order. Any other data set needs TensorFlow to be installed.

Files that cannot be downloaded are taken from --manual_dir under their own names (`--files` lists them).
"""

import argparse
import hashlib
import importlib.util
import io
import os
import shutil
import sys
import tarfile
import tempfile
import time
import urllib.parse
from xml.etree import ElementTree
import zipfile
import zlib

from absl import logging
import numpy as np

from deconv.data.files import mnist, prepared
from deconv.errors import UserError

# Where a person with a browser finds the files.
_PAGES = {
  'mnist': 'https://storage.googleapis.com/cvdf-datasets/mnist/',
  'fashion_mnist': 'https://github.com/zalandoresearch/fashion-mnist',
  'cifar10': 'https://www.cs.toronto.edu/~kriz/cifar.html',
  'celeb_a': 'http://mmlab.ie.cuhk.edu.hk/projects/CelebA.html',
  'oxford_iiit_pet': 'https://www.robots.ox.ac.uk/~vgg/data/pets/',
}

# Pictures of oxford_iiit_pet that are no proper JPEG files; tensorflow-datasets writes these anew, and so does this.
_NOT_JPEG = {
  'beagle_116',
  'chihuahua_121',
  'Abyssinian_5',
  'Abyssinian_34',
  *(f'Egyptian_Mau_{number}' for number in (14, 139, 145, 156, 167, 177, 186, 191)),
}


def _mnist_splits(builder, fetch, scratch):
  del builder, scratch
  # All files first: what is missing shows itself before anything is written.
  paths = {
    prefix: (fetch(f'{prefix}-images-idx3-ubyte.gz'), fetch(f'{prefix}-labels-idx1-ubyte.gz'))
    for prefix in ('train', 't10k')
  }

  def examples(prefix):
    images, labels = mnist.read_idx(paths[prefix][0], 3), mnist.read_idx(paths[prefix][1], 1)
    if len(images) != len(labels):
      raise UserError(f'the {prefix} files do not belong together: {len(images)} images, {len(labels)} labels.')
    for index, (image, label) in enumerate(zip(images, labels)):
      yield index, {'image': _image(image), 'label': int(label)}

  return {'train': examples('train'), 'test': examples('t10k')}


def _cifar10_splits(builder, fetch, scratch):
  del scratch
  folder = 'cifar-10-batches-bin/'
  path = fetch('cifar-10-binary.tar.gz')
  with _open_tar(path) as archive:
    names = _tar_bytes(archive, folder + 'batches.meta.txt').decode().split('\n')
  builder.info.features['label'].names = [name for name in names if name]

  def examples(split, files):
    index = 0
    for file in files:
      with _open_tar(path) as archive:
        rows = np.frombuffer(_tar_bytes(archive, folder + file), np.uint8).reshape(-1, 1 + 3 * 32 * 32)
      for row in rows:
        image = row[1:].reshape(3, 32, 32).transpose(1, 2, 0)  # stored plane by plane
        yield index, {'id': f'{split}_{index:05d}', 'image': _image(image), 'label': int(row[0])}
        index += 1

  return {
    'train': examples('train', [f'data_batch_{number}.bin' for number in range(1, 6)]),
    'test': examples('test', ['test_batch.bin']),
  }


def _celeb_a_splits(builder, fetch, scratch):
  del builder, scratch
  archive_path = fetch('img_align_celeba.zip')
  try:
    archive = zipfile.ZipFile(archive_path)
  except (zipfile.BadZipFile, OSError) as error:
    raise UserError(f'{archive_path} is not a complete zip archive ({error}): fetch it again.') from error
  members = {os.path.basename(name): name for name in archive.namelist() if name.endswith('.jpg')}
  partition = _table(fetch('list_eval_partition.txt'))
  attributes = _table(fetch('list_attr_celeba.txt'), header=True)
  landmarks = _table(fetch('list_landmarks_align_celeba.txt'), header=True)
  identity = _table(fetch('identity_CelebA.txt'))

  def examples(number):
    for name in sorted(name for name, (part,) in partition[1].items() if part == number):
      yield (
        name,
        {
          'image': io.BytesIO(archive.read(members[name])),
          'landmarks': dict(zip(landmarks[0], landmarks[1][name])),
          'attributes': {key: value > 0 for key, value in zip(attributes[0], attributes[1][name])},
          'identity': {'Identity_No': identity[1][name][0]},
        },
      )

  return {'train': examples(0), 'validation': examples(1), 'test': examples(2)}


def _table(path, header=False):
  """(column names, {file name: [integers]}) of one of CelebA's lists."""
  with open(path, encoding='utf-8') as file:
    lines = file.read().splitlines()
  columns = lines[1].split() if header else []  # above the names stands the number of rows
  rows = [line.split() for line in lines[2 if header else 0 :] if line.strip()]
  return columns, {row[0]: [int(value) for value in row[1:]] for row in rows}


def _oxford_iiit_pet_splits(builder, fetch, scratch):
  del builder
  # Reading single members of a compressed tar file would read it from the start each time.
  for path in [fetch(name) for name in ('images.tar.gz', 'annotations.tar.gz')]:
    with _open_tar(path) as archive:
      try:
        archive.extractall(scratch, filter='data')
      except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise UserError(f'{path} is not a complete tar archive, or the disk is full ({error}).') from error
  annotations = os.path.join(scratch, 'annotations')

  def examples(list_name):
    with open(os.path.join(annotations, list_name), encoding='utf-8') as lines:
      rows = [line.split() for line in lines if line.strip()]
    for name, label, species, _ in rows:
      yield (
        f'{name}.jpg',
        {
          'image': _pet_jpeg(os.path.join(scratch, 'images', f'{name}.jpg'), name),
          'label': int(label) - 1,
          'species': int(species) - 1,
          'file_name': f'{name}.jpg',
          'segmentation_mask': os.path.join(annotations, 'trimaps', f'{name}.png'),
          'head_bbox': _head_box(os.path.join(annotations, 'xmls', f'{name}.xml')),
        },
      )

  return {'train': examples('trainval.txt'), 'test': examples('test.txt')}


def _pet_jpeg(path, name):
  with open(path, 'rb') as file:
    data = file.read()
  if name not in _NOT_JPEG:
    return io.BytesIO(data)
  from PIL import Image

  written = io.BytesIO()
  Image.open(io.BytesIO(data)).convert('RGB').save(written, 'JPEG', quality=95)
  written.seek(0)
  return written


def _head_box(path):
  import tensorflow_datasets as tfds

  if not os.path.exists(path):  # the test split has none
    return tfds.features.BBox(0.0, 0.0, 0.0, 0.0)
  root = ElementTree.parse(path).getroot()
  width, height = (float(root.findtext(f'size/{side}')) for side in ('width', 'height'))
  left, top, right, bottom = (
    float(root.findtext(f'object/bndbox/{side}')) for side in ('xmin', 'ymin', 'xmax', 'ymax')
  )
  return tfds.features.BBox(top / height, left / width, bottom / height, right / width)


# {data set: what makes {split: examples} from (builder, fetch(file name) -> path, an empty folder)}
_SPLITS = {
  'mnist': _mnist_splits,
  'fashion_mnist': _mnist_splits,
  'cifar10': _cifar10_splits,
  'celeb_a': _celeb_a_splits,
  'oxford_iiit_pet': _oxford_iiit_pet_splits,
}


def prepare(name, data_dir='', manual_dir='', verify=True):
  """Prepares a data set as array_record.

  Args:
    name: a data set of tensorflow-datasets.
    data_dir: where to; '' is its own default.
    manual_dir: folder with files that are not to be downloaded; '' is none.
    verify: whether files in `manual_dir` must have the registered SHA-256.

  Returns:
    The folder of the prepared data.

  Raises:
    UserError: no such data set, no TensorFlow where it is needed, no network, or missing, damaged or other files.
  """
  if manual_dir and not os.path.isdir(manual_dir):
    raise UserError(f'--manual_dir={manual_dir} is not a folder: put the files there first.')
  builder = prepared.find_builder(name, data_dir)
  if prepared.is_readable(builder):
    return str(builder.data_dir)
  if builder.is_prepared():
    raise UserError(
      f'{builder.data_dir} holds a copy in a format that only TensorFlow reads: remove it, or choose '
      'another --data_dir.'
    )
  root = os.path.expanduser(data_dir or prepared.default_data_dir())
  try:
    os.makedirs(root, exist_ok=True)
  except OSError as error:
    raise UserError(f'cannot write to --data_dir={root} ({error.strerror}): choose another folder.') from error
  import requests
  import tensorflow_datasets as tfds
  from tensorflow_datasets.core.download import downloader

  # Its ten retries take more than three minutes to tell that there is no network.
  downloader.MAX_RETRIES = 0
  if not sys.stderr.isatty():
    tfds.disable_progress_bar()
  config = tfds.download.DownloadConfig(manual_dir=manual_dir or None)
  with tempfile.TemporaryDirectory(prefix='unpacked_', dir=root) as scratch:
    if builder.name in _SPLITS:
      # The two methods in which the builders call TensorFlow are replaced by this one.
      builder._split_generators = lambda downloads: _SPLITS[builder.name](  # pylint: disable=protected-access
        builder, lambda file: _fetch(builder, downloads, file, manual_dir, verify), scratch
      )
      config = tfds.download.DownloadConfig()  # _fetch looks in manual_dir itself
    elif importlib.util.find_spec('tensorflow') is None:
      raise UserError(
        f"'{name}' can only be prepared with TensorFlow: pip install tensorflow (or tensorflow-cpu), "
        f'then run this again; without it there are {", ".join(_SPLITS)}.'
      )
    elif builder.MANUAL_DOWNLOAD_INSTRUCTIONS and not manual_dir:
      instructions = ' '.join(builder.MANUAL_DOWNLOAD_INSTRUCTIONS.split())
      raise UserError(
        f"the files of '{name}' are only given to people: {instructions} Then run this again with --manual_dir=FOLDER."
      )
    try:
      builder.download_and_prepare(file_format='array_record', download_config=config)
    except (requests.exceptions.RequestException, tfds.download.DownloadError, ConnectionError) as error:
      raise UserError(_cannot_download(builder, manual_dir, error)) from error
    finally:
      _remove_unfinished(root)
  return str(builder.data_dir)


def _fetch(builder, downloads, file, manual_dir, verify):
  """The path of an original file: in `manual_dir`, else downloaded."""
  from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError

  url, info = next((url, info) for url, info in builder.url_infos.items() if info.filename == file)
  path = os.path.join(manual_dir, file)
  if not manual_dir or not os.path.exists(path):
    try:
      return os.fspath(downloads.download(url))
    except NonMatchingChecksumError as error:
      raise UserError(
        f'{url} no longer gives the registered file: fetch {file} from {_PAGES[builder.name]} by hand '
        'and use --manual_dir.'
      ) from error
  if verify:
    with open(path, 'rb') as opened:
      found = hashlib.file_digest(opened, 'sha256').hexdigest()
    if found != info.checksum:
      raise UserError(
        f'{path} is not the registered file (SHA-256 {found}, expected {info.checksum}): fetch it again, '
        'or pass --noverify if it holds the same data, only packed otherwise.'
      )
  return path


def _cannot_download(builder, manual_dir, error):
  host = next((urllib.parse.urlparse(url).hostname for url in builder.url_infos), 'the network')
  if builder.name not in _SPLITS:
    return f'cannot download {builder.name} from {host} ({type(error).__name__}): check the network and run this again.'
  files = [info.filename for info in builder.url_infos.values()]
  missing = [file for file in files if not manual_dir or not os.path.exists(os.path.join(manual_dir, file))]
  return (
    f'cannot download {builder.name} from {host} ({type(error).__name__}): fetch {", ".join(missing)} from '
    f'{_PAGES[builder.name]} by hand, put them in a folder and run this again with --manual_dir=FOLDER.'
  )


def _remove_unfinished(data_dir):
  """Removes the empty folders that broken-off downloads leave."""
  for folder, subfolders, files in os.walk(os.path.join(data_dir, 'downloads')):
    if '.tmp.' in os.path.basename(folder) and not subfolders and not files:
      shutil.rmtree(folder, ignore_errors=True)


def _open_tar(path):
  try:
    return tarfile.open(path)
  except (tarfile.TarError, OSError, EOFError) as error:
    raise UserError(f'{path} is not a complete tar archive ({error}): fetch it again.') from error


def _tar_bytes(archive, name):
  try:
    return archive.extractfile(name).read()
  except (KeyError, tarfile.TarError, OSError, EOFError) as error:
    raise UserError(f'{name} is not in {archive.name}, or damaged ({error}): fetch the archive again.') from error


def _image(pixels):
  # An array would be encoded by TensorFlow, a picture is encoded by Pillow.
  from PIL import Image

  return Image.fromarray(np.ascontiguousarray(pixels))


def main(argv=None):
  """Runs the command; returns its exit status."""
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument('name', help=f'data set; without TensorFlow: {", ".join(_SPLITS)}')
  parser.add_argument('--data_dir', default='', help='where to; default: TFDS_DATA_DIR or ~/tensorflow_datasets')
  parser.add_argument('--manual_dir', default='', help='folder of files that you fetched by hand')
  parser.add_argument('--noverify', action='store_true', help='accept files in --manual_dir with another SHA-256')
  parser.add_argument('--files', action='store_true', help='only list the files that the data set is made from')
  args = parser.parse_args(argv)
  logging.set_verbosity(logging.ERROR)  # tensorflow-datasets warns of every folder that is not prepared yet
  try:
    if args.files:
      for url, info in prepared.find_builder(args.name, args.data_dir).url_infos.items():
        print(f'{info.filename}  {info.size}  sha256 {info.checksum}  {url}')
      return 0
    start = time.monotonic()
    folder = prepare(args.name, args.data_dir, args.manual_dir, not args.noverify)
  except UserError as error:
    print(f'error: {error}', file=sys.stderr)
    return 2
  print(
    f'{args.name} is prepared in {folder} ({time.monotonic() - start:.0f} s); read it with '
    f'--config.data.source=tfds --config.data.name={args.name}'
    + (f' --config.data.path={args.data_dir}' if args.data_dir else '')
  )
  return 0


if __name__ == '__main__':
  sys.exit(main())
