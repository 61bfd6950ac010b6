"""Squares cut from whole images at their own resolution: `data.fit='patches'`, for any source."""

import hashlib
import itertools
import math

import numpy as np

from deconv.data.files import decode, trees
from deconv.data.source import Source
from deconv.errors import UserError


class PatchSource(Source):
  """The patches of a source's images, on a grid of each image that covers all of it.

  No pixel is resized, but for the copies of an image at `options.patch_scales`, whose sides are rounded up, as MATLAB's
  imresize does; their patches follow those of the image itself.

  Rows and columns begin at the border, end at the border, and lie as evenly as whole pixels allow at most
  `options.patch_stride` apart. An image that is smaller than a patch is extended by its mirror. Images whose size
  cannot be read have no patches; the patches of those found broken later are replaced by one of the next image.

  Args:
    source: the Source of the whole images.
    options: DataOptions; `image_size` is the side of a patch.
  """

  def __init__(self, source, options):
    super().__init__(f'patches of {source.name}', options, place=source.place)
    self._source = source
    self._scales = (1.0, *options.patch_scales)
    side, stride = options.image_size, options.patch_stride or options.image_size
    places = []
    for index in range(source.num_full):
      size = self._size(index)
      for number, scale in enumerate(self._scales if size is not None else ()):
        starts = (_starts(length, side, stride) for length in _scaled(size, scale))
        places += itertools.product([index], [number], *starts)
    # Image, which of its scales, top, left; in this order.
    self._places = np.array(places, np.int32).reshape(-1, 4)
    self._copies = self._places[:, 0].astype(np.int64) * len(self._scales) + self._places[:, 1]

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
      at = index
      while self._copies[at] != last:
        number = self._number(at)
        reason = self._source.broken.get(number)
        if reason is None:
          try:
            image, last = self._extended(at), self._copies[at]
            break
          except decode.BrokenImage as error:  # its head was not
            reason = str(error)
            self.note_broken(at, reason)
        self._count_broken(index, reason)
        at = self._end(number) % len(self)
        if self._number(at) == self._number(index):
          raise UserError(
            f'none of the images in {self.place} can be decoded ({reason}): set --config.data.path to a '
            f'set of {trees.KINDS} images.'
          )
      _, _, top, left = self._places[at]
      side = self.options.image_size
      items.append({'image': image[top : top + side, left : left + side]})
    return items

  @property
  def num_full(self):
    return self._source.num_full

  def load_full(self, index):
    """{'image': uint8 (height, width, channels)}, a whole image; `index` counts images, not patches."""
    return {'image': decode.with_channels(self._source.load_full(index)['image'], self.options.channels)}

  def full_size(self, index):
    """(height, width) of a whole image, as `load_full`."""
    return self._source.full_size(index)

  def note_broken(self, index, reason, log=True):
    """Counts a patch that is replaced by another; the source counts the image that it is of, and names it once."""
    self._source.note_broken(self._number(index), reason, log)
    self._count_broken(index, reason)

  def fingerprint(self):
    return self._of_patches(self._source.fingerprint())

  def content_fingerprint(self):
    return self._of_patches(self._source.content_fingerprint())

  def _of_patches(self, fingerprint):
    about = fingerprint, self.image_shape, self.options.patch_stride, *self._scales[1:]
    return hashlib.sha256(repr(about).encode()).hexdigest()[:16]

  def _size(self, index):
    try:
      return self._source.full_size(index)
    except decode.BrokenImage as error:
      self._source.note_broken(index, str(error))
      return None

  def _number(self, index):
    """Which image a patch is of."""
    return int(self._places[index, 0])

  def _end(self, number):
    """The index behind the last patch of an image."""
    return int(np.searchsorted(self._places[:, 0], number, side='right'))

  def _extended(self, index):
    """The image that a patch is of, at its scale, and by its mirror at least as large as a patch."""
    image, side = self.load_full(self._number(index))['image'], self.options.image_size
    image = _resized(image, self._scales[self._places[index, 1]])
    _, _, *last = self._places[np.searchsorted(self._copies, self._copies[index], side='right') - 1]
    if any(place and place + side > length for place, length in zip(last, image.shape)):
      raise decode.BrokenImage('it is smaller than its head says, or was when the source was opened')
    lacking = [max(0, side - length) for length in image.shape[:2]]
    return np.pad(image, [(0, lacking[0]), (0, lacking[1]), (0, 0)], mode='symmetric') if any(lacking) else image


def _scaled(size, scale):
  """(height, width) of an image of this size at a scale."""
  return tuple(math.ceil(round(length * scale, 6)) for length in size)


def _resized(image, scale):
  from PIL import Image

  if scale == 1:
    return image
  pixels = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
  size = _scaled(image.shape[:2], scale)
  return np.asarray(pixels.resize(size[::-1], Image.Resampling.BICUBIC)).reshape(*size, image.shape[-1])


def _starts(length, side, stride):
  """Where patches begin along an axis of an image."""
  room = max(0, length - side)
  return np.round(np.linspace(0, room, -(-room // stride) + 1)).astype(int).tolist()
