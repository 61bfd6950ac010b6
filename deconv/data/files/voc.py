"""Data sets in the layout of Pascal VOC: images, masks, and lists of names that are the splits."""

import os

from deconv.data.files import trees
from deconv.data.files.mask_coding import MaskCoding
from deconv.data.files.mask_files import MaskSource
from deconv.data.source import choose_split
from deconv.errors import UserError

CLASSES = (
  'background',
  'aeroplane',
  'bicycle',
  'bird',
  'boat',
  'bottle',
  'bus',
  'car',
  'cat',
  'chair',
  'cow',
  'diningtable',
  'dog',
  'horse',
  'motorbike',
  'person',
  'pottedplant',
  'sheep',
  'sofa',
  'train',
  'tvmonitor',
)
_LISTS = os.path.join('ImageSets', 'Segmentation')
_PAGE = 'http://host.robots.ox.ac.uk/pascal/VOC/voc2012/'


def is_voc(path):
  """Whether a folder has the lists of this layout."""
  return os.path.isdir(os.path.join(path, _LISTS))


def open_voc(options, split):
  """The source `voc`: segmentation of Pascal VOC, 21 classes, 255 where a border or a hard object is.

  `options.path` is the unpacked folder VOC2012 (or another year's), or one above it, VOCdevkit. The masks are
  SegmentationClass as published: PNG with a palette, indices are classes.

  Splits: the lists in ImageSets/Segmentation: `train` (1,464 in 2012), `val` (1,449), `trainval`, and others that are
  put there, such as trainaug; `all` is all of them.

  Raises:
    UserError: the data are not there, no such split, or an image or mask of the list is missing.
  """
  path = os.path.expanduser(options.path)
  if not path:
    raise UserError(
      "data source 'voc' needs --config.data.path=FOLDER, the unpacked VOCdevkit/VOC2012: fetch "
      f'VOCtrainval_11-May-2012.tar from {_PAGE}.'
    )
  if os.path.isfile(path):
    raise UserError(f'{path} is a file: unpack it and set --config.data.path to the folder VOCdevkit/VOC2012.')
  places = [path, *(os.path.join(path, *below) for below in (('VOC2012',), ('VOCdevkit', 'VOC2012')))]
  found = next(filter(is_voc, places), None)
  if found is None:
    raise UserError(
      f'there is no {_LISTS} in {", ".join(places)}: fetch VOCtrainval_11-May-2012.tar from {_PAGE}, '
      'unpack it and set --config.data.path to its folder VOCdevkit/VOC2012.'
    )
  return open_lists('voc', found, MaskCoding(CLASSES, source='Pascal VOC'), options, split)


def open_lists(name, path, coding, options, split):
  """A source of the pairs that a list names.

  Args:
    name: what to call it.
    path: a folder in which are JPEGImages, SegmentationClass (or SegmentationClassAug, where the former lacks one) and
      ImageSets/Segmentation.
    coding: a MaskCoding.
    options: DataOptions.
    split: name of a list without its ending; `all` is all of them.

  Raises:
    UserError: no such list, it is empty, or it names what is not there.
  """
  folder = os.path.join(path, _LISTS)
  lists = {}
  for file in sorted(os.listdir(folder)):
    if file.endswith('.txt') and os.path.isfile(os.path.join(folder, file)):
      with open(os.path.join(folder, file), encoding='utf-8') as lines:
        # The augmented lists of others have a line '/JPEGImages/NAME.jpg /SegmentationClassAug/NAME.png'.
        names = [os.path.splitext(os.path.basename(line.split()[0]))[0] for line in lines if line.strip()]
      lists[file[:-4]] = names
  lists['all'] = sorted({stem for names in lists.values() for stem in names})
  tree = trees.Folder(path)
  there, twice = {}, {}
  for key in tree.names():
    above, _, file = key.rpartition('/')
    place = above, os.path.splitext(file)[0]
    if place in there:
      twice[place] = there[place]
    there[place] = key
  pairs = []
  for stem in choose_split(f'{name} {path}', split, lists):
    image = there.get(('JPEGImages', stem))
    mask = there.get(('SegmentationClass', stem)) or there.get(('SegmentationClassAug', stem))
    if image is None or mask is None:
      missing = 'image in JPEGImages' if image is None else 'mask in SegmentationClass'
      raise UserError(
        f"the list '{split}' of {path} names {stem}, of which there is no {missing}: unpack the archive "
        'anew, or mend the list.'
      )
    if ('JPEGImages', stem) in twice:
      raise UserError(f'{twice["JPEGImages", stem]} and {image} in {path} have one mask: rename or remove one of them.')
    pairs.append((image, mask))
  if not pairs:
    raise UserError(f"the list '{split}' in {folder} is empty: choose another split or data.path.")
  return MaskSource(name, tree, pairs, coding, options)
