"""Converts the public weights of the FID Inception for deconv.models.inception, once: the only step that needs PyTorch.

  python -m scripts.convert_inception pt_inception-2015-12-05-6726825d.pth inception.safetensors

The file is https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth;
the end of its name is the beginning of its SHA-256, 6726825d. It is read as weights only: no code in it is run. What is
written, .safetensors or .npz, has the same arrays by the same names. The checksum of what was read is printed, and a
.safetensors file keeps it; a file with another one is converted too, with a warning, for its numbers are not FID.
"""

import argparse
import hashlib
import os
import pickle
import sys

os.environ.setdefault('JAX_PLATFORMS', 'cpu')

import numpy as np

from deconv import atomic_files
from deconv.errors import UserError
from deconv.experiments import command
from deconv.models import inception, weight_files


def main(argv=None):
  parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument('input', metavar='IN.pth', help="PyTorch's state dict")
  parser.add_argument('output', metavar='OUT.safetensors', help='.safetensors or .npz')
  options = parser.parse_args(argv)
  with command.one_sentence():
    convert(options.input, options.output)


def convert(source, target):
  """Reads a state dict, checks it against the network, and writes it; see the top of this file.

  Raises:
    UserError: a file that cannot be read, another network's, or another ending; PyTorch is missing.
  """
  ending = os.path.splitext(target)[1]
  if ending not in ('.safetensors', '.npz'):
    raise UserError(f"'{target}' must end in .safetensors or .npz")
  if not os.path.isfile(source):
    raise UserError(f"there is no file '{source}': {inception.WHERE}")
  try:
    import torch
  except ImportError:
    raise UserError('the conversion needs PyTorch: pip install torch; it is not needed afterwards') from None
  try:
    state = torch.load(source, map_location='cpu', weights_only=True)
    given = {name: value.detach().numpy() for name, value in state.items()}
  except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, AttributeError, TypeError) as error:
    reason = str(error).partition('\n')[0]
    raise UserError(f"'{source}' is no state dict of PyTorch that holds weights alone: {reason}") from None
  wanted = inception.arrays_of_file()
  missing = [name for name in wanted if name not in given]
  if missing:
    raise UserError(f"'{source}' is not the Inception of 2015: it lacks {weight_files.some(missing)}")
  for name, (_, shape) in wanted.items():
    if given[name].shape != shape:
      raise UserError(f"'{source}' is not the Inception of 2015: {name} has the shape {given[name].shape}, not {shape}")
  arrays = {name: np.ascontiguousarray(given[name], np.float32) for name in wanted}
  with open(source, 'rb') as file:
    checksum = hashlib.file_digest(file, 'sha256').hexdigest()
  if ending == '.npz':
    atomic_files.write(target, lambda file: np.savez(file, **arrays))
  else:
    try:
      from safetensors import numpy as safetensors
    except ImportError:
      raise UserError(f"'{target}' needs the library safetensors: pip install safetensors, or write .npz") from None
    metadata = {'source': os.path.basename(source), 'sha256': checksum}
    atomic_files.write(target, safetensors.save(arrays, metadata=metadata))
  inception.load(target)
  number = sum(value.size for name, value in arrays.items() if not name.rpartition('.')[2].startswith('running'))
  print(f'written: {target} ({len(arrays)} arrays, {number:,} parameters; sha256 of {source}: {checksum})')
  if not checksum.startswith(inception.PUBLIC_CHECKSUM):
    print(
      f'warning: the sha256 of the public file begins with {inception.PUBLIC_CHECKSUM}: these are other weights, and '
      'numbers measured with them are not FID',
      file=sys.stderr,
    )


if __name__ == '__main__':
  main()
