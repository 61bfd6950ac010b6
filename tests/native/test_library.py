"""Whether the built library is used, and that what it computes does not depend on threads, processes or caches."""

import json
import os
import subprocess
import sys

import jax
import numpy as np
import pytest

from deconv import native
from deconv.errors import UserError
from deconv.native import library
from deconv.ops import conv_transpose
from tests.native import building


@pytest.fixture(autouse=True)
def off_again():
  yield
  native.use('off')


@pytest.fixture
def built(monkeypatch):
  """A cache folder with a build in it."""
  try:
    home = building.cache_home()
  except UserError as error:
    pytest.skip(f'cannot be built here: {error}')
  monkeypatch.setenv('XDG_CACHE_HOME', home)
  return home


def test_without_a_build(monkeypatch, tmp_path):
  monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
  monkeypatch.setattr(jax, 'device_count', lambda platform: 1)
  assert native.use('auto') is None and native.in_use() is None
  with pytest.raises(UserError, match=r'not built.*python -m deconv\.native\.build'):
    native.use('on')


def test_choices(monkeypatch, built):
  with pytest.raises(UserError, match="native='onn' does not exist.*did you mean 'on'"):
    native.use('onn')
  assert native.use('auto') is None  # four devices
  assert native.use('on').onednn
  assert native.use('off') is None
  monkeypatch.setenv('DECONV_NATIVE', 'on')
  assert native.use('off') is None and native.use() is not None  # the argument comes first
  monkeypatch.delenv('DECONV_NATIVE')
  assert native.use() is None
  monkeypatch.setattr(jax, 'device_count', lambda platform: 1)
  assert native.use() is not None


def test_a_damaged_build(monkeypatch, tmp_path):
  monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
  monkeypatch.setattr(jax, 'device_count', lambda platform: 1)
  path, record = library.paths()
  os.makedirs(os.path.dirname(path))
  with open(path, 'wb') as file:
    file.write(b'no library')
  assert native.use('auto') is None  # no record: it did not come to its end
  with open(record, 'w') as file:
    json.dump({'onednn': '3.2.0'}, file)
  assert native.use('auto') is None
  with pytest.raises(UserError, match='cannot be loaded'):
    native.use('on')


def test_a_choice_forgets_the_programs_of_another(built):
  x, kernel = np.ones((16, 4, 4, 8), np.float32), np.ones((4, 4, 8, 16), np.float32)
  program = jax.jit(lambda x, k: conv_transpose(x, k, strides=2, padding=1))
  text = lambda: program.lower(x, kernel).as_text()
  native.use('on')
  assert 'deconv_expand' in text()
  native.use('off')
  assert 'deconv_expand' not in text()


PROGRAM = """
import functools, hashlib, sys
import jax, numpy as np
from deconv import native, ops
from deconv.training import compilation_cache
compilation_cache.enable(sys.argv[1])
misses = []
jax.monitoring.register_event_listener(lambda event, **_: misses.append(event))
def normal(*shape):
  return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)
digest = hashlib.sha256()
for batch, side, window, stride, c, d in ((8, 16, 3, 1, 32, 32), (7, 9, 4, 2, 64, 48), (33, 8, 5, 2, 16, 24)):
  f = functools.partial(ops.conv_transpose, strides=stride, padding=1)
  def run(x, k):
    y, vjp = jax.vjp(f, x, k)
    return y, *vjp(y)
  for array in jax.jit(run)(normal(batch, side, side, c), normal(window, window, c, d)):
    digest.update(np.asarray(array).tobytes())
hits = sum(event == '/jax/compilation_cache/cache_hits' for event in misses)
print(native.in_use() is not None, digest.hexdigest(), hits > 0)
"""


def in_a_process(cache, **environment):
  """Runs PROGRAM; returns (whether the library was used, digest of the results, whether a program was cached)."""
  alone = {'XLA_FLAGS': '', 'NPROC': '2', 'DECONV_NATIVE': 'auto', **environment}
  done = subprocess.run(
    [sys.executable, '-c', PROGRAM, str(cache)],
    env={**os.environ, **alone},
    capture_output=True,
    text=True,
    timeout=300,
    check=False,
  )
  assert done.returncode == 0, done.stderr
  used, digest, hit = done.stdout.split()
  return used == 'True', digest, hit == 'True'


def test_the_same_bits_whatever_the_threads(built, tmp_path):
  """Also where OpenMP is told otherwise."""
  found = [
    in_a_process(tmp_path, NPROC=threads, **openmp)
    for threads, openmp in (
      ('2', {}),
      ('1', {}),
      ('3', {'OMP_NUM_THREADS': '4', 'OMP_DYNAMIC': 'true'}),
      ('2', {'OMP_NUM_THREADS': '1'}),
    )
  ]
  assert all(used for used, _, _ in found)
  assert len({digest for _, digest, _ in found}) == 1
  assert found[1][2]  # from the second process on, the programs come from the cache


def test_a_cached_program_is_not_served_without_the_library(built, tmp_path):
  used, digest, _ = in_a_process(tmp_path)
  unused, other, _ = in_a_process(tmp_path, DECONV_NATIVE='off')
  assert used and not unused and digest != other
  assert in_a_process(tmp_path) == (True, digest, True)
