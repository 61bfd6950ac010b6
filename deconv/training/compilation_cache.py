"""JAX's persistent compilation cache: the second run of a config starts without compiling."""

import os
import tempfile

from absl import logging
import jax


def enable(folder):
  """Makes JAX keep compiled programs.

  Args:
    folder: where; 'auto' = deconv/jax in the user's cache folder; '' = nowhere. A folder that cannot be written costs a
      warning, for the run is only slower to start without it.
  """
  if not folder:
    return
  if folder == 'auto':
    folder = os.path.join(os.environ.get('XDG_CACHE_HOME') or os.path.join('~', '.cache'), 'deconv', 'jax')
  folder = os.path.abspath(os.path.expanduser(folder))
  try:
    os.makedirs(folder, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
      pass
  except OSError as error:
    logging.warning("No compilation cache in '%s' (%s): this run compiles everything again.", folder, error.strerror)
    return
  jax.config.update('jax_compilation_cache_dir', folder)
  jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.0)
