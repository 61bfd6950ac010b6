"""Freed memory is kept: the second large array does not fault its pages in again."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
import numpy as np
from deconv import host_memory
if sys.argv[1] == 'keep' and not host_memory.keep_freed_memory():
  print('none')
  sys.exit()
np.ones(2**23), np.ones(2**23)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
np.ones(2**23)  # 64 MB, 16384 pages of 4 kB
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(mode):
  return subprocess.run(
    [sys.executable, '-c', PROGRAM, mode], capture_output=True, text=True, check=True
  ).stdout.strip()


def test_large_arrays_are_not_faulted_in_again():
  kept = faults('keep')
  if kept == 'none':
    pytest.skip('the C library is not glibc: nothing to set')
  assert int(kept) < 100
  assert int(faults('plain')) >= 10 * max(int(kept), 1)  # fewer than 16384 where the system has huge pages
