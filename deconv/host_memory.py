"""Memory of the host process, for programs of JAX on a CPU; `deconv.ops.keep_freed_memory` is this one."""

import ctypes
import sys


def keep_freed_memory() -> bool:
  """Tells the C library to keep freed memory for the next allocation instead of returning it to the system.

  XLA's CPU programs allocate their intermediate arrays anew at every call. glibc maps blocks of more than 32 MB
  afresh each time and unmaps them afterwards, so that every page is faulted in and zeroed by the kernel again, which
  takes longer than to write it (docs/benchmarks.md#memory). The price is that the process keeps the memory of its
  largest step, and that all threads allocate from one pool. It acts on the calling process only and cannot be undone.
  Call it before JAX runs its first program.

  Returns:
    False where the C library is not glibc, and nothing was done.
  """
  if not sys.platform.startswith('linux'):
    return False
  mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
  if mallopt is None:
    return False
  trim_threshold, mmap_threshold, mmap_max, arena_max = -1, -3, -4, -8  # from malloc.h
  # One arena: the others are limited to heaps of 64 MB, and larger blocks would be mapped after all.
  settings = ((arena_max, 1), (mmap_threshold, 2**30), (trim_threshold, 2**31 - 1), (mmap_max, 0))
  taken = [mallopt(name, value) == 1 for name, value in settings]  # each is tried, also after one that fails
  return all(taken)
