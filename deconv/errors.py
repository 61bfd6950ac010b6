"""The one exception that a user's mistake raises, and the nearest name to a misspelt one."""

from collections.abc import Iterable
import difflib


class UserError(ValueError):
  """A mistake that the user can mend: the message is one sentence that says what is wrong and what to do.

  The entry points print it without a traceback and exit with status 2.
  """


def nearest(name: str, names: Iterable[str], cutoff: float = 0.6) -> str | None:
  """Returns the one of `names` that is most like `name`, or None where none is.

  Args:
    name: what the user wrote.
    names: iterable of str.
    cutoff: least similarity, from 0 (anything) to 1 (equal), see `difflib.get_close_matches`.
  """
  near = difflib.get_close_matches(name, list(names), 1, cutoff)
  return near[0] if near else None


def did_you_mean(name: str, names: Iterable[str], cutoff: float = 0.6) -> str:
  """Returns " (did you mean 'NEAREST'?)" for a sentence about a misspelt name, or '' where none is like it."""
  near = nearest(name, names, cutoff)
  return f" (did you mean '{near}'?)" if near else ''
