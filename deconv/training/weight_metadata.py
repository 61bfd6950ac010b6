"""Which weights there are, and the config that a file of weights is of: nothing here starts JAX.

A file is NAME.safetensors of deconv.training.exported. FOLDER holds those that come with this library.
"""

import json
import os

import deconv
from deconv.errors import UserError, did_you_mean
from deconv.options import Experiment

FOLDER = os.path.join(os.path.dirname(os.path.abspath(deconv.__file__)), 'weights')
ENDING = '.safetensors'


def names():
  """Returns the names of the weights that come with this library."""
  found = os.listdir(FOLDER) if os.path.isdir(FOLDER) else []
  return sorted(name_of(name) for name in found if name.endswith(ENDING))


def name_of(path):
  """Returns the name of weights, from their path or from that name."""
  return os.path.basename(path).removesuffix(ENDING)


def find(name):
  """Returns the path of weights, from the name of those that come with this library or from a path.

  Raises:
    UserError: there are none.
  """
  if name.endswith(ENDING):
    if not os.path.isfile(name):
      raise UserError(f"--weights: there is no file '{name}'")
    return name
  if name not in names():
    raise UserError(
      f"there are no weights '{name}'{did_you_mean(name, names())}; give a FILE{ENDING} of scripts.export_weights, or "
      f'choose one of: {", ".join(names()) or "none yet"}'
    )
  return os.path.join(FOLDER, name + ENDING)


def load_metadata(path):
  """Returns {name: text} of a file of weights.

  Raises:
    UserError: it cannot be read, or scripts.export_weights has not written it.
  """
  try:
    from safetensors import SafetensorError, safe_open
  except ImportError as error:
    raise UserError(f"--weights: '{path}' needs the library safetensors: pip install safetensors") from error
  try:
    with safe_open(path, 'numpy') as file:
      metadata = file.metadata() or {}
  except (SafetensorError, OSError) as error:
    raise UserError(f"--weights: '{path}' cannot be read as {ENDING}: {error}") from error
  if 'config' not in metadata:
    raise UserError(f"--weights: '{path}' does not say which network it is of; give a file of scripts.export_weights")
  return metadata


def load_config(path):
  """Returns the deconv.options.Experiment that weights are of; UserError where it cannot be read."""
  try:
    return Experiment.from_config(json.loads(load_metadata(path)['config']))
  except (UserError, TypeError, ValueError, AttributeError) as error:
    raise UserError(f"--weights: '{path}' does not fit this version of deconv: {error}") from error
