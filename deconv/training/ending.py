"""Ends the process while its main thread is where no exception reaches it."""

import os
import sys
import threading

# Seconds that the last words have, where nobody may read them.
_LAST_WORDS = 2.0


def end_now(status, sentence):
  """Says why and ends the process at once, from any thread: nothing is saved, no handler runs.

  Args:
    status: exit status.
    sentence: goes to stderr.
  """
  limit = threading.Timer(_LAST_WORDS, os._exit, (status,))
  limit.daemon = True
  limit.start()
  if os.isatty(1):
    os.write(1, b'\x1b[?25h\n')  # the progress bar hides the cursor
  print(sentence, file=sys.stderr, flush=True)
  os._exit(status)
