"""A picture of the user's own: a file of any size, grey or RGB, with or without alpha, 8 or 16 bits."""

import numpy as np

from deconv.data.files import decode, opening
from deconv.data.transforms.colour import LUMA
from deconv.errors import UserError
from deconv.options.data import DataOptions


def read_picture(path, options=DataOptions()):
  """Decodes one file, turned as its EXIF says.

  Args:
    path: PNG, JPEG, WebP, GIF, BMP or TIFF. Pillow has 16 bits for grey pictures only and reads those in colour as 8
      bits.
    options: DataOptions; `max_pixels` and `max_file_mb` are used.

  Returns:
    uint8 (height, width, 1 to 4): grey, grey and alpha, RGB, RGB and alpha; or uint16 (height, width, 1 or 2).

  Raises:
    UserError: the file is not there, is no ordinary file, is too large or cannot be decoded, or its values are floating
      point numbers.
  """
  from PIL import ImageOps

  try:
    with opening.opened(opening.read_file(path, options.max_bytes), options.max_pixels, opening.OWN_FORMATS) as image:
      image.load()
      image = ImageOps.exif_transpose(image)
      pixels = None if image.mode == 'F' else _pixels(image)
  except opening.BrokenImage as error:
    raise UserError(
      f"cannot read '{path}': it is not a picture that can be decoded ({error}); give a PNG or JPEG file"
    ) from error
  except OSError as error:
    raise UserError(f"cannot read '{path}': {error.strerror or error}; give a PNG or JPEG file") from error
  if pixels is None:
    raise UserError(
      f"cannot read '{path}': its values are floating point numbers, of which nobody knows where black "
      'and white lie; save it with 8 or 16 bits'
    )
  return pixels


def _pixels(image):
  if image.mode.startswith('I'):
    pixels, key = decode.sixteen_bits(image), image.info.get('transparency')
    return np.stack(
      [pixels, np.where(pixels == key, 0, 65535).astype(np.uint16)] if isinstance(key, int) else [pixels], axis=-1
    )
  alpha = image.has_transparency_data
  grey = image.mode in ('1', 'L', 'LA', 'La')
  pixels = np.asarray(
    image.convert({(True, True): 'LA', (True, False): 'L', (False, True): 'RGBA', (False, False): 'RGB'}[grey, alpha])
  )
  return pixels if pixels.ndim == 3 else pixels[..., None]


def split_alpha(image):
  """Returns (colours (h, w, 1 or 3), alpha (h, w, 1) or None) of a picture (h, w, 1 to 4)."""
  has_alpha = image.shape[-1] in (2, 4)
  return (image[..., :-1], image[..., -1:]) if has_alpha else (image, None)


def opaque(image, channels, background):
  """Returns uint8 (h, w, channels): the picture on the background where it is transparent, as grey (ITU-R 601) or RGB.

  Args:
    image: uint8 or uint16 (h, w, 1 to 4).
    channels: 1 or 3.
    background: RGB, 0 to 255.
  """
  pixels, alpha = split_alpha(image)
  scale = 257.0 if image.dtype == np.uint16 else 1.0
  pixels = np.broadcast_to(pixels / scale, (*pixels.shape[:2], 3))
  if alpha is not None:
    share = alpha / (255.0 * scale)
    pixels = share * pixels + (1 - share) * np.asarray(background, np.float64)
  if channels == 1:
    pixels = pixels @ np.array(LUMA)[:, None]
  return np.round(pixels).astype(np.uint8)
