"""The photographs that come inside scikit-learn and scikit-image: no download."""

import functools
import hashlib
import importlib.util
import os

import numpy as np

from deconv.data.files import decode, opening
from deconv.data.source import Source, choose_split
from deconv.errors import UserError
from deconv.options.data import DataOptions

_SKLEARN, _SKIMAGE = ('sklearn', 'datasets', 'images'), ('skimage', 'data')

# Name: (package and folders, file, colour?, split). Split by photograph, never by patch: `test` is of people, animals,
# things and a texture that are not in `train`. Left out: drawings, masks, and what is in another one already (the right
# view of the motorcycle, the piece of the retina).
PHOTOS = {
  'china': (_SKLEARN, 'china.jpg', True, 'train'),
  'flower': (_SKLEARN, 'flower.jpg', True, 'train'),
  'hubble': (_SKIMAGE, 'hubble_deep_field.jpg', True, 'train'),
  'immunohistochemistry': (_SKIMAGE, 'ihc.png', True, 'train'),
  'motorcycle': (_SKIMAGE, 'motorcycle_left.png', True, 'train'),
  'retina': (_SKIMAGE, 'retina.jpg', True, 'train'),
  'rocket': (_SKIMAGE, 'rocket.jpg', True, 'train'),
  'cell': (_SKIMAGE, 'cell.png', False, 'train'),
  'clock': (_SKIMAGE, 'clock_motion.png', False, 'train'),
  'grass': (_SKIMAGE, 'grass.png', False, 'train'),
  'gravel': (_SKIMAGE, 'gravel.png', False, 'train'),
  'moon': (_SKIMAGE, 'moon.png', False, 'train'),
  'page': (_SKIMAGE, 'page.png', False, 'train'),
  'text': (_SKIMAGE, 'text.png', False, 'train'),
  'astronaut': (_SKIMAGE, 'astronaut.png', True, 'test'),
  'chelsea': (_SKIMAGE, 'chelsea.png', True, 'test'),
  'coffee': (_SKIMAGE, 'coffee.png', True, 'test'),
  'brick': (_SKIMAGE, 'brick.png', False, 'test'),
  'camera': (_SKIMAGE, 'camera.png', False, 'test'),
  'coins': (_SKIMAGE, 'coins.png', False, 'test'),
}


class PhotoSource(Source):
  """Photographs of several sizes, decoded once and kept (18 MiB in colour).

  Args:
    options: DataOptions; `fit`, `crop` and `image_size` say how a photograph becomes an item.
    names: keys of PHOTOS.
  """

  def __init__(self, options, names):
    super().__init__('photos', options)
    self.titles = tuple(names)

  def __len__(self):
    return len(self.titles)

  def __getitem__(self, index):
    return {'image': decode.fit(self.load_full(index)['image'], self.options)}

  def load_full(self, index):
    """{'image': uint8 (height, width, channels)}, the whole photograph."""
    if not 0 <= index < len(self):
      raise IndexError(index)
    return {'image': read_photo(self.titles[index], self.options.channels)}

  def fingerprint(self):
    """Of the files' names and sizes."""
    files = [(title, os.path.getsize(_path(title))) for title in self.titles]
    return hashlib.sha256(repr(files).encode()).hexdigest()[:16]


def open_photos(options, split):
  """The source `photos`: with channels=3 the ten in colour, with channels=1 all twenty in grey; see PHOTOS.

  Splits: `train` (7 in colour, 14 in all), `test` (3 and 6), `all`.

  Raises:
    UserError: no such split, or one of the two packages is not installed or has no such file.
  """
  names = [name for name, (_, _, colour, _) in PHOTOS.items() if colour or options.channels == 1]
  names = choose_split(
    'photos',
    split,
    {'all': names, **{part: [name for name in names if PHOTOS[name][3] == part] for part in ('train', 'test')}},
  )
  for name in names:
    _path(name)
  return PhotoSource(options, names)


def _path(name):
  (package, *folders), file, _, _ = PHOTOS[name]
  install = {'sklearn': 'scikit-learn', 'skimage': 'scikit-image'}[package]
  # Found, not imported: that takes a second of the start of every run.
  spec = importlib.util.find_spec(package)
  if spec is None:
    raise UserError(f"data source 'photos' is read from {install}: pip install {install}.")
  path = os.path.join(spec.submodule_search_locations[0], *folders, file)
  if not os.path.isfile(path):
    raise UserError(
      f"the photograph '{name}' is not at {path}: install a version of {install} that is within requirements.txt."
    )
  return path


@functools.lru_cache(maxsize=2 * len(PHOTOS))
def read_photo(name, channels):
  """uint8 (height, width, channels) of a key of PHOTOS; not to be written to."""
  data = opening.read_file(_path(name), DataOptions().max_bytes)
  with opening.opened(data, DataOptions.max_pixels) as image:
    image = image.convert('L' if channels == 1 else 'RGB')
  pixels = np.asarray(image).reshape(image.height, image.width, channels)
  pixels.flags.writeable = False
  return pixels
