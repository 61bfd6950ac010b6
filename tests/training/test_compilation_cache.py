"""Compiled programs are kept, or the run goes on without."""

import os
import re
import resource
import shutil
import signal
import warnings
import zlib

import jax
from jax.experimental.compilation_cache import compilation_cache as jax_cache
import jax.numpy as jnp
import pytest

from deconv.training import compilation_cache


@pytest.fixture
def updates(monkeypatch):
  seen = {}
  monkeypatch.setattr(warnings, 'showwarning', warnings.showwarning)
  monkeypatch.setattr(jax.config, 'update', seen.__setitem__)
  return seen


def test_auto_is_in_the_cache_folder_of_the_user(updates, monkeypatch, tmp_path):
  monkeypatch.setenv('HOME', str(tmp_path))
  monkeypatch.delenv('XDG_CACHE_HOME', raising=False)
  compilation_cache.enable('auto')
  assert updates['jax_compilation_cache_dir'] == str(tmp_path / '.cache/deconv/jax')
  assert updates['jax_persistent_cache_min_compile_time_secs'] == 0
  monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'x'))
  compilation_cache.enable('auto')
  assert updates['jax_compilation_cache_dir'] == str(tmp_path / 'x/deconv/jax')
  assert os.path.isdir(tmp_path / 'x/deconv/jax')


def test_off(updates):
  compilation_cache.enable('')
  assert not updates


@pytest.mark.parametrize('name', ['file', 'file/cache'])
def test_a_folder_that_cannot_be_written_is_only_a_warning(updates, tmp_path, caplog, name):
  (tmp_path / 'file').write_text('')
  compilation_cache.enable(str(tmp_path / name))
  assert not updates and 'No compilation cache' in caplog.text


@pytest.fixture
def cache(tmp_path):
  """A folder that JAX keeps its programs in during a test."""
  names = ('jax_compilation_cache_dir', 'jax_persistent_cache_min_compile_time_secs')
  before = {name: getattr(jax.config, name) for name in names}
  folder = tmp_path / 'cache[1]'
  jax_cache.reset_cache()
  compilation_cache.enable(str(folder))
  yield folder
  for name, value in before.items():
    jax.config.update(name, value)
  jax_cache.reset_cache()


def compute():
  """As in a process that has just been started: two programs of one name are compiled, or read."""
  jax.clear_caches()

  @jax.jit
  def program(x):
    return jnp.sin(x) + 1

  return [float(program(jnp.zeros(size))[0]) for size in (3, 4)]


def entries(folder):
  return {name: (folder / name).read_bytes() for name in sorted(os.listdir(folder)) if name.startswith('jit_program-')}


DAMAGES = {
  'empty': lambda content: b'',
  'truncated': lambda content: content[: len(content) // 2],
  'a flipped bit': lambda content: content[:100] + bytes([content[100] ^ 1]) + content[101:],
  'other bytes': lambda content: bytes(range(256)) * 10,
  'not a program': lambda content: zlib.compress(bytes(1000)),
  'another compressor': lambda content: b'\x28\xb5\x2f\xfd' + content[4:],
}


@pytest.mark.parametrize('damage', DAMAGES)
def test_damaged_entries_are_written_again_with_one_warning(cache, caplog, damage):
  assert compute() == [1, 1]
  whole = entries(cache)
  assert len(whole) == 2 and not caplog.records
  for name, content in whole.items():
    (cache / name).write_bytes(DAMAGES[damage](content))
  assert compute() == [1, 1]
  assert len(caplog.records) == 1 and re.search('has a damaged entry (.*): it is removed', caplog.text)
  assert entries(cache).keys() == whole.keys()
  assert not [name for name, content in entries(cache).items() if content == DAMAGES[damage](whole[name])]
  assert compute() == [1, 1]
  assert len(caplog.records) == 1


def test_only_the_damaged_entry_goes(cache):
  compute()
  damaged, intact = entries(cache)
  (cache / damaged).write_bytes(b'')
  before = os.stat(cache / intact)
  compute()
  assert os.stat(cache / intact).st_mtime_ns == before.st_mtime_ns and len(entries(cache)[damaged]) > 100


def test_an_entry_that_cannot_be_removed_is_one_warning(cache, caplog):
  compute()
  for name in entries(cache):
    os.remove(cache / name)
    os.mkdir(cache / name)
  assert compute() == [1, 1]
  assert len(caplog.records) == 1 and 'cannot be read' in caplog.text and 'empty the folder' in caplog.text


def test_no_room_is_one_warning_and_leaves_nothing_damaged(cache, caplog):
  size, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.getsignal(signal.SIGXFSZ)
  signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
  resource.setrlimit(resource.RLIMIT_FSIZE, (500, size[1]))
  try:
    assert compute() == [1, 1]
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, size)
    signal.signal(signal.SIGXFSZ, handler)
  assert len(caplog.records) == 1 and 'cannot be written' in caplog.text
  assert not entries(cache)
  assert compute() == [1, 1]
  assert len(entries(cache)) == 2 and len(caplog.records) == 1


def test_a_folder_that_vanishes_is_one_warning(cache, caplog):
  compute()
  shutil.rmtree(cache)
  assert compute() == [1, 1]
  assert len(caplog.records) == 1 and 'cannot be written' in caplog.text


def test_other_warnings_are_shown_as_ever(updates, tmp_path, monkeypatch):
  seen = []
  monkeypatch.setattr(warnings, 'showwarning', lambda message, *rest: seen.append(str(message)))
  for name in ('a', 'b'):
    compilation_cache.enable(str(tmp_path / name))
  warnings.warn('something else', stacklevel=1)
  assert seen == ['something else']
