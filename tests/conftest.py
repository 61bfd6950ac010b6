"""Four fake CPU devices for every test, set before JAX starts; what one test sets, the next does not inherit.

Most of the time goes into compiling programs that run once, on small arrays; without the compiler's optimisations that
takes half as long. A flag that stands in XLA_FLAGS already stays as it is: .ci/run repeats the tests of values and
devices with the optimisations.
"""

import os
import signal

from absl import logging
import pytest

# XLA's CPU collectives deadlock when more steps are in flight than its pool has threads; it sizes the pool by NPROC.
os.environ.setdefault('NPROC', '32')
os.environ['JAX_PLATFORMS'] = 'cpu'
# Those tests that want oneDNN's convolutions turn them on.
os.environ['DECONV_NATIVE'] = 'off'
for flag, value in (('--xla_force_host_platform_device_count', 4), ('--xla_backend_optimization_level', 0)):
  if flag not in os.environ.get('XLA_FLAGS', ''):
    os.environ['XLA_FLAGS'] = f'{os.environ.get("XLA_FLAGS", "")} {flag}={value}'.strip()


# What a shell starts in the background ignores these, and what a test starts would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def same_verbosity():
  """Entry points that run within a test make the log quieter, and the next test may look for a warning in it."""
  verbosity = logging.get_verbosity()
  yield
  logging.set_verbosity(verbosity)
