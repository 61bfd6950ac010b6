"""CelebA (Liu et al. 2015, aligned and cropped faces), from wherever a copy of it lies."""

import os

from deconv.data.files import folders, prepared, trees
from deconv.data.source import NoSuchSplit, choose_split
from deconv.errors import UserError

# The official partition by file number, first and last: what list_eval_partition.txt says.
_RANGES = {'train': (1, 162770), 'valid': (162771, 182637), 'test': (182638, 202599)}
_PARTITION_NUMBERS = {'0': 'train', '1': 'valid', '2': 'test'}
_PARTITION_FILES = ('list_eval_partition.txt', 'list_eval_partition.csv')
_FOLDERS = ('img_align_celeba', 'celeba/img_align_celeba')  # torchvision keeps it in celeba/
_ARCHIVES = ('img_align_celeba.zip', 'celeba/img_align_celeba.zip')
_SPLITS = ('train', 'valid', 'test', 'all')


def open_celeba(options, split):
  """The source `celeba`: the 202,599 aligned faces of 178x218 pixels, without labels.

  Looked for, in this order: in `options.path` (or the default data_dir of tensorflow-datasets when it is '') a prepared
  copy of tensorflow-datasets; then `img_align_celeba.zip` and the folder `img_align_celeba` in `options.path`, or the
  archive or folder that it is; last a prepared copy in the default data_dir. The usual centre crop is
  `options.crop = 108`.

  Splits: `train` (162,770), `valid` (19,867; also `validation`), `test` (19,962), `all`; by list_eval_partition.txt (or
  .csv) where it lies beside the images or in `options.path`, else by the official file numbers.

  Raises:
    UserError: no such split, no copy (with the places looked in), or none that can be decoded.
  """
  split = 'valid' if split == 'validation' else split
  choose_split('celeba', split, dict.fromkeys(_SPLITS))
  path = os.path.expanduser(options.path)
  looked = []
  for place in [path] if path else []:
    source = (
      _open_prepared(place, options, split, looked)
      or _open_archive(place, options, split, looked)
      or (_open_folder(place, options, split, looked))
    )
    if source:
      return source
  source = _open_prepared(prepared.default_data_dir(), options, split, looked)
  if source:
    return source
  raise UserError(
    f'CelebA is not there; looked for {", ".join(looked)}: download img_align_celeba.zip (1.4 GB) and '
    'list_eval_partition.txt by hand from http://mmlab.ie.cuhk.edu.hk/projects/CelebA.html (its Google Drive refuses '
    'automatic downloads), put both in one folder and set --config.data.path to it; nothing has to be unpacked.'
  )


def _open_prepared(data_dir, options, split, looked):
  looked.append(os.path.join(data_dir, 'celeb_a'))
  if not os.path.isdir(looked[-1]):  # asked before tensorflow-datasets is imported, which takes a second
    return None
  builder = prepared.find_builder('celeb_a', data_dir)
  if not prepared.is_readable(builder):
    return None
  return prepared.PreparedSource(builder, 'validation' if split == 'valid' else split, options)


def _open_archive(path, options, split, looked):
  for place in (path,) if path.lower().endswith('.zip') else [os.path.join(path, name) for name in _ARCHIVES]:
    looked.append(place)
    if os.path.isfile(place):
      return _open_tree(trees.Zip(place), [os.path.dirname(place), path], options, split)
  return None


def _open_folder(path, options, split, looked):
  if path.lower().endswith('.zip'):
    return None
  for place in [*(os.path.join(path, name) for name in _FOLDERS), path]:
    looked.append(os.path.join(place, '000001.jpg'))
    # The folder itself only when the faces lie in it: it may be any folder, with other images below.
    if os.path.isdir(place) and (place != path or any(map(_number, os.listdir(place)))):
      tree = trees.Folder(place)
      if tree.names():
        return _open_tree(tree, [place, os.path.dirname(place), path], options, split)
  return None


def _open_tree(tree, places, options, split):
  names = tree.names()
  if split != 'all':
    partition = _read_partition(places)
    if partition is None:
      first, last = _RANGES[split]
      names = [name for name in names if first <= _number(name) <= last]
    else:
      names = [name for name in names if partition.get(_file_name(name)) == split]
  if not names:
    raise NoSuchSplit(
      f"none of the images in {tree.path} belongs to CelebA's split '{split}': choose another split, "
      "such as 'all', or give the complete set."
    )
  return folders.FileSource('celeba', tree, names, None, options)


def _read_partition(places):
  """{file name: split} by the first partition file in the folders, or None."""
  for path in [os.path.join(place, name) for place in places for name in _PARTITION_FILES]:
    if os.path.isfile(path):
      with open(path, encoding='utf-8') as lines:
        rows = [line.replace(',', ' ').split() for line in lines]
      return {row[0]: _PARTITION_NUMBERS[row[1]] for row in rows if len(row) == 2 and row[1] in _PARTITION_NUMBERS}
  return None


def _file_name(name):
  # Copies with PNG files keep the names of the list but for the ending.
  return os.path.splitext(os.path.basename(name))[0] + '.jpg'


def _number(name):
  """The number of a file such as 000001.jpg; 0 where it is none."""
  stem, ending = os.path.splitext(os.path.basename(name))
  return int(stem) if stem.isdecimal() and len(stem) == 6 and ending.lower() in ('.jpg', '.png') else 0
