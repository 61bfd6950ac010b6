"""JAX's persistent compilation cache: the second run of a config starts without compiling."""

import glob
import os
import re
import tempfile
import warnings
import zlib

from absl import logging
import jax

from deconv.cache_folder import cache_folder

# What JAX says when it cannot use an entry, again at every start: it never replaces one.
_WARNING = r"Error (reading|writing) persistent compilation cache entry for '(.*?)': (.*)"
# How an entry begins that zlib has not written: JAX prefers zstandard where that is installed.
_ZSTANDARD = b'\x28\xb5\x2f\xfd'


def enable(folder):
  """Makes JAX keep compiled programs. A damaged entry is removed and written again, with one warning.

  Args:
    folder: where; 'auto' = deconv/jax in the user's cache folder; '' = nowhere. A folder that cannot be written costs a
      warning, for the run is only slower to start without it.
  """
  if not folder:
    return
  if folder == 'auto':
    folder = cache_folder('jax')
  folder = os.path.abspath(os.path.expanduser(folder))
  try:
    os.makedirs(folder, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
      pass
  except OSError as error:
    logging.warning("No compilation cache in '%s' (%s): this run compiles everything again.", folder, error.strerror)
    return
  jax.config.update('jax_compilation_cache_dir', folder)
  jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.0)
  earlier = warnings.showwarning
  warnings.showwarning = _Mending(folder, earlier.otherwise if isinstance(earlier, _Mending) else earlier)
  # Always: two entries may cause the same words, and Python shows those once.
  warnings.filterwarnings('always', message=_WARNING)


class _Mending:
  """A `warnings.showwarning` that mends the cache where JAX warns of it, and says so once.

  JAX warns after it has failed to read an entry, and before it compiles the program and writes an entry where there is
  none. So this is the moment to remove the damaged one.
  """

  def __init__(self, folder, otherwise):
    self.folder, self.otherwise = folder, otherwise
    self._said = set()

  def __call__(self, message, category, filename, lineno, file=None, line=None):
    found = re.match(_WARNING, str(message), re.DOTALL)
    if not found:
      self.otherwise(message, category, filename, lineno, file, line)
      return
    action, program, reason = found.groups()
    reason = reason.splitlines()[0].removeprefix('error: ')
    removed = self._remove_damaged(program, action == 'reading')
    if action == 'writing':
      self._say("The compilation cache in '%s' cannot be written (%s): the next run compiles again.", reason)
    elif removed:
      self._say("The compilation cache in '%s' has a damaged entry (%s): it is removed and written again.", reason)
    else:
      self._say("The compilation cache in '%s' cannot be read (%s): empty the folder.", reason)

  def _remove_damaged(self, program, one_is):
    """Removes a program's entries that are damaged, and returns whether there were any.

    Args:
      program: name, with which the names of its entries begin: it has one for each of its shapes, versions and devices.
      one_is: whether one of them is damaged for certain. Where it cannot be told which, all of them go.
    """
    entries = glob.glob(os.path.join(glob.escape(self.folder), f'{glob.escape(program)}-*-cache'))
    damaged = [entry for entry in entries if not _is_whole(entry)]
    removed = False
    for entry in damaged or (entries if one_is else ()):
      try:
        os.remove(entry)
        removed = True
      except OSError:
        pass
    return removed

  def _say(self, sentence, reason):
    if sentence not in self._said:
      self._said.add(sentence)
      logging.warning(sentence, self.folder, reason)


def _is_whole(entry):
  """Whether a file can be read and decompressed to its end, as far as zlib's checksum tells."""
  try:
    with open(entry, 'rb') as file:
      content = file.read()
    return content.startswith(_ZSTANDARD) or bool(zlib.decompress(content))
  except (OSError, zlib.error):
    return False
