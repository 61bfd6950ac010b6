"""Where the numbers of a run come from: versions, devices, commit, command."""

import datetime
import importlib.metadata
import os
import platform
import subprocess
import sys
import time

import jax

import deconv
from deconv import native
from deconv.ops import cpu_rule

_LIBRARIES = (
  'jax',
  'jaxlib',
  'flax',
  'optax',
  'orbax-checkpoint',
  'numpy',
  'grain',
  'tensorflow-datasets',
  'scikit-learn',
  'pillow',
)
_IMPORTED = time.time()


def describe():
  """Returns what run.json says about the machine and the code: a dict that JSON can hold."""
  commit, changed = git_commit()
  device = jax.devices()[0]
  return {
    'started': datetime.datetime.now(datetime.UTC).isoformat(timespec='seconds'),
    'command': sys.orig_argv,
    'git_commit': commit,
    'git_changed_files': changed,
    'versions': versions(),
    'devices': {
      'platform': device.platform,
      'kind': device.device_kind,
      'count': jax.device_count(),
      'processes': jax.process_count(),
    },
    'machine': {'system': platform.platform(), 'cores': os.cpu_count(), **processor()},
    'cpu_rule': rule(),
    'native': native_library(),
  }


def rule():
  """Returns the {'name', 'fingerprint'} of the rule by which a CPU's programs are chosen; None on other devices."""
  if jax.default_backend() != 'cpu':
    return None
  used = cpu_rule.in_use()
  return {'name': used.name, 'fingerprint': used.fingerprint()}


def native_library():
  """Returns {'onednn': version, 'build': digits} of the convolutions outside of XLA; None where they are not used."""
  used = native.in_use() if jax.default_backend() == 'cpu' else None
  return used and {'onednn': used.onednn, 'build': used.key}


def processor():
  """Returns the {'processor': model name, 'instructions': widest vector instructions} of this machine.

  The model name is the one that lscpu prints; the instructions are 'AVX-512', 'AVX2' or None. Two processors of one
  model name can differ in them, and every time on a CPU depends on them.
  """
  fields = cpu_rule.processor_fields()
  known = fields.get('flags', '').split()
  wide = [name for name, flag in (('AVX-512', 'avx512f'), ('AVX2', 'avx2')) if flag in known]
  return {
    'processor': fields.get('model name') or platform.processor() or platform.machine(),
    'instructions': wide[0] if wide else None,
  }


def git_commit():
  """Returns (commit, number of changed tracked files) of this package's repository; (None, None) without one."""
  folder = os.path.dirname(os.path.abspath(deconv.__file__))

  def git(*arguments):
    # Without its optional lock: a run that is killed at that moment would leave it in the repository for good.
    command = ['git', '--no-optional-locks', '-C', folder, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout

  try:
    git('ls-files', '--error-unmatch', '__init__.py')  # an installed copy may lie inside somebody else's repository
    return git('rev-parse', 'HEAD').strip(), len(git('status', '--porcelain', '--untracked-files=no').splitlines())
  except (OSError, subprocess.SubprocessError):
    return None, None


def process_seconds():
  """Returns the seconds since this process began; where the system does not tell, since this module was imported."""
  try:
    with open('/proc/self/stat') as file:
      started_ticks = int(file.read().rsplit(')', 1)[1].split()[19])
    with open('/proc/uptime') as file:
      uptime = float(file.read().split()[0])
    return uptime - started_ticks / os.sysconf('SC_CLK_TCK')
  except (OSError, ValueError, IndexError):
    return time.time() - _IMPORTED


def versions():
  """Returns {name: version} of deconv, Python and the libraries that there are."""
  found = {'deconv': deconv.__version__, 'python': platform.python_version()}
  for name in _LIBRARIES:
    try:
      found[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
      pass
  return found
