"""Where what can be made again is kept between runs."""

import os


def cache_folder(*names: str) -> str:
  """Returns the path of something in our folder within the user's cache folder; nothing is made."""
  return os.path.expanduser(os.path.join(os.environ.get('XDG_CACHE_HOME') or '~/.cache', 'deconv', *names))
