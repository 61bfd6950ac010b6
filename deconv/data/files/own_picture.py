"""A picture of the user's own: a file of any size, grey or RGB, with or without alpha, 8 or 16 bits."""
import numpy as np

from deconv.data.transforms.colour import LUMA
from deconv.errors import UserError


def read_picture(path):
  """Decodes one file, turned as its EXIF says.

  Args:
    path: PNG, JPEG, WebP, TIFF or what else Pillow reads. Pillow has 16 bits for grey pictures only and reads those in
      colour as 8 bits.

  Returns:
    uint8 (height, width, 1 to 4): grey, grey and alpha, RGB, RGB and alpha; or uint16 (height, width, 1).

  Raises:
    UserError: the file is not there or cannot be decoded.
  """
  from PIL import Image, ImageOps
  try:
    image = Image.open(path)
    image.load()
    image = ImageOps.exif_transpose(image)
  except OSError as error:
    reason = error.strerror or 'it is not a picture that can be decoded'
    raise UserError(f"cannot read '{path}': {reason}; give a PNG or JPEG file") from error
  if image.mode.startswith('I'):
    pixels = np.clip(np.asarray(image), 0, 65535).astype(np.uint16)
    return pixels[..., None]
  alpha = image.has_transparency_data
  grey = image.mode in ('1', 'L', 'LA', 'La')
  pixels = np.asarray(image.convert({(True, True): 'LA', (True, False): 'L', (False, True): 'RGBA',
                                     (False, False): 'RGB'}[grey, alpha]))
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
  scale = 257. if image.dtype == np.uint16 else 1.
  pixels = np.broadcast_to(pixels / scale, (*pixels.shape[:2], 3))
  if alpha is not None:
    share = alpha / (255. * scale)
    pixels = share * pixels + (1 - share) * np.asarray(background, np.float64)
  if channels == 1:
    pixels = pixels @ np.array(LUMA)[:, None]
  return np.round(pixels).astype(np.uint8)
