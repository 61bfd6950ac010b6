"""Images that are files: in a folder or in a zip archive."""

import hashlib
import os

from deconv.data.files import encoded, trees
from deconv.data.source import choose_split
from deconv.errors import UserError

# Names of top-level folders that are splits, and the split that they mean.
SPLIT_FOLDERS = {
  'train': 'train',
  'training': 'train',
  'test': 'test',
  'testing': 'test',
  'val': 'valid',
  'valid': 'valid',
  'validation': 'valid',
}


class FileSource(encoded.EncodedSource):
  """Image files of a tree.

  Args:
    name: what to call it.
    tree: a `trees.Folder` or `trees.Zip`.
    keys: names of the images in the tree, in order.
    labels: integers, one a key, or None.
    options: DataOptions.
    class_names: names of the classes; None where there are no labels.
    mask_names: names of the classes of the masks; None where there are no masks.

  Raises:
    UserError: none of the files can be decoded; or, with `on_broken == 'error'`, the first cannot.
  """

  def __init__(self, name, tree, keys, labels, options, class_names=None, mask_names=None):
    super().__init__(name, tree.path, options, class_names, mask_names)
    self._tree = tree
    self._keys = keys
    self._labels = labels
    self._taken = {}  # each kind of fingerprint is taken once: files may vanish later, which changes no run
    self.check()

  def __len__(self):
    return len(self._keys)

  def _read(self, index):
    data = self._tree.read(self._keys[index], self.options.max_bytes)
    return data, None if self._labels is None else self._labels[index]

  def _title(self, index):
    return self._keys[index]

  def fingerprint(self):
    """Of names, labels and sizes, and of the checksums that an archive holds; as it was when first asked for."""
    if 'names' not in self._taken:
      self._taken['names'] = self._take_fingerprint()
    return self._taken['names']

  def content_fingerprint(self):
    """Of the bytes too: see `trees.Folder.content`."""
    if 'content' not in self._taken:
      content = self._tree.content(self._all_keys())
      self._taken['content'] = hashlib.sha256(self.fingerprint().encode() + content).hexdigest()[:16]
    return self._taken['content']

  def _all_keys(self):
    """Names of all files that are read."""
    return self._keys

  def _take_fingerprint(self):
    digest = hashlib.sha256()
    for index, key in enumerate(self._keys):
      label = None if self._labels is None else self._labels[index]
      digest.update(repr((key, self._tree.signature(key), label)).encode('utf-8', 'surrogateescape'))
    return digest.hexdigest()[:16]


def open_folder(options, split):
  """The source `folder`: every file of trees.KINDS below `options.path`; splits and labels as in `open_tree`."""
  if not options.path:
    raise UserError("data source 'folder' needs --config.data.path=FOLDER, the folder of the images.")
  if os.path.isfile(options.path) and options.path.lower().endswith('.zip'):
    raise UserError(f'{options.path} is a zip archive: use --config.data.source=zip.')
  return open_tree('folder', trees.Folder(options.path), options, split)


def open_zip(options, split):
  """The source `zip`: the same of the zip archive `options.path`, which is read in place."""
  if not options.path:
    raise UserError("data source 'zip' needs --config.data.path=FILE.zip, the archive of the images.")
  return open_tree('zip', trees.Zip(options.path), options, split)


def open_tree(name, tree, options, split):
  """A source of the images of a tree, sorted by path.

  Folders that all images share are passed over. Then, if there are top-level folders with the names of splits (train,
  test, val, ...), these are the splits; `all` is everything. Otherwise `train` and `all` are both everything. Below
  that, if every image lies in a subfolder and there are at least two, the subfolders are the classes.

  Raises:
    UserError: no such split, no images, or none that can be decoded.
  """
  names = tree.names()
  if not names:
    raise UserError(f'there are no {trees.KINDS} images in {tree.path}: set --config.data.path to where they are.')
  paths = dict(zip(names, _without_shared([name.split('/') for name in names])))
  splits = {'all': list(paths)}
  for key, path in paths.items():
    if len(path) > 1 and path[0].lower() in SPLIT_FOLDERS:
      splits.setdefault(SPLIT_FOLDERS[path[0].lower()], []).append(key)
  if len(splits) > 1:
    paths = {key: path[1:] if path[0].lower() in SPLIT_FOLDERS else path for key, path in paths.items()}
  else:
    splits['train'] = splits['all']
  keys = choose_split(f'{name} {tree.path}', split, splits)
  # The classes are those of all splits together, so that a label means the same in each.
  classes = sorted({path[0] for path in paths.values() if len(path) > 1})
  if len(classes) < 2 or any(len(path) == 1 for path in paths.values()):
    return FileSource(name, tree, keys, None, options)
  numbers = {class_name: number for number, class_name in enumerate(classes)}
  return FileSource(name, tree, keys, [numbers[paths[key][0]] for key in keys], options, classes)


def _without_shared(paths):
  """The paths (lists of parts) without the leading folders that are the same in all."""
  shortest = min(len(path) for path in paths) - 1
  depth = 0
  # A split folder is a split even when it stands alone.
  while (
    depth < shortest
    and paths[0][depth].lower() not in SPLIT_FOLDERS
    and all(path[depth] == paths[0][depth] for path in paths)
  ):
    depth += 1
  return [path[depth:] for path in paths]
