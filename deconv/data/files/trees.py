"""Trees of files under one interface: a folder, and a zip archive that is read where it lies, never unpacked.

Both can be read from many threads and be pickled into worker processes.
"""
import os
import threading
import zipfile

from deconv.errors import UserError

_SUFFIXES = ('.png', '.jpg', '.jpeg', '.webp')


def _is_image(name):
  parts = name.split('/')
  return (name.lower().endswith(_SUFFIXES) and '__MACOSX' not in parts
          and not any(part.startswith('.') for part in parts))


def _unreadable(error):
  raise UserError(f'the folder {error.filename} cannot be read ({error.strerror}): change its permissions or remove '
                  'it.') from error


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

  def read(self, name):
    """The bytes of a file; OSError when it cannot be read."""
    with open(os.path.join(self.path, name), 'rb') as file:
      return file.read()

  def signature(self, name):
    """What tells a changed file from this one without reading it."""
    return os.path.getsize(os.path.join(self.path, name))


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
      raise UserError(f"{path} is a folder, not a zip archive: use --config.data.source=folder.")
    if not os.path.exists(path):
      raise UserError(f'{path} does not exist: set --config.data.path to the zip archive of the images.')
    self._open()

  def _open(self):
    # A handle that was open across a fork would share its position with the parent's, so each process opens its own.
    with self._lock:
      if self._opened is None or self._opened[0] != os.getpid():
        try:
          # With a file of its own, zipfile locks every read and never closes it behind the back of another thread.
          archive = zipfile.ZipFile(open(self.path, 'rb'))
        except (zipfile.BadZipFile, OSError, ValueError) as error:
          raise UserError(f'{self.path} is not a complete zip archive ({error}): fetch it again, or set '
                          '--config.data.path to another.') from error
        members = {info.filename.replace('\\', '/'): info for info in archive.infolist() if not info.is_dir()}
        self._opened = os.getpid(), archive, members
      return self._opened[1:]

  def names(self):
    """Paths inside the archive, sorted."""
    return sorted(filter(_is_image, self._open()[1]))

  def read(self, name):
    """The bytes of a member; OSError, zipfile.BadZipFile, RuntimeError and others when it is damaged or encrypted."""
    archive, members = self._open()
    return archive.read(members[name])

  def signature(self, name):
    """What tells a changed file from this one without reading it."""
    info = self._open()[1][name]
    return info.file_size, info.CRC

  def __getstate__(self):
    return {'path': self.path}

  def __setstate__(self, state):
    self.path = state['path']
    self._lock = threading.Lock()
    self._opened = None
