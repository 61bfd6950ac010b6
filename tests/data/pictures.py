"""Images and files that the tests of the data make."""

import io
import os
import zipfile

import numpy as np
from PIL import Image


def smooth(height, width, seed=0):
  """A smooth RGB image without symmetry, uint8 (height, width, 3)."""
  random = np.random.RandomState(seed)
  rows, columns = np.mgrid[:height, :width] / max(height, width)
  phases = random.uniform(0, 6, (3, 2))
  waves = [np.sin(4 * rows + a) + np.cos(3 * columns * (1 + rows) + b) for a, b in phases]
  return np.round(np.stack(waves, -1) * 60 + 127).astype(np.uint8)


def encode(pixels, kind='PNG', **options):
  """The bytes of an image file of an array or a PIL image."""
  file = io.BytesIO()
  image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
  image.save(file, kind, **options)
  return file.getvalue()


def write_folder(root, files):
  """Writes {path: bytes} below a folder; returns its path as a string."""
  os.makedirs(root, exist_ok=True)
  for name, data in files.items():
    path = os.path.join(root, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'wb') as file:
      file.write(data)
  return str(root)


def write_zip(path, files, method=zipfile.ZIP_DEFLATED):
  """Writes {path: bytes} as a zip archive; returns its path as a string."""
  with zipfile.ZipFile(path, 'w', method) as archive:
    for name, data in files.items():
      archive.writestr(name, data)
  return str(path)


def numbered(count, side=8, start=0):
  """{file name: PNG bytes}: image number i is grey with value 10 + i (mod 240)."""
  return {f'{i:06d}.png': encode(np.full((side, side, 3), 10 + i % 240, np.uint8)) for i in range(start, start + count)}


def number(image):
  """The number of an image of `numbered`."""
  return int(np.asarray(image).flat[0]) - 10


def idx(array):
  """The bytes of an idx file of a uint8 array."""
  header = bytes((0, 0, 8, array.ndim)) + b''.join(int(side).to_bytes(4, 'big') for side in array.shape)
  return header + array.astype(np.uint8).tobytes()
