"""Pictures out of arrays: grids, PNG and GIF files, captions. Everything is uint8 (height, width, channels)."""
import io
import math
import os

import numpy as np

from deconv.errors import UserError


def image_grid(images, columns=None, padding=2, background=255):
  """Lays images out in rows, left to right and top to bottom.

  Args:
    images: uint8 (n, height, width, channels), n >= 1, channels 1 or 3.
    columns: images in a row; None = the smallest number that makes the grid no taller than wide.
    padding: pixels between images and around the grid.
    background: 0 to 255, the value between the images and in cells without one.

  Returns:
    uint8 (rows * (height + padding) + padding, columns * (width + padding) + padding, channels).

  Raises:
    ValueError: not a batch of uint8 images.
  """
  images = np.asarray(images)
  if images.ndim != 4 or images.dtype != np.uint8 or not len(images):
    raise ValueError(f'images must be uint8 (n >= 1, height, width, channels), not {images.dtype} {images.shape}')
  n, height, width, channels = images.shape
  columns = columns or math.ceil(math.sqrt(n))
  rows = math.ceil(n / columns)
  grid = np.full((rows * (height + padding) + padding, columns * (width + padding) + padding, channels),
                 background, np.uint8)
  for i, image in enumerate(images):
    top, left = (i // columns) * (height + padding) + padding, (i % columns) * (width + padding) + padding
    grid[top:top + height, left:left + width] = image
  return grid


def enlarge(image, factor):
  """Repeats each pixel factor x factor times, so that small images can be looked at; no interpolation."""
  return np.repeat(np.repeat(image, factor, axis=0), factor, axis=1)


def caption(image, text, margin=4):
  """Adds lines of text under an image, black on white; the image is widened with white where the text needs it.

  Args:
    image: uint8 (height, width, 1 or 3).
    text: str; '\\n' starts a new line.
    margin: pixels around the text.

  Returns:
    uint8 (height + text height, max(width, text width), same channels).
  """
  from PIL import Image, ImageDraw, ImageFont
  image = np.asarray(image)
  font = ImageFont.load_default()
  ruler = ImageDraw.Draw(Image.new('L', (1, 1)))
  _, _, right, bottom = ruler.multiline_textbbox((0, 0), text, font=font)
  height, width = math.ceil(bottom) + 2 * margin, max(math.ceil(right) + 2 * margin, image.shape[1])
  label = Image.new('L', (width, height), 255)
  ImageDraw.Draw(label).multiline_text((margin, margin), text, fill=0, font=font)
  label = np.repeat(np.asarray(label)[..., None], image.shape[-1], axis=-1)
  wide = np.pad(image, ((0, 0), (0, width - image.shape[1]), (0, 0)), constant_values=255)
  return np.concatenate([wide, label], axis=0)


def save_png(path, image):
  """Writes a PNG file; the file is there whole or not at all.

  Args:
    path: where to; its folder is made if need be.
    image: uint8 (height, width, 1 or 3).

  Raises:
    UserError: the file cannot be written.
  """
  from PIL import Image
  image = np.asarray(image)
  buffer = io.BytesIO()
  Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(buffer, format='PNG')
  _write(path, buffer.getvalue())


def save_gif(path, frames, fps=8):
  """Writes an endlessly repeating GIF; the file is there whole or not at all.

  Args:
    path: where to; its folder is made if need be.
    frames: non-empty sequence of uint8 (height, width, 1 or 3), all of one shape.
    fps: frames a second; the format counts in hundredths of a second.

  Raises:
    UserError: the file cannot be written.
  """
  from PIL import Image
  frames = [Image.fromarray(f[..., 0] if f.shape[-1] == 1 else f) for f in map(np.asarray, frames)]
  buffer = io.BytesIO()
  frames[0].save(buffer, format='GIF', save_all=True, append_images=frames[1:], loop=0, duration=round(1000 / fps))
  _write(path, buffer.getvalue())


def _write(path, content):
  """Writes bytes to a temporary file beside `path` and renames it: a reader never sees half a file."""
  path = os.path.abspath(os.fspath(path))
  temporary = f'{path}.{os.getpid()}.tmp'
  try:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(temporary, 'wb') as file:
      file.write(content)
    os.replace(temporary, path)
  except OSError as error:
    if os.path.exists(temporary):
      os.unlink(temporary)
    raise UserError(f"cannot write '{path}': {error.strerror}; choose a place that you can write to") from error
