"""A short version of the fuzz of all readers, and that it sees what it looks for."""

import resource
import warnings

from absl import logging
import numpy as np
import pytest

from scripts import fuzz_files


@pytest.fixture(autouse=True)
def quiet():
  logging.set_verbosity(logging.ERROR)
  with warnings.catch_warnings():
    warnings.simplefilter('ignore')  # Pillow's, on damaged heads
    yield


def test_damaged_files_crash_nothing():
  fuzz_files.fuzz(1)
  before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
  said = []
  came, failures, slowest = fuzz_files.fuzz(150, first=1, seconds=0, say=said.append)
  assert not failures, said
  assert slowest < 60 and resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 512 * 1024
  for reader in ('folder', 'zip', 'pairs with damaged images', 'pairs with damaged masks'):
    assert came[reader, 'image'] > 5 and came[reader, 'broken'] > 20
  assert came['own picture', 'image'] > 10 and came['own picture', 'sentence'] > 50


def test_all_formats_are_drawn_and_damaged():
  random = np.random.RandomState(0)
  drawn = [fuzz_files.draw(random) for _ in range(60)]
  assert {kind for _, kind, _ in drawn} == {'PNG', 'JPEG', 'WEBP', 'GIF', 'BMP', 'PPM', 'TIFF'}
  assert sum(fuzz_files.damage(data, random) != data for data, _, _ in drawn) > 50
  png = next(data for data, kind, _ in drawn if kind == 'PNG')
  assert fuzz_files._with_checksums(png[:29] + bytes(4) + png[33:]) == png  # the checksum of its head


def test_a_crash_is_a_failure(monkeypatch):
  def crash(path, options):
    raise RuntimeError('dictionary changed size during iteration')

  monkeypatch.setattr(fuzz_files, 'read_picture', crash)
  said = []
  _, failures, _ = fuzz_files.fuzz(2, seconds=0, say=said.append)
  assert failures == len(said) == 2 and 'own picture' in said[0] and 'dictionary changed size' in said[0]
