"""One image: from the bytes of a file to uint8 pixels of the shape that the network sees.

The rule, everywhere: decode the first frame, turn it as its EXIF says, put transparent pixels on the background, make
it grey (ITU-R 601 luma) or RGB, cut the centre square (or the centre of the options' proportions), resize it by
Pillow's bicubic filter. Pillow widens the filter when it shrinks an image, so this is antialiased.
"""

import numpy as np

from deconv.data.files.opening import BrokenImage, opened
from deconv.options.data import IGNORE

__all__ = [
  'BrokenImage',
  'centre_box',
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
    options: DataOptions; `channels`, `background`, `crop`, `fit`, `image_shape` and `max_pixels` are used.

  Returns:
    uint8 array of `image_shape`.

  Raises:
    BrokenImage: the bytes cannot be decoded to the end, or are of too many pixels.
  """
  return _shaped(_open(data, options), options)


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
  """Crops and resizes decoded pixels, uint8 (h, w) or (h, w, 1 or 3), to `options.image_shape`."""
  from PIL import Image

  if pixels.ndim == 3 and pixels.shape[-1] == 1:
    pixels = pixels[..., 0]
  return _shaped(Image.fromarray(pixels).convert('L' if options.channels == 1 else 'RGB'), options)


def fit_mask(mask, options):
  """Crops or pads and resizes a mask, uint8 (h, w), to the sides of `image_shape` as `fit` does its image; nearest."""
  from PIL import Image

  return _shaped(Image.fromarray(mask), options, of_mask=True)


def centre_square(width, height, crop):
  """The centre crop as (left, top, right, bottom) in pixels.

  Its side is `crop`, or that of the largest square when `crop` is 0 or larger than the image; an odd margin leaves the
  larger half right and below.
  """
  side = min(width, height, crop or width)
  left, top = (width - side) // 2, (height - side) // 2
  return left, top, left + side, top + side


def centre_box(width, height, shape):
  """The largest box in the centre that has the proportions of `shape` (height, width), as `centre_square` gives it."""
  factor = min(height / shape[0], width / shape[1])
  tall, wide = min(height, max(1, round(shape[0] * factor))), min(width, max(1, round(shape[1] * factor)))
  left, top = (width - wide) // 2, (height - tall) // 2
  return left, top, left + wide, top + tall


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


def _shaped(image, options, of_mask=False):
  from PIL import Image

  resample = Image.Resampling.NEAREST if of_mask else Image.Resampling.BICUBIC
  shape = options.image_shape[:2] if of_mask else options.image_shape
  if options.fit == 'pad':
    fill = IGNORE if of_mask else Image.new('RGB', (1, 1), options.background).convert(image.mode).getpixel((0, 0))
    return np.asarray(_padded(image, shape[1::-1], resample, fill)).reshape(shape)
  box = centre_box(*image.size, shape) if options.image_width else centre_square(*image.size, options.crop)
  size = shape[1::-1]
  if box != (0, 0, *image.size):
    image = image.crop(box)  # not resize(box=...), whose filter reaches across the edge of the box
  if image.size != size:
    image = image.resize(size, resample)
  return np.asarray(image).reshape(shape)


def _padded(image, around, resample, fill):
  """The image, scaled to fit into the size `around` (width, height), in the middle of `fill`."""
  from PIL import Image

  # One product and one quotient of integers: a square is scaled as it always was.
  tightest = max(range(2), key=lambda axis: image.size[axis] / around[axis])
  size = tuple(max(1, round(length * around[tightest] / image.size[tightest])) for length in image.size)
  if image.size != size:
    image = image.resize(size, resample)
  if size == around:
    return image
  canvas = Image.new(image.mode, around, fill)
  canvas.paste(image, tuple((whole - length) // 2 for whole, length in zip(around, size)))
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
