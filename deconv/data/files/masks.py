"""The source `masks`: images in one folder, and in another the masks of the same names."""

import os

from deconv.data.files import trees, voc
from deconv.data.files.folders import SPLIT_FOLDERS
from deconv.data.files.mask_coding import MaskCoding, read_palette
from deconv.data.files.mask_files import MaskSource
from deconv.data.source import choose_split
from deconv.errors import UserError

_IMAGE_FOLDERS = 'images', 'image', 'imgs', 'jpegimages'
_MASK_FOLDERS = 'masks', 'mask', 'labels', 'annotations', 'segmentationclass'


def open_masks(options, split):
  """The source `masks`: images and masks of the same name in two folders of `options.path`, a folder or a zip archive.

  The folders are `images` (image, imgs, JPEGImages) and `masks` (mask, labels, annotations, SegmentationClass);
  above or below both there may be folders of the splits (train, val, test). Names agree but for their endings. With
  `ImageSets/Segmentation` beside them the splits are its lists of names (see deconv/data/files/voc.py).

  The pixels of a mask are class numbers, or indices into its palette (PNG), whose names are `options.class_names`; or
  they are the colours of the text file `options.palette` (see `read_palette`). 255 is no class.

  Splits: those there are folders or lists for, and `all`; without any, `train` and `all` are both everything.

  Raises:
    UserError: no such split, an image without a mask, or a mask with a value or colour of no class.
  """
  if not options.path:
    raise UserError("data source 'masks' needs --config.data.path=FOLDER, with the folders images and masks.")
  if options.palette:
    coding = read_palette(options.palette)
  elif len(options.class_names) > 1:
    coding = MaskCoding(options.class_names)
  else:
    raise UserError(
      "data source 'masks' needs the names of the classes 0, 1, ...: --config.data.class_names=\"('a', "
      "'b')\", or --config.data.palette=FILE for masks whose colours are the classes."
    )
  if voc.is_voc(options.path):
    return voc.open_lists('masks', options.path, coding, options, split)
  tree = trees.Folder(options.path) if os.path.isdir(options.path) else trees.Zip(options.path)
  splits = _pairs(tree)
  return MaskSource('masks', tree, choose_split(f'masks {options.path}', split, splits), coding, options)


def _pairs(tree):
  """{split: [(image, mask)]}; UserError when there are none, or an image has no mask."""
  images, masks = {}, {}
  for name in tree.names():
    parts = name.split('/')
    for place, part in enumerate(parts[:-1]):
      kind = images if part.lower() in _IMAGE_FOLDERS else masks if part.lower() in _MASK_FOLDERS else None
      if kind is not None:
        key = '/'.join([*parts[:place], *parts[place + 1 :]]).rsplit('.', 1)[0]
        if key in kind:
          what = 'images have one mask' if kind is images else 'masks have one image'
          raise UserError(
            f'{kind[key]} and {name} in {tree.path} differ in folder or ending alone, so that two '
            f'{what}: rename or remove one of them.'
          )
        kind[key] = name
        break
  if not images or not masks:
    missing = 'images' if not images else 'masks'
    raise UserError(
      f"there is no folder '{missing}' with {trees.KINDS} files in {tree.path}: put the images into "
      'the folder images, the masks into masks, and set --config.data.path to the folder of both.'
    )
  lonely = sorted(set(images) - set(masks))
  if lonely:
    raise UserError(
      f'{len(lonely)} of the {len(images)} images in {tree.path} have no mask, the first '
      f'{images[lonely[0]]}: give each a mask of the same name in the folder masks, or remove the image.'
    )
  splits = {'all': sorted(images)}
  for key in splits['all']:
    for part in key.split('/')[:-1]:
      if part.lower() in SPLIT_FOLDERS:
        splits.setdefault(SPLIT_FOLDERS[part.lower()], []).append(key)
        break
  if len(splits) == 1:
    splits['train'] = splits['all']
  return {split: [(images[key], masks[key]) for key in keys] for split, keys in splits.items()}
