"""The folder of a run: who may write to it, and the JSON files in it."""

import json
import os
import tempfile

from deconv import atomic_files
from deconv.errors import UserError
from deconv.training import checkpoint, config_diff


class Workdir:
  """A folder that belongs to one config.

  Attributes:
    path: absolute path.
    config: the config that it belongs to, a plain dict, or None.
    run: the content of run.json, or None.
  """

  def __init__(self, path):
    """Makes the folder if need be.

    Raises:
      UserError: it has no name in UTF-8, it cannot be written, or it holds checkpoints of nobody knows what.
    """
    self.path = os.path.abspath(os.path.expanduser(path))
    self._lock = None
    try:
      self.path.encode()
    except UnicodeEncodeError:  # those who write checkpoints could not take it
      raise UserError(f"the workdir '{path}' has letters that are not UTF-8; choose another --workdir") from None
    try:
      os.makedirs(self.path, exist_ok=True)
      with tempfile.TemporaryFile(dir=self.path):
        pass
    except OSError as error:
      raise UserError(f"cannot write to the workdir '{path}': {error.strerror}; choose another --workdir") from error
    self.config = self._read('config.json')
    self.run = self._read('run.json')
    if self.config is None and os.path.isdir(self.file('checkpoints')) and os.listdir(self.file('checkpoints')):
      raise UserError(
        f"the workdir '{path}' has checkpoints but no config.json that says what they are; choose another --workdir"
      )

  def file(self, *names):
    """Returns the path of something in the folder."""
    return os.path.join(self.path, *names)

  def lock(self):
    """Keeps other runs out until this process ends.

    Raises:
      UserError: another run is writing to the folder.
    """
    try:
      import fcntl
    except ImportError:  # not on Windows
      return
    self._lock = open(self.file('.lock'), 'a')
    try:
      fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
      raise UserError(
        f"another run is writing to the workdir '{self.path}'; wait for it, or choose another --workdir"
      ) from error
    except OSError:  # a file system without locks
      pass

  def unlock(self):
    """Lets other runs in again."""
    if self._lock is not None:
      self._lock.close()
      self._lock = None

  @property
  def has_work(self):
    """Whether the folder holds something that was trained: a checkpoint, perhaps a damaged one, or a finished run."""
    return bool((self.run or {}).get('finished')) or checkpoint.holds_any(self.file('checkpoints'))

  def clean(self):
    """Removes what a killed run has left half written; for the one that has the lock."""
    for folder in (self.path, self.file('samples')):
      atomic_files.remove_left_over(folder)

  def check_config(self, config, allow_change=False):
    """Compares a config with the folder's own.

    Args:
      config: plain dict.
      allow_change: accept one that would make another experiment.

    Returns:
      The list of differences that make another experiment, where the folder holds no work yet, so that they cost
      nothing; else [].

    Raises:
      UserError: there are differences, and the folder holds work.
    """
    if self.config is None or allow_change:
      return []
    changes = config_diff.scientific_changes(self.config, config)
    if changes and self.has_work:
      raise UserError(
        f"the workdir '{self.path}' belongs to another config ({'; '.join(changes)}): choose another "
        '--workdir, or pass --allow_config_change to go on with the new values, which its checkpoints allow as '
        'long as networks and optimizer keep their shapes'
      )
    return changes

  def check_data(self, fingerprints, allow_change=False):
    """Raises UserError when the folder holds work that was trained on other data.

    Args:
      fingerprints: {name in run.json: fingerprint}; one that the folder's run, of an older version, did not record is
        not compared.
      allow_change: accept other data nevertheless.
    """
    for name, now in fingerprints.items():
      before = (self.run or {}).get(name, now)
      if before != now and not allow_change and self.has_work:
        raise UserError(
          f'the data have changed since this run began (fingerprint {before} -> {now}): put back the old '
          'ones, choose another --workdir, or pass --allow_config_change'
        )

  def write_json(self, name, content):
    """Writes a file whole or not at all."""
    atomic_files.write_json(self.file(name), content, durable=True)

  def _read(self, name):
    try:
      with open(self.file(name)) as file:
        content = json.load(file)
    except FileNotFoundError:
      return None
    except (OSError, ValueError) as error:
      raise UserError(f"cannot read '{self.file(name)}': {error}; mend it or choose another --workdir") from error
    if not isinstance(content, dict) or not isinstance(content.get('earlier', []), list):
      raise UserError(f"'{self.file(name)}' is not what a run writes; mend it or choose another --workdir")
    return content
