"""The tests of the loop compile the same few programs over and over: they keep them."""

import jax
import pytest


@pytest.fixture(scope='session', autouse=True)
def kept_programs(tmp_path_factory):
  names = ('jax_compilation_cache_dir', 'jax_persistent_cache_min_compile_time_secs')
  before = {name: getattr(jax.config, name) for name in names}
  for name, value in zip(names, (str(tmp_path_factory.mktemp('programs')), 0.0)):
    jax.config.update(name, value)
  yield
  for name, value in before.items():
    jax.config.update(name, value)
