"""Squares cut from whole images at their own resolution: `data.fit='patches'`, for any source."""
import hashlib
import itertools

import numpy as np

from deconv.data.files import decode


class PatchSource:
  """The patches of a source's images, on a grid of each image that covers all of it; no pixel is resized.

  Rows and columns begin at the border, end at the border, and lie as evenly as whole pixels allow at most
  `options.patch_stride` apart. An image that is smaller than a patch is extended by its mirror. Images whose size
  cannot be read have no patches; the patches of those found broken later are replaced by one of the next image.

  Args:
    source: a Source with `load_full(i)`, and `full_size(i)` -> (height, width) where that is cheaper.
    options: DataOptions; `image_size` is the side of a patch.

  Attributes:
    broken: {index: reason} of the patches that have been replaced.
    num_full: number of whole images, which `load_full(0)` to `load_full(num_full - 1)` give.
  """

  def __init__(self, source, options):
    self.name = f'patches of {source.name}'
    self.options = options
    self.image_shape = options.image_shape
    self.num_classes = self.class_names = None
    self.broken = {}
    self.num_full = len(source)
    self._source = source
    side, stride = options.image_size, options.patch_stride or options.image_size
    places = []
    for index in range(len(source)):
      size = self._size(index)
      if size is not None:
        places += itertools.product([index], *(_starts(length, side, stride) for length in size))
    self._places = np.array(places, np.int32).reshape(-1, 3)

  def __len__(self):
    return len(self._places)

  def __getitem__(self, index):
    """{'image': uint8 (image_size, image_size, channels)}."""
    return self.load([index])[0]

  def load(self, indices):
    """The patches of many indices, as a list; those of one image that stand together decode it once."""
    items, last, image = [], None, None
    for index in indices:
      if not 0 <= index < len(self):
        raise IndexError(index)
      place = self._places[index]
      while place[0] != last:
        try:
          image, last = self._extended(int(place[0])), place[0]
        except decode.BrokenImage as error:  # its head was not
          self._source.note_broken(int(place[0]), str(error))
          self.broken[index] = str(error)
          later = np.searchsorted(self._places[:, 0], place[0], side='right')
          place = self._places[later % len(self)]  # the source has made sure that some image can be decoded
      side = self.options.image_size
      items.append({'image': image[place[1]:place[1] + side, place[2]:place[2] + side]})
    return items

  def load_full(self, index):
    """{'image': uint8 (height, width, channels)}, a whole image; `index` counts images, not patches."""
    return {'image': decode.with_channels(self._source.load_full(index)['image'], self.options.channels)}

  def fingerprint(self):
    about = self._source.fingerprint(), self.image_shape, self.options.patch_stride
    return hashlib.sha256(repr(about).encode()).hexdigest()[:16]

  def _size(self, index):
    try:
      if hasattr(self._source, 'full_size'):
        return self._source.full_size(index)
      return self._source.load_full(index)['image'].shape[:2]
    except decode.BrokenImage as error:
      self._source.note_broken(index, str(error))
      return None

  def _extended(self, number):
    image = self.load_full(number)['image']
    lacking = [max(0, self.options.image_size - length) for length in image.shape[:2]]
    return np.pad(image, [(0, lacking[0]), (0, lacking[1]), (0, 0)], mode='symmetric') if any(lacking) else image


def _starts(length, side, stride):
  """Where patches begin along an axis of an image."""
  room = max(0, length - side)
  return np.round(np.linspace(0, room, -(-room // stride) + 1)).astype(int).tolist()
