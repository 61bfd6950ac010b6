"""Compiled programs are kept, or the run goes on without."""

import os

import jax
import pytest

from deconv.training import compilation_cache


@pytest.fixture
def updates(monkeypatch):
  seen = {}
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


def test_a_folder_that_cannot_be_written_is_only_a_warning(updates, tmp_path, caplog):
  (tmp_path / 'file').write_text('')
  compilation_cache.enable(str(tmp_path / 'file/cache'))
  assert not updates and 'No compilation cache' in caplog.text
