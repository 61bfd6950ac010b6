"""oneDNN's convolutions for tests: built once for each session, outside of the user's cache folder."""

import functools
import tempfile

import pytest

from deconv import native
from deconv.errors import UserError
from deconv.native import build, library


@functools.cache
def cache_home():
  """Returns a folder for XDG_CACHE_HOME with a build in it; skips the test where none can be made."""
  folder = tempfile.TemporaryDirectory()
  _folders.append(folder)  # until the end of the process
  with pytest.MonkeyPatch.context() as patch:
    patch.setenv('XDG_CACHE_HOME', folder.name)
    build.build()
  return folder.name


_folders = []


def use():
  """Builds and turns the library on in this process: a generator for a fixture, which turns it off again."""
  with pytest.MonkeyPatch.context() as patch:
    try:
      patch.setenv('XDG_CACHE_HOME', cache_home())
    except UserError as error:
      pytest.skip(f'cannot be built here: {error}')
    yield library.use('on')
    native.use('off')
