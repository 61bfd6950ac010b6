"""The config of a run, read back from its folder."""

import json
import os

from deconv.errors import UserError
from deconv.options import Experiment


def load_config(workdir):
  """Returns the deconv.options.Experiment of a run from its `config.json`; one of an older version is read too.

  The folder is only looked at.

  Raises:
    UserError: there is no such file, it cannot be read, or it does not fit this version.
  """
  path = os.path.join(workdir, 'config.json')
  try:
    with open(path, encoding='utf-8') as file:
      fields = json.load(file)
  except FileNotFoundError:
    raise UserError(f"there is no run in '{workdir}': config.json is missing; give the --workdir of a run") from None
  except (OSError, ValueError) as error:
    raise UserError(
      f"'{path}' cannot be read ({error}); copy it from a backup or start the run in a new folder"
    ) from error
  try:
    return Experiment.from_config(fields)
  except (UserError, TypeError, ValueError, AttributeError) as error:
    raise UserError(f"'{path}' does not fit this version of deconv: {error}") from error
