"""Files of trained weights: arrays by their names, from .npz or .safetensors, without unpickling any code."""

import os
import zipfile

import numpy as np

from deconv.errors import UserError


def read(path, what):
  """Reads a file of weights.

  Args:
    path: a .npz or .safetensors file.
    what: what the file is for, which begins every sentence about it, such as 'model.weights'.

  Returns:
    {name: array}.

  Raises:
    UserError: no such file, another format, or a broken file.
  """
  ending = os.path.splitext(path)[1]
  if not os.path.isfile(path):
    raise UserError(f"{what}: there is no file '{path}'")
  if ending == '.npz':
    try:
      with np.load(path, allow_pickle=False) as file:
        return dict(file)
    except (ValueError, OSError, zipfile.BadZipFile, EOFError) as error:
      raise UserError(f"{what}: '{path}' cannot be read as .npz: {error}") from error
  if ending == '.safetensors':
    try:
      from safetensors import SafetensorError
      from safetensors.numpy import load_file
    except ImportError as error:
      raise UserError(
        f"{what}: '{path}' needs the library safetensors: pip install safetensors, or save the weights as .npz"
      ) from error
    try:
      return load_file(path)
    except (SafetensorError, OSError, KeyError, TypeError) as error:  # the last two: bfloat16, which numpy lacks
      raise UserError(f"{what}: '{path}' cannot be read as .safetensors: {error}") from error
  raise UserError(f"{what}: '{path}' must end in .npz or .safetensors (a state dict of PyTorch can be saved as either)")


def some(names, limit=6):
  """Returns the first names of a list, for a sentence."""
  return ', '.join(names[:limit]) + (f' and {len(names) - limit} more' if len(names) > limit else '')
