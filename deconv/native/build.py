"""Builds the handlers of convolution.cc, once for an environment: `python -m deconv.native.build`.

  pip install ".[native]"     (or oneDNN 3 or newer of the distribution, with its headers)
  python -m deconv.native.build

It needs a C++ compiler (g++, or what CXX names) and takes some ten seconds. oneDNN is looked for in DECONV_ONEDNN where
that is set, in the Python environment, and in /usr/local and /usr.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig

import jax

from deconv import atomic_files
from deconv.errors import UserError
from deconv.native import library
from deconv.native.library import Library

# A folder with include/oneapi/dnnl and lib/libdnnl.so.
ONEDNN_VARIABLE = 'DECONV_ONEDNN'
OLDEST = (3, 0)
INSTALL = 'pip install ".[native]"'


@dataclasses.dataclass(frozen=True)
class OneDNN:
  """An installed oneDNN: the folder of its headers, its library and its version, such as (3, 2, 0)."""

  include: pathlib.Path
  library: pathlib.Path
  version: tuple[int, ...]


def find_onednn() -> OneDNN:
  """Returns the first oneDNN that can be used.

  Raises:
    UserError: there is none, or only some that are too old or made for another OpenMP.
  """
  given = os.environ.get(ONEDNN_VARIABLE)
  refused = []
  for prefix in [pathlib.Path(given)] if given else [pathlib.Path(p) for p in (sys.prefix, '/usr/local', '/usr')]:
    include = prefix / 'include'
    header = include / 'oneapi' / 'dnnl' / 'dnnl_version.h'
    folders = [prefix / 'lib', prefix / 'lib64', prefix / 'lib' / str(sysconfig.get_config_var('MULTIARCH'))]
    found = [path for folder in folders for path in sorted(folder.glob('libdnnl.so*'), key=lambda path: len(path.name))]
    if not header.exists() or not found:
      continue
    numbers = dict(re.findall(r'#define DNNL_VERSION_(MAJOR|MINOR|PATCH) +(\d+)', header.read_text()))
    version = tuple(int(numbers.get(name, 0)) for name in ('MAJOR', 'MINOR', 'PATCH'))
    if version < OLDEST:
      refused.append(f'{_dotted(version)} in {prefix} is too old')
    elif re.search(rb'\0lib(iomp5|omp|tbb)\.so', found[0].read_bytes()):
      refused.append(f'that in {prefix} is not made for the OpenMP of GCC')
    else:
      return OneDNN(include, found[0], version)
  where = f'{ONEDNN_VARIABLE}={given}' if given else 'this environment, /usr/local and /usr'
  why = f' ({"; ".join(refused)})' if refused else ''
  raise UserError(f'there is no oneDNN {_dotted(OLDEST)} or newer, with its headers, in {where}{why}: {INSTALL}')


def find_compiler() -> list[str]:
  """Returns the command of the C++ compiler: that of CXX, or g++.

  Raises:
    UserError: there is none.
  """
  command = shlex.split(os.environ.get('CXX', '')) or ['g++']
  if shutil.which(command[0]) is None:
    raise UserError(
      f"there is no C++ compiler '{command[0]}': install g++ (Debian: apt install g++), or name yours in CXX"
    )
  return command


def build() -> Library:
  """Compiles convolution.cc and returns the build; another one of the same name is replaced.

  Raises:
    UserError: this is not Linux, the compiler or oneDNN is missing, the compiler fails, or the cache folder cannot be
      written.
  """
  if not sys.platform.startswith('linux'):
    raise UserError(f'the native convolutions exist on Linux only, not on {sys.platform}: go on without them')
  compiler, onednn = find_compiler(), find_onednn()
  path, record = library.paths()
  part = f'{path}.{os.getpid()}.tmp'
  try:
    os.makedirs(os.path.dirname(path), exist_ok=True)
  except OSError as error:
    raise UserError(f"cannot write '{path}': {error.strerror}; set XDG_CACHE_HOME to a folder of yours") from error
  command = [
    *compiler,
    *('-std=c++17', '-O3', '-fPIC', '-shared', '-fopenmp', '-w'),
    f'-I{onednn.include}',
    f'-I{jax.ffi.include_dir()}',
    str(library.SOURCE),
    *('-o', part, str(onednn.library), f'-Wl,-rpath,{onednn.library.parent}'),
  ]
  try:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
      lines = [line for line in done.stderr.splitlines() if 'error' in line] or done.stderr.splitlines()
      raise UserError(f'{compiler[0]} cannot compile {library.SOURCE}: {lines[0] if lines else done.returncode}')
    os.replace(part, path)
  finally:
    if os.path.exists(part):
      os.unlink(part)
  atomic_files.write_json(record, {'onednn': _dotted(onednn.version), 'library': str(onednn.library)})
  return Library(path, _dotted(onednn.version), library.key())


def _dotted(version: tuple[int, ...]) -> str:
  return '.'.join(map(str, version))


def main() -> int:
  """Builds, and says where and of what."""
  try:
    done = build()
    library.use('on')
  except UserError as error:
    print(f'error: {error}', file=sys.stderr)
    return 2
  print(f'built {done.path} with oneDNN {done.onednn}; it is used from now on, but where DECONV_NATIVE=off')
  return 0


if __name__ == '__main__':
  sys.exit(main())
