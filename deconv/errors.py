"""The one exception that a user's mistake raises."""


class UserError(ValueError):
  """A mistake that the user can mend: the message is one sentence that says what is wrong and what to do.

  The entry points print it without a traceback and exit with status 2.
  """
