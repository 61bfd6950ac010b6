"""The built library: where it lies, whether it is used, and its handlers for XLA.

A build is good for one source, one release of JAX and one kind of machine; `key` names it. It lies in the user's cache
folder, beside a build.json that says of which oneDNN it was made.
"""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import ctypes
import dataclasses
import hashlib
import json
import os
import pathlib
import platform
import threading

import jax

from deconv.cache_folder import cache_folder
from deconv.errors import UserError, did_you_mean

# Which of CHOICES; see `use`.
ENVIRONMENT_VARIABLE = 'DECONV_NATIVE'
CHOICES = ('auto', 'on', 'off')
BUILD = 'python -m deconv.native.build'

SOURCE = pathlib.Path(__file__).with_name('convolution.cc')
MAPS = ('expand', 'reduce', 'correlate')

_LIBRARY, _RECORD = 'libdeconv_native.so', 'build.json'


@dataclasses.dataclass(frozen=True)
class Library:
  """A build.

  Attributes:
    path: of the shared library.
    onednn: its version, such as '3.2.0'.
    key: 12 hexadecimal digits, of the source, the release of JAX and the kind of machine.
  """

  path: str
  onednn: str
  key: str


def key() -> str:
  """Returns the name of the build that this process would use."""
  parts = (SOURCE.read_text(encoding='utf-8'), jax.__version__, platform.system(), platform.machine())
  return hashlib.sha256('\n'.join(parts).encode()).hexdigest()[:12]


def paths() -> tuple[str, str]:
  """Returns where that build's library and the record of it lie, or would lie."""
  return cache_folder('native', key(), _LIBRARY), cache_folder('native', key(), _RECORD)


def built() -> Library | None:
  """Returns the build that this process would use; None where there is none."""
  path, record = paths()
  try:
    with open(record, encoding='utf-8') as file:
      content = json.load(file)
    return Library(path, str(content['onednn']), key()) if os.path.exists(path) else None
  except (OSError, ValueError, KeyError, TypeError):  # none, or one that did not come to its end
    return None


# Holds the library of this process, or None, once it has been asked for.
_decided: list[Library | None] = []
_left_out = threading.local()
# Builds whose handlers XLA has.
_registered: set[str] = set()


def in_use() -> Library | None:
  """Returns the library of this process: what `use` chose, else what `use()` chooses.

  Raises:
    UserError: see `use`.
  """
  library = _decided[0] if _decided else use()
  return None if getattr(_left_out, 'now', False) else library


@contextlib.contextmanager
def left_out(really: bool = True) -> Iterator[None]:
  """Programs that this thread lowers within do without, where `really`."""
  before = getattr(_left_out, 'now', False)
  _left_out.now = before or really
  try:
    yield
  finally:
    _left_out.now = before


def use(choice: str = '') -> Library | None:
  """Chooses whether this process uses the built library, and returns it, or None. Call it before the first program.

  Programs that were compiled by another choice are forgotten, since one program should not hold both.

  Args:
    choice: auto | on | off; '' = what DECONV_NATIVE says, and without that variable auto.
      auto: where it was built, and JAX has one CPU device only. XLA does not divide a foreign call, so that each of
        several devices would compute the whole batch.
      on: also with several devices: under pmap or shard_map, which divide the batch themselves.

  Raises:
    UserError: there is no such choice; 'on', and it was not built or cannot be loaded.
  """
  choice = choice or os.environ.get(ENVIRONMENT_VARIABLE, '') or 'auto'
  if choice not in CHOICES:
    raise UserError(f"native='{choice}' does not exist{did_you_mean(choice, CHOICES)}; choose auto, on or off")
  library = None
  if choice == 'on' or (choice == 'auto' and jax.device_count('cpu') == 1):
    library = built()
    if library is None and choice == 'on':
      raise UserError(f"native='on' needs oneDNN's convolutions, which were not built for this JAX: run {BUILD}")
    try:
      if library is not None:
        _register(library)
    except OSError as error:
      if choice == 'on':
        raise UserError(f"'{library and library.path}' cannot be loaded ({error}): run {BUILD} again") from error
      library = None
  if _decided and _decided[0] != library:
    jax.clear_caches()
  _decided[:] = [library]
  return library


def targets(library: Library) -> dict[str, str]:
  """Returns {map: name of its handler}; the name holds the build, so that no cached program calls another one."""
  return {name: f'deconv_{name}_{library.key}_onednn_{library.onednn}' for name in MAPS}


def _register(library: Library) -> None:
  if library.path in _registered:
    return
  handlers = ctypes.CDLL(library.path)
  for name, target in targets(library).items():
    capsule = jax.ffi.pycapsule(getattr(handlers, f'deconv_{name}'))
    jax.ffi.register_ffi_target(target, capsule, platform='cpu')
  _registered.add(library.path)
