"""Files that are written whole or not at all."""

import json
import os
import re

from deconv.errors import UserError


def write(path, content, durable=False):
  """Writes a temporary file beside `path` and renames it: a reader never sees half a file.

  Args:
    path: where to; its folder is made if need be.
    content: bytes, or a function that is called with the open binary file.
    durable: on the disk, not only handed to the system, before it takes its name.

  Raises:
    UserError: the file cannot be written.
  """
  path = os.path.abspath(os.fspath(path))
  temporary = f'{path}.{os.getpid()}.tmp'
  try:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(temporary, 'wb') as file:
      content(file) if callable(content) else file.write(content)
      if durable:
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
  except OSError as error:
    if os.path.exists(temporary):
      os.unlink(temporary)
    raise UserError(f"cannot write '{path}': {error.strerror}; choose a place that you can write to") from error


def write_json(path, content, durable=False):
  """Writes what JSON can hold, indented; see `write`."""
  write(path, (json.dumps(content, indent=2) + '\n').encode(), durable)


def remove_left_over(folder):
  """Removes the temporary files that killed processes have left in a folder; nobody else may be writing there.

  Args:
    folder: path; what is below it stays, and it need not be there.
  """
  for name in os.listdir(folder) if os.path.isdir(folder) else ():
    if re.fullmatch(r'.+\.\d+\.tmp', name):
      os.unlink(os.path.join(folder, name))
