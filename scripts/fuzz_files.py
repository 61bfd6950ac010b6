"""Damages picture files of seven formats in many ways and has all readers read them: no crash, no hang, bounded memory.

  python -m scripts.fuzz_files [--files=10000] [--seed=0] [--seconds=20] [--memory_mb=512]

A file is drawn, damaged and read as an image of a folder, a member of an archive (which is itself damaged now and
then), an image or a mask of a pair, and a picture of the user's own. Allowed are an image, a file that counts as
broken, and the sentence of a UserError. Whatever else comes is printed with the number of the file;
`--first=NUMBER --files=1` draws that file again. A file that takes longer than `--seconds` ends the script with the
stack.
"""

import argparse
import collections
import faulthandler
import io
import os
import resource
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
import zlib

from absl import logging
import numpy as np
from PIL import Image

from deconv.data import DataOptions, open_source, read_picture
from deconv.data.files.decode import BrokenImage
from deconv.errors import UserError

FORMATS = {
  'PNG': ('1', 'L', 'LA', 'P', 'RGB', 'RGBA', 'I;16'),
  'JPEG': ('L', 'RGB', 'CMYK'),
  'WEBP': ('RGB', 'RGBA'),
  'GIF': ('L', 'P'),
  'BMP': ('1', 'L', 'P', 'RGB'),
  'PPM': ('1', 'L', 'RGB', 'I;16', 'F'),
  'TIFF': ('1', 'L', 'LA', 'P', 'RGB', 'RGBA', 'I;16', 'F'),
}
# Small, so that what a file says of its size is soon too much.
OPTIONS = {'image_size': 8, 'max_pixels': 4_000_000, 'max_file_mb': 8, 'memory_limit_mb': 0}
_ITEMS = 20  # that are read: a head may promise thousands of patches
_EXTREMES = [
  bytes(4),
  b'\xff' * 4,
  b'\x7f\xff\xff\xff',
  b'\xff\xff\xff\x7f',
  b'\x00\x00\xff\xff',
  b'\xff\xff\x00\x00',
  b'\x00\x00\x33\xf4',
  b'\xf4\x33\x00\x00',
]


