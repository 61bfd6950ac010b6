"""MNIST and the sets that share its file format (Fashion-MNIST, KMNIST), from a folder of idx files."""

import gzip
import itertools
import os
import zlib

import numpy as np

from deconv.data.source import ArraySource, choose_split
from deconv.errors import UserError

_PREFIXES = {'train': 'train', 'test': 't10k'}
_FOLDERS = ('', 'raw', 'MNIST/raw', 'FashionMNIST/raw', 'mnist', 'fashion_mnist')  # torchvision keeps them in */raw


def open_mnist(options, split):
  """The source `mnist`: the idx files in `options.path`, gzipped or not, named with '-' or '.' before 'idx'.

  28x28 images are used as they are at `image_size=28`, resized otherwise. Splits: `train`, `test`, `all`.

  Raises:
    UserError: no such split, files not there or damaged.
  """
  prefixes = choose_split(
    'mnist', split, {**{name: (prefix,) for name, prefix in _PREFIXES.items()}, 'all': tuple(_PREFIXES.values())}
  )
  images, labels = [], []
  for prefix in prefixes:
    images.append(read_idx(_find(options.path, prefix, 'images', 3), 3))
    labels.append(read_idx(_find(options.path, prefix, 'labels', 1), 1))
    if len(images[-1]) != len(labels[-1]):
      raise UserError(
        f"the '{prefix}' files in {options.path} do not belong together: {len(images[-1])} images, "
        f'{len(labels[-1])} labels.'
      )
  labels = np.concatenate(labels)
  classes = max(10, int(labels.max(initial=0)) + 1)
  return ArraySource('mnist', np.concatenate(images), labels, options, [str(i) for i in range(classes)])


def read_idx(path, dimensions):
  """Reads an idx file of bytes, gzipped or not, with so many dimensions, as a uint8 array.

  Raises:
    UserError: the file cannot be read, is not of this format, or is not complete.
  """
  data = _read_bytes(path)
  if data[:2] == b'\x1f\x8b':
    try:
      data = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
      raise UserError(f'{path} is a damaged gzip file ({error}): fetch it again.') from error
  start = 4 + 4 * dimensions
  if len(data) < start or data[:4] != bytes((0, 0, 8, dimensions)):
    raise UserError(f'{path} is not an idx file of bytes with {dimensions} dimension(s): fetch it again.')
  shape = tuple(np.frombuffer(data, '>i4', dimensions, 4).tolist())
  if len(data) != start + np.prod(shape, dtype=np.int64):
    raise UserError(f'{path} has {len(data) - start} bytes of data, its header says {np.prod(shape)}: fetch it again.')
  return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def _read_bytes(path):
  try:
    with open(path, 'rb') as file:
      return file.read()
  except OSError as error:
    raise UserError(f'cannot read {path}: {error.strerror or error}.') from error


def _find(folder, prefix, kind, dimensions):
  if not folder:
    raise UserError("data source 'mnist' needs --config.data.path=FOLDER, the folder of the four idx files.")
  for place, separator, end in itertools.product(_FOLDERS, '-.', ('', '.gz')):
    path = os.path.join(folder, place, f'{prefix}-{kind}{separator}idx{dimensions}-ubyte{end}')
    if os.path.isfile(path):
      return path
  raise UserError(
    f'{prefix}-{kind}-idx{dimensions}-ubyte (or .gz) is not in {folder}: put the four idx files of MNIST '
    'or Fashion-MNIST there, or set --config.data.path to their folder.'
  )
