"""A stack of electron microscopy with the membranes of its cells: the training volume of the ISBI challenge of 2012."""

import os

from deconv.data.files import trees
from deconv.data.files.mask_coding import MaskCoding
from deconv.data.files.mask_files import MaskSource
from deconv.data.source import choose_split
from deconv.errors import UserError

# Class 0 is the ground of U-Net's border weights, and what is left out of the scores of segments.
CLASSES = 'membrane', 'inside'
_COLOURS = (((0, 0, 0), 0), ((255, 255, 255), 1))
_IMAGE_FOLDERS = 'image', 'images', 'imgs'
_LABEL_FOLDERS = 'label', 'labels'
_HELD_OUT = 5  # one slice of so many


def open_em_stack(options, split):
  """The source `em_stack`: slices in the order of depth, and for each pixel whether it is membrane or inside of a cell.

  `options.path` is a folder with the folders `image` (images, imgs) and `label` (labels), or one that holds a folder
  with the two, such as `train`. A slice and its label have one name, which ends with the number of the slice: 0.png
  to 29.png. Labels are black where there is a membrane, white inside of a cell.

  Splits: `train` (the first four fifths of the slices: 24 of 30), `test` (the last fifth: 6), `all`. Neighbours show
  the same cells, so a slice that is held out at random would be half known.

  Raises:
    UserError: the data are not there, no such split, a slice without a label or a number, or a label of other colours.
  """
  if not options.path:
    raise UserError("data source 'em_stack' needs --config.data.path=FOLDER, with the folders image and label.")
  tree = trees.Folder(options.path)
  images, labels = {}, {}
  for name in tree.names():
    *above, kind, file = ['', *name.split('/')]
    found = images if kind in _IMAGE_FOLDERS else labels if kind in _LABEL_FOLDERS else None
    if found is not None:
      found['/'.join(above), os.path.splitext(file)[0]] = name
  if not images:
    raise UserError(
      f"there is no folder 'image' with {trees.KINDS} files in {tree.path}: write the slices of the stack there, one a "
      "file, and their labels in the folder 'label' beside it."
    )
  lonely = sorted(set(images) - set(labels))
  if lonely:
    raise UserError(
      f'{len(lonely)} of the {len(images)} slices in {tree.path} have no label, the first {images[lonely[0]]}: give '
      "each a file of the same name in the folder 'label', or remove the slice."
    )
  depths = {}
  for place, name in images.items():
    digits = place[1][len(place[1].rstrip('0123456789')) :]
    if not digits or int(digits) in depths:
      other = f'has that of {depths[int(digits)][0]}' if digits else 'has none'
      raise UserError(
        f'the name of a slice ends with its number, and {name} in {tree.path} {other}: call them 0.png, 1.png, ...'
      )
    depths[int(digits)] = name, labels[place]
  pairs = [depths[depth] for depth in sorted(depths)]
  held_out = max(1, len(pairs) // _HELD_OUT)
  splits = {'train': pairs[:-held_out], 'test': pairs[-held_out:], 'all': pairs}
  coding = MaskCoding(
    CLASSES,
    _COLOURS,
    source='an EM stack, whose labels are black and white',
    advice='save them as PNG with 0 for membrane and 255 for inside',
  )
  return MaskSource('em_stack', tree, choose_split(f'em_stack {tree.path}', split, splits), coding, options)