def draw(random):
  """Returns (bytes of a picture file without damage, its format, (height, width))."""
  kind = random.choice(sorted(FORMATS))
  mode = random.choice(FORMATS[kind])
  height, width = random.randint(1, 48, 2)
  pixels = (random.randint(0, 256, (height, width, 4)) // random.choice([1, 64])).astype(np.uint8)
  if mode == 'I;16':
    image = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
  elif mode == 'F':
    image = Image.fromarray(pixels[..., 0].astype(np.float32))
  else:
    image = Image.fromarray(pixels).convert('RGB' if mode in ('P', 'CMYK', '1') else mode).convert(mode)
  more = {}
  if kind in ('PNG', 'JPEG', 'WEBP') and random.rand() < 0.3:
    exif = Image.Exif()
    exif[0x0112] = int(random.randint(1, 9))
    more['exif'] = exif
  if kind == 'TIFF' and mode != 'F':
    more['compression'] = random.choice([None, 'tiff_lzw', 'tiff_deflate', 'packbits'])
  if kind == 'JPEG':
    more['progressive'] = bool(random.randint(2))
  if kind in ('WEBP', 'GIF') and random.rand() < 0.3:
    more.update(save_all=True, append_images=[image.rotate(90)])
  file = io.BytesIO()
  image.save(file, kind, **more)
  return file.getvalue(), kind, (height, width)


def damage(data, random):
  """Returns the bytes with one to four kinds of damage."""
  for _ in range(random.randint(1, 5)):
    place = int(random.randint(0, max(1, len(data))))
    size = int(random.choice([1, 2, 4, 16, 200]))
    kind = random.randint(0, 6)
    if kind == 0:
      data = data[:place]
    elif kind == 1:
      data = data[:place] + random.bytes(size) + data[place + size :]
    elif kind == 2:
      data = data[:place] + data[place + size :]
    elif kind == 3:
      data = data[:place] + random.bytes(size) + data[place:]
    elif kind == 4:
      data = data[:place] + data[place : place + size] * int(random.randint(2, 50)) + data[place + size :]
    else:  # a size or an offset, as a rule in the head
      place = int(random.randint(0, min(64, len(data)) + 1))
      data = data[:place] + _EXTREMES[random.randint(len(_EXTREMES))] + data[place + 4 :]
  return _with_checksums(data) if random.rand() < 0.5 else data


def _with_checksums(data):
  """A PNG with the checksums that its chunks should have, so that the decoder gets further; others as they are."""
  if data[:8] != b'\x89PNG\r\n\x1a\n':
    return data
  place, parts = 8, [data[:8]]
  while place + 12 <= len(data):
    length = int.from_bytes(data[place : place + 4], 'big')
    end = place + 8 + length
    if end + 4 > len(data):
      break
    parts += [data[place:end], zlib.crc32(data[place + 4 : end]).to_bytes(4, 'big')]
    place = end + 4
  return b''.join(parts) + data[place:]


def good(*shape):
  """A picture without damage, of shape (h, w, 3), or a mask (h, w)."""
  file = io.BytesIO()
  Image.fromarray(np.full(shape, 7, np.uint8)).save(file, 'PNG')
  return file.getvalue()


def _write(path, data):
  os.makedirs(os.path.dirname(path), exist_ok=True)
  with open(path, 'wb') as file:
    file.write(data)


def _archive(path, files, random):
  with zipfile.ZipFile(path, 'w') as archive:
    for name, data in files.items():
      archive.writestr(name, data, int(random.choice([0, 8, 12, 14])))
  if random.rand() < 0.5:
    with open(path, 'rb') as file:
      data = file.read()
    _write(path, damage(data, random))


def _read(options):
  """Reads what a source has; what is broken may say so."""
  source = open_source(options)
  source.fingerprint()
  source.content_fingerprint()
  for index in range(min(_ITEMS, len(source))):
    item = source[index]
    assert item['image'].shape == source.image_shape and item['image'].dtype == np.uint8
  for index in range(source.num_full):
    for call in (source.load_full, source.full_size):
      try:
        call(index)
      except BrokenImage:
        pass
  return 'broken' if source.broken else 'image'


def readers(folder, data, size, random):
  """Yields (name, function) for every way to read a file; functions return 'image' or 'broken', or raise UserError.

  Args:
    folder: empty, for the files.
    data: bytes.
    size: (height, width) of the picture before it was damaged.
    random: RandomState.
  """
  shared = {**OPTIONS, 'channels': int(random.choice([1, 3])), 'fit': str(random.choice(['crop', 'pad', 'patches']))}
  files = {'a.png': data, 'b.png': good(8, 8, 3)}
  for name, content in files.items():
    _write(os.path.join(folder, 'images', name), content)
  yield 'folder', lambda: _read(DataOptions(source='folder', path=os.path.join(folder, 'images'), **shared))
  _archive(os.path.join(folder, 'a.zip'), files, random)
  yield 'zip', lambda: _read(DataOptions(source='zip', path=os.path.join(folder, 'a.zip'), **shared))
  shared['fit'] = 'crop'
  names = tuple(f'class {number}' for number in range(255))
  for damaged in ('images', 'masks'):
    pairs = {
      'images/a.png': good(*size, 3),
      'images/b.png': good(8, 8, 3),
      'masks/a.png': good(*size),
      'masks/b.png': good(8, 8),
      f'{damaged}/a.png': data,
    }
    for name, content in pairs.items():
      _write(os.path.join(folder, damaged, name), content)
    options = DataOptions(source='masks', path=os.path.join(folder, damaged), class_names=names, **shared)
    yield f'pairs with damaged {damaged}', lambda options=options: _read(options)
  options = DataOptions(**shared)
  yield 'own picture', lambda: read_picture(os.path.join(folder, 'images', 'a.png'), options) is None or 'image'


def fuzz(files, seed=0, first=0, seconds=20.0, say=print):
  """Reads damaged files by all readers.

  Args:
    files: how many.
    seed: of the damage.
    first: number of the first file.
    seconds: a file that takes longer ends the process with its stack; 0 is no limit.
    say: called with a sentence for each failure.

  Returns:
    (Counter of (reader, what came), number of failures, seconds of the slowest file).
  """
  came, failures, slowest = collections.Counter(), 0, 0.0
  for number in range(first, first + files):
    random = np.random.RandomState([seed, number])
    data, kind, size = draw(random)
    data = damage(data, random)
    start = time.perf_counter()
    if seconds:
      faulthandler.dump_traceback_later(seconds, exit=True)
    with tempfile.TemporaryDirectory() as folder:
      for name, read in readers(folder, data, size, random):
        try:
          what = read()
        except UserError as error:
          what = 'sentence'
          if '\n' in str(error):
            failures += 1
            say(f'file {number} ({kind}), {name}: the sentence has several lines: {error}')
        except Exception:  # this is what is looked for
          what = 'failure'
          failures += 1
          say(f'file {number} ({kind}), {name}:\n{traceback.format_exc()}')
        came[name, what] += 1
    faulthandler.cancel_dump_traceback_later()
    slowest = max(slowest, time.perf_counter() - start)
  return came, failures, slowest


def main(argv=None):
  """Prints what came; returns the exit status, which says whether there was a failure."""
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument('--files', type=int, default=10_000)
  parser.add_argument('--first', type=int, default=0)
  parser.add_argument('--seed', type=int, default=0)
  parser.add_argument('--seconds', type=float, default=20.0, help='that a file may take')
  parser.add_argument('--memory_mb', type=int, default=512, help='by which the process may grow')
  options = parser.parse_args(argv)
  logging.set_verbosity(logging.ERROR)  # thousands of broken files are what is expected
  warnings.simplefilter('ignore')
  fuzz(1, options.seed)  # what is imported late is there
  before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
  start = time.perf_counter()
  came, failures, slowest = fuzz(options.files, options.seed, options.first, options.seconds)
  grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
  for (name, what), count in sorted(came.items()):
    print(f'{name:28} {what:10} {count:8}')
  print(
    f'{options.files} files in {time.perf_counter() - start:.0f} s, slowest {slowest:.2f} s; memory grew by '
    f'{grown:.0f} MiB; failures: {failures}'
  )
  return int(bool(failures) or grown > options.memory_mb)


if __name__ == '__main__':
  sys.exit(main())
