"""What the build needs, and what is said where it is not there."""

import sys

import pytest

from deconv.errors import UserError
from deconv.native import build, library
from tests.native import building


def install(prefix, major=3, content=b''):
  """Lays out what looks like an installed oneDNN."""
  (prefix / 'include/oneapi/dnnl').mkdir(parents=True)
  names = ('MAJOR', 'MINOR', 'PATCH')
  lines = [f'#define DNNL_VERSION_{name} {number}' for name, number in zip(names, (major, 5, 1))]
  (prefix / 'include/oneapi/dnnl/dnnl_version.h').write_text('\n'.join(lines))
  (prefix / 'lib').mkdir()
  (prefix / 'lib/libdnnl.so.3').write_bytes(content)
  return prefix


def test_onednn_is_found(monkeypatch, tmp_path):
  monkeypatch.setenv('DECONV_ONEDNN', str(install(tmp_path / 'a')))
  found = build.find_onednn()
  assert found.version == (3, 5, 1) and found.library == tmp_path / 'a/lib/libdnnl.so.3'
  monkeypatch.delenv('DECONV_ONEDNN')
  monkeypatch.setattr(sys, 'prefix', str(install(tmp_path / 'b')))
  assert build.find_onednn().include == tmp_path / 'b/include'


@pytest.mark.parametrize(
  'layout, why',
  [
    (None, r'there is no oneDNN 3\.0 or newer.*: pip install'),
    ({'major': 2}, r'2\.5\.1 in .* is too old'),
    ({'content': b'\0libiomp5.so\0'}, 'not made for the OpenMP of GCC'),
  ],
)
def test_onednn_is_missing(monkeypatch, tmp_path, layout, why):
  if layout is not None:
    install(tmp_path / 'onednn', **layout)
  monkeypatch.setenv('DECONV_ONEDNN', str(tmp_path / 'onednn'))
  with pytest.raises(UserError, match=why):
    build.find_onednn()


def test_the_compiler_is_missing(monkeypatch, capsys):
  monkeypatch.setenv('CXX', 'no-such-compiler -m64')
  assert build.main() == 2
  assert capsys.readouterr().err.startswith("error: there is no C++ compiler 'no-such-compiler': install g++")


def test_not_on_other_systems(monkeypatch):
  monkeypatch.setattr(sys, 'platform', 'darwin')
  with pytest.raises(UserError, match='on Linux only'):
    build.build()


def test_what_the_compiler_says(monkeypatch, tmp_path):
  """Headers that are none: the first error is named, and nothing is left."""
  monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
  monkeypatch.setenv('DECONV_ONEDNN', str(install(tmp_path / 'onednn')))
  try:
    build.find_compiler()
  except UserError as error:
    pytest.skip(str(error))
  with pytest.raises(UserError, match=r'cannot compile .*convolution\.cc: .*error'):
    build.build()
  assert library.built() is None and not list((tmp_path / 'cache').rglob('*.tmp'))


def test_a_build(monkeypatch):
  try:
    monkeypatch.setenv('XDG_CACHE_HOME', building.cache_home())
  except UserError as error:
    pytest.skip(f'cannot be built here: {error}')
  built = library.built()
  assert built.onednn.startswith('3.') and built.key == library.key()
