"""One image: from the bytes of a file to a square of uint8 pixels.

The rule, everywhere: decode the first frame, turn it as its EXIF says, put transparent pixels on the background, make
it grey (ITU-R 601 luma) or RGB, cut the centre square, resize it by Pillow's bicubic filter. Pillow widens the filter
when it shrinks an image, so this is antialiased.
"""

import numpy as np

from deconv.data.files.opening import BrokenImage, opened
from deconv.options.data import IGNORE

__all__ = [
  'BrokenImage',
  'centre_square',
  'decode',
  'decode_full',
  'fit',
  'fit_mask',
  'full_size',
  'sixteen_bits',
  'with_channels',
]

# 16-bit levels as 8 bits: 65535 / 257 = 255.
_EIGHT_BITS = np.round(np.arange(65536) / 257).astype(np.uint8)


def decode(data, options):
  """Decodes a PNG, JPEG, WebP, BMP, PGM or PPM file.

  Args:
    data: bytes of the file: palette, grey, RGB, CMYK, 8 or 16 bits, with or without transparency.
    options: DataOptions; `channels`, `background`, `crop`, `image_size` and `max_pixels` are used.

  Returns:
    uint8 array (image_size, image_size, channels).

  Raises:
    BrokenImage: the bytes cannot be decoded to the end, or are of too many pixels.
  """
  return _square(_open(data, options), options)


def decode_full(data, options):
  """As `decode`, but the whole image at its own size: uint8 (height, width, channels)."""
  image = _open(data, options)
  return np.asarray(image).reshape(image.height, image.width, options.channels)


def full_size(data, options):
  """(height, width) of what `decode_full` gives, from the head of the file; BrokenImage when that cannot be read."""
  with opened(data, options.max_pixels) as image:
    # Pillow decodes all of a PNG to look for it at the end.
    has_exif = image.format != 'PNG' or b'eXIf' in data or b'Raw profile type exif' in data
    turned = has_exif and image.getexif().get(0x0112) in (5, 6, 7, 8)  # those lie on their side
    return image.size if turned else image.size[::-1]


def with_channels(pixels, channels):
  """uint8 (h, w, 1 or 3) as grey (ITU-R 601 luma) or RGB, (h, w, channels)."""
  from PIL import Image

  if pixels.shape[-1] == channels:
    return pixels
  image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).convert('L' if channels == 1 else 'RGB')
  return np.asarray(image).reshape(*pixels.shape[:2], channels)


def fit(pixels, options):
  """Crops and resizes decoded pixels, uint8 (h, w) or (h, w, 1 or 3), to (image_size, image_size, channels)."""
  from PIL import Image

  if pixels.ndim == 3 and pixels.shape[-1] == 1:
    pixels = pixels[..., 0]
  return _square(Image.fromarray(pixels).convert('L' if options.channels == 1 else 'RGB'), options)


def fit_mask(mask, options):
  """Crops or pads and resizes a mask, uint8 (h, w), to (image_size, image_size) as `fit` does its image; nearest."""
  from PIL import Image

  return _square(Image.fromarray(mask), options, of_mask=True)


def centre_square(width, height, crop):
  """The centre crop as (left, top, right, bottom) in pixels.

  Its side is `crop`, or that of the largest square when `crop` is 0 or larger than the image; an odd margin leaves the
  larger half right and below.
  """
  side = min(width, height, crop or width)
  left, top = (width - side) // 2, (height - side) // 2
  return left, top, left + side, top + side


def _open(data, options):
  """The decoded image, upright, opaque, grey or RGB; BrokenImage when it cannot be decoded to the end."""
  from PIL import ImageOps

  with opened(data, options.max_pixels) as image:
    image.load()  # a truncated file shows itself here
    if image.mode == 'F':  # a PFM: nobody knows where black and white lie
      raise BrokenImage('its values are floating point numbers')
    image = ImageOps.exif_transpose(image)
    image = _opaque(image, options.background)
    return image.convert('L' if options.channels == 1 else 'RGB')


def _square(image, options, of_mask=False):
  from PIL import Image

  resample = Image.Resampling.NEAREST if of_mask else Image.Resampling.BICUBIC
  shape = options.image_shape[:2] if of_mask else options.image_shape
  if options.fit == 'pad':
    fill = IGNORE if of_mask else Image.new('RGB', (1, 1), options.background).convert(image.mode).getpixel((0, 0))
    return np.asarray(_padded(image, options.image_size, resample, fill)).reshape(shape)
  box = centre_square(*image.size, options.crop)
  size = (options.image_size, options.image_size)
  if box != (0, 0, *image.size):
    image = image.crop(box)  # not resize(box=...), whose filter reaches across the edge of the box
  if image.size != size:
    image = image.resize(size, resample)
  return np.asarray(image).reshape(shape)


def _padded(image, side, resample, fill):
  """The image, its longer side scaled to `side`, in the middle of a square of `fill`."""
  from PIL import Image

  longer = max(image.size)
  size = tuple(max(1, round(length * side / longer)) for length in image.size)
  if image.size != size:
    image = image.resize(size, resample)
  if size == (side, side):
    return image
  canvas = Image.new(image.mode, (side, side), fill)
  canvas.paste(image, tuple((side - length) // 2 for length in size))
  return canvas


def _opaque(image, background):
  """The image without transparency, on the background; 16-bit grey becomes 8-bit grey."""
  from PIL import Image

  if image.mode.startswith('I'):
    # Pillow would clip to 255 here instead of scaling.
    levels = sixteen_bits(image)
    grey, key = Image.fromarray(_EIGHT_BITS[levels]), image.info.get('transparency')
    if not isinstance(key, int):
      return grey
    image = Image.merge('LA', (grey, Image.fromarray(np.where(levels == key, 0, 255).astype(np.uint8))))
  if not image.has_transparency_data:
    return image
  canvas = Image.new('RGBA', image.size, (*background, 255))
  return Image.alpha_composite(canvas, image.convert('RGBA'))


def sixteen_bits(image):
  """Returns the levels of a PIL image of 16-bit grey, uint16 (h, w)."""
  levels = np.asarray(image)
  return levels.astype(np.uint16) if levels.dtype.itemsize == 2 else np.clip(levels, 0, 65535).astype(np.uint16)
