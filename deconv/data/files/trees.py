"""Trees of files under one interface: a folder, and a zip archive that is read where it lies, never unpacked.

Both can be read from many threads and be pickled into worker processes.
"""

import hashlib
import os
import threading
import zipfile

from deconv.data.files import opening
from deconv.errors import UserError

_SUFFIXES = ('.png', '.jpg', '.jpeg', '.webp', '.bmp', '.pgm', '.ppm')
KINDS = 'PNG, JPEG, WebP, BMP, PGM or PPM'  # the same for sentences
# Bytes asked of an archive at once. Of bzip2 and LZMA they are compressed ones, which may become thousands of times as
# many before the archive's own word on their number is looked at.
_PIECE, _SMALL_PIECE = 2**20, 2**12
# Of a folder, what the digest of its contents is of: a second at the start of a run, and not a pass over all data.
_WHOLE_FILES, _CONTENT_BYTES = 4096, 64 * 2**20
_SAMPLED_FILES = 256
_HEAD_BYTES = _CONTENT_BYTES // _SAMPLED_FILES


def _is_image(name):
  parts = name.split('/')
  return (
    name.lower().endswith(_SUFFIXES) and '__MACOSX' not in parts and not any(part.startswith('.') for part in parts)
  )


def _unreadable(error):
  raise UserError(
    f'the folder {error.filename} cannot be read ({error.strerror}): change its permissions or remove it.'
  ) from error


class Folder:
  """The image files below a folder, links followed; hidden ones and `__MACOSX` left out.

  Args:
    path: the folder.

  Raises:
    UserError: there is no such folder, or it cannot be read.
  """

  def __init__(self, path):
    if not os.path.isdir(path):
      what = 'is not a folder' if os.path.exists(path) else 'does not exist'
      raise UserError(f'{path} {what}: set --config.data.path to the folder of the images.')
    self.path = path

  def names(self):
    """Paths below the folder, with '/', sorted."""
    names, seen = [], set()
    for folder, subfolders, files in os.walk(self.path, followlinks=True, onerror=_unreadable):
      real = os.path.realpath(folder)
      if real in seen:  # a link to a folder above
        subfolders.clear()
        continue
      seen.add(real)
      below = os.path.relpath(folder, self.path).replace(os.sep, '/')
      names += [file if below == '.' else f'{below}/{file}' for file in files]
    return sorted(name for name in names if _is_image(name))

  def read(self, name, max_bytes):
    """The bytes of a file; OSError when it cannot be read, is no ordinary file or has more than `max_bytes`."""
    return opening.read_file(os.path.join(self.path, name), max_bytes)

  def signature(self, name):
    """What tells a changed file from this one without reading it; None of one that is not there."""
    try:
      return os.path.getsize(os.path.join(self.path, name))
    except OSError:  # it has vanished, or a link leads to nowhere or in a circle
      return None

  def content(self, names):
    """What tells files of the same sizes from these: a digest of all that they hold where that is little
    (_WHOLE_FILES, _CONTENT_BYTES), else of the heads of some, evenly spread over the names."""
    whole = len(names) <= _WHOLE_FILES and sum(self.signature(name) or 0 for name in names) <= _CONTENT_BYTES
    if not whole:
      names = [names[i * len(names) // _SAMPLED_FILES] for i in range(_SAMPLED_FILES)]
    digest = hashlib.sha256()
    for name in names:
      try:
        head = opening.read_head(os.path.join(self.path, name), _CONTENT_BYTES if whole else _HEAD_BYTES)
      except OSError:  # a broken file like any other
        head = b''
      digest.update(hashlib.sha256(head).digest())
    return digest.digest()


class Zip:
  """The image files inside a zip archive; hidden ones and `__MACOSX` left out.

  Args:
    path: the archive.

  Raises:
    UserError: there is no such file, or it is not a complete zip archive.
  """

  def __init__(self, path):
    self.path = path
    self._lock = threading.Lock()
    self._opened = None  # (process id, archive, {name: member})
    if os.path.isdir(path):
      raise UserError(f'{path} is a folder, not a zip archive: use --config.data.source=folder.')
    if not os.path.exists(path):
      raise UserError(f'{path} does not exist: set --config.data.path to the zip archive of the images.')
    if not os.path.isfile(path):  # opening a FIFO would wait for ever
      raise UserError(f'{path} is not an ordinary file: set --config.data.path to the zip archive of the images.')
    self._open()

  def _open(self):
    # A handle that was open across a fork would share its position with the parent's, so each process opens its own.
    with self._lock:
      if self._opened is None or self._opened[0] != os.getpid():
        try:
          # With a file of its own, zipfile locks every read and never closes it behind the back of another thread.
          archive = zipfile.ZipFile(open(self.path, 'rb'))
        except MemoryError:
          raise
        except Exception as error:  # BadZipFile, OSError, ValueError, NotImplementedError, struct.error and others
          raise UserError(
            f'{self.path} is not a complete zip archive ({error}): fetch it again, or set '
            '--config.data.path to another.'
          ) from error
        members = {info.filename.replace('\\', '/'): info for info in archive.infolist() if not info.is_dir()}
        self._opened = os.getpid(), archive, members
      return self._opened[1:]

  def names(self):
    """Paths inside the archive, sorted."""
    return sorted(filter(_is_image, self._open()[1]))

  def read(self, name, max_bytes):
    """The bytes of a member.

    Raises:
      OSError, zipfile.BadZipFile, RuntimeError and others: it is damaged or encrypted, or has more than `max_bytes`,
        by what the archive says.
    """
    archive, members = self._open()
    member = members[name]
    opening.check_size(member.file_size, max_bytes)
    small = member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    with archive.open(member) as file:  # which gives no more bytes than the archive says
      return b''.join(iter(lambda: file.read(_SMALL_PIECE if small else _PIECE), b''))

  def signature(self, name):
    """What tells a changed file from this one without reading it."""
    info = self._open()[1][name]
    return info.file_size, info.CRC

  def content(self, names):
    """Nothing: the signatures are of the contents already."""
    del names
    return b''

  def __getstate__(self):
    return {'path': self.path}

  def __setstate__(self, state):
    self.path = state['path']
    self._lock = threading.Lock()
    self._opened = None
