"""The one road by which a picture comes in: an ordinary file, of limited size, of a format on a list.

Files come from anywhere, and the worst of them must cost no more than its place in the list of broken files. So nobody
else in `deconv.data` calls `PIL.Image.open`, and whoever reads the file of a picture does it by `read_file`.
"""

import contextlib
import io
import os
import stat
import warnings

# Pillow tries all that it knows when it is not told otherwise, and has PostScript drawn by another program. GIF is here
# since collections from the net hold it under other endings. PPM is Pillow's name for PGM, PPM and PBM.
FORMATS = 'PNG', 'JPEG', 'WEBP', 'GIF', 'BMP', 'PPM'
OWN_FORMATS = *FORMATS, 'TIFF'  # of a picture that the user names

# Pillow's word on large pictures; ours is the limit that is asked for.
warnings.filterwarnings('ignore', r'Image size \(\d+ pixels\) exceeds limit')


class BrokenImage(Exception):
  """The bytes are not an image that can be decoded; the message is the decoder's."""


class NoOrdinaryFile(OSError):
  """What a path names is no file that could be read to its end, or one that is too large."""


def read_file(path, max_bytes):
  """Returns the bytes of an ordinary file, or of one that a link leads to.

  Args:
    path: str.
    max_bytes: the most that are read.

  Raises:
    NoOrdinaryFile: it is a folder, a FIFO, a device or a socket, or has more bytes.
    OSError: it cannot be read: it is gone, or a link leads to nowhere or in a circle.
  """
  with _ordinary(path) as file:
    size = os.fstat(file.fileno()).st_size
    check_size(size, max_bytes)
    data = file.read(size + 1)
    if len(data) > size:  # it grows, or is one of those in /proc that have no size
      data += file.read(max(0, max_bytes + 1 - len(data)))
  check_size(len(data), max_bytes)
  return data


def read_head(path, max_bytes):
  """Returns the first `max_bytes` bytes of an ordinary file; OSError as `read_file`, but for its size."""
  with _ordinary(path) as file:
    return file.read(max_bytes)


@contextlib.contextmanager
def _ordinary(path):
  """Opens an ordinary file."""
  _check_ordinary(os.stat(path))  # first: opening a device may do something
  # Should it become a FIFO in between, opening it does not wait for a writer.
  handle = os.open(path, os.O_RDONLY | getattr(os, 'O_NONBLOCK', 0) | getattr(os, 'O_BINARY', 0))
  with open(handle, 'rb') as file:
    _check_ordinary(os.fstat(handle))
    yield file


def _check_ordinary(status):
  if not stat.S_ISREG(status.st_mode):
    raise NoOrdinaryFile('it is not an ordinary file')


def check_size(size, max_bytes):
  """NoOrdinaryFile where a file of this many bytes is over the limit."""
  if size > max_bytes:
    raise NoOrdinaryFile(f'it has {size / 2**20:.1f} MiB, more than data.max_file_mb={max_bytes >> 20}')


@contextlib.contextmanager
def opened(data, max_pixels, formats=FORMATS):
  """Opens the bytes of a picture, for a `with` block that decodes it: whatever fails there is a BrokenImage.

  Args:
    data: bytes.
    max_pixels: a picture with more is broken, before memory is asked for.
    formats: names of Pillow's formats; others are broken.

  Yields:
    PIL.Image.Image, of which the head has been read.

  Raises:
    BrokenImage: the bytes are no picture of these formats, it is too large, or it cannot be decoded.
  """
  from PIL import Image, UnidentifiedImageError

  try:
    with Image.open(io.BytesIO(data), formats=formats) as image:
      width, height = image.size
      if width * height > max_pixels:
        raise BrokenImage(f'{width} x {height} pixels are more than data.max_pixels={max_pixels}')
      yield image
  except (BrokenImage, MemoryError):
    raise
  except UnidentifiedImageError as error:  # its own message holds an address, another one each time
    raise BrokenImage('not an image file' if data else 'empty file') from error
  except Image.DecompressionBombError as error:  # Pillow's own limit lies above the highest of ours
    raise BrokenImage(f'more pixels than data.max_pixels={max_pixels}') from error
  except Exception as error:  # on damaged bytes Pillow raises OSError, SyntaxError, struct.error, IndexError and others
    raise BrokenImage(f'{type(error).__name__}: {error}') from error
