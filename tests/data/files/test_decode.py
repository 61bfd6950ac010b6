"""Decoding, transparency, rotation, crop and resize of one image."""

import io

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from PIL import Image
import pytest

from deconv.data import DataOptions
from deconv.data.files import decode
from tests.data import pictures


def options(**fields):
  return DataOptions(**{'image_size': 8, 'channels': 3, **fields})


def test_centre_square_by_hand():
  assert decode.centre_square(178, 218, 108) == (35, 55, 143, 163)  # CelebA's usual crop
  assert decode.centre_square(178, 218, 0) == (0, 20, 178, 198)
  assert decode.centre_square(5, 8, 2) == (1, 3, 3, 5)
  assert decode.centre_square(10, 20, 64) == (0, 5, 10, 15)  # a crop larger than the image


def test_centre_box_by_hand():
  assert decode.centre_box(480, 360, (192, 256)) == (0, 0, 480, 360)
  assert decode.centre_box(480, 360, (100, 100)) == decode.centre_square(480, 360, 0) == (60, 0, 420, 360)
  assert decode.centre_box(100, 100, (30, 60)) == (0, 25, 100, 75)
  assert decode.centre_box(41, 20, (10, 20)) == (0, 0, 40, 20)  # the odd column is right
  assert decode.centre_box(1, 9, (1, 100)) == (0, 4, 1, 5)


def test_images_that_are_not_square():
  pixels = pictures.smooth(24, 40)
  wide = decode.decode(pictures.encode(pixels), options(image_size=12, image_width=20))
  rows, columns = bicubic_matrix(24, 12), bicubic_matrix(40, 20)
  assert wide.shape == (12, 20, 3)
  np.testing.assert_allclose(wide, np.einsum('ih,jw,hwc->ijc', rows, columns, pixels.astype(float)), atol=1.5)
  # Of other proportions: the middle 16 rows, halved.
  flat = decode.decode(pictures.encode(pixels), options(image_size=8, image_width=20))
  expected = np.einsum('ih,jw,hwc->ijc', bicubic_matrix(16, 8), columns, pixels[4:20].astype(float))
  np.testing.assert_allclose(flat, expected, atol=1.5)


@pytest.mark.parametrize('height, width', [(12, 30), (20, 20), (48, 25)])
def test_padding_of_images_that_are_not_square(height, width):
  """A square in the middle of the frame, of a mask as of its image."""
  mask = np.ones((24, 24), np.uint8)
  o = options(fit='pad', image_size=height, image_width=width)
  padded, image = decode.fit_mask(mask, o), decode.fit(pictures.smooth(24, 24), o)
  side = min(height, width)
  top, left = (height - side) // 2, (width - side) // 2
  expected = np.full((height, width), 255)
  expected[top : top + side, left : left + side] = 1
  np.testing.assert_array_equal(padded, expected)
  assert image.shape == (height, width, 3) and (image[expected == 255] == 255).all()


def test_square_of_the_right_size_is_untouched():
  pixels = pictures.smooth(8, 8)
  np.testing.assert_array_equal(decode.decode(pictures.encode(pixels), options()), pixels)


def test_crop_keeps_what_lies_outside_out():
  pixels = np.zeros((218, 178, 3), np.uint8)
  pixels[55:163, 35:143] = 200
  assert (decode.decode(pictures.encode(pixels), options(crop=108)) == 200).all()
  assert (decode.decode(pictures.encode(pixels), options(crop=110)) != 200).any()


def bicubic_matrix(size, new):
  """Weights (new, size) of the antialiased bicubic filter (Keys 1981, a = -1/2), from its definition."""
  scale = size / new
  stretch = max(scale, 1.0)
  distance = np.abs((np.arange(new)[:, None] + 0.5) * scale - (np.arange(size)[None] + 0.5)) / stretch
  weights = np.where(
    distance < 1,
    1.5 * distance**3 - 2.5 * distance**2 + 1,
    np.where(distance < 2, -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2, 0),
  )
  return weights / weights.sum(1, keepdims=True)


@pytest.mark.parametrize('size,new', [(32, 8), (30, 7), (8, 32), (9, 10)])
def test_resize_is_the_antialiased_bicubic_filter(size, new):
  pixels = np.random.RandomState(0).randint(0, 256, (size, size, 3)).astype(np.uint8)
  matrix = bicubic_matrix(size, new)
  expected = np.clip(np.einsum('ih,jw,hwc->ijc', matrix, matrix, pixels.astype(float)), 0, 255)
  found = decode.decode(pictures.encode(pixels), options(image_size=new))
  # Pillow rounds and clips between its two passes.
  error = np.abs(found - expected)
  assert error.mean() < 1.0
  assert np.quantile(error, 0.9) < 1.5


COLOUR = (200, 100, 50)
LUMA = round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)  # ITU-R BT.601


def flat(mode):
  return Image.new('RGB', (12, 10), COLOUR).convert(mode)


@pytest.mark.parametrize(
  'name,data,expected,tolerance',
  [
    ('rgb png', pictures.encode(flat('RGB')), COLOUR, 0),
    ('rgba png', pictures.encode(flat('RGBA')), COLOUR, 0),
    ('palette png', pictures.encode(flat('RGB').quantize(4)), COLOUR, 0),
    ('grey png', pictures.encode(flat('L')), (LUMA,) * 3, 0),
    ('grey and alpha png', pictures.encode(flat('LA')), (LUMA,) * 3, 0),
    ('bilevel png', pictures.encode(Image.new('1', (12, 10), 1)), (255,) * 3, 0),
    ('16-bit grey png', pictures.encode(np.full((10, 12), 77 * 257, np.uint16)), (77,) * 3, 0),
    ('white 16-bit grey png', pictures.encode(np.full((10, 12), 65535, np.uint16)), (255,) * 3, 0),
    ('jpeg', pictures.encode(flat('RGB'), 'JPEG', quality=95), COLOUR, 3),
    ('grey jpeg', pictures.encode(flat('L'), 'JPEG', quality=95), (LUMA,) * 3, 3),
    ('cmyk jpeg', pictures.encode(flat('CMYK'), 'JPEG', quality=95), COLOUR, 4),
    ('progressive jpeg', pictures.encode(flat('RGB'), 'JPEG', progressive=True), COLOUR, 5),
    ('webp', pictures.encode(flat('RGB'), 'WEBP', lossless=True), COLOUR, 0),
    ('webp with alpha', pictures.encode(flat('RGBA'), 'WEBP', lossless=True), COLOUR, 0),
  ],
  ids=lambda value: value if isinstance(value, str) else '',
)
def test_every_kind_of_file(name, data, expected, tolerance):
  found = decode.decode(data, options())
  assert found.shape == (8, 8, 3) and found.dtype == np.uint8, name
  np.testing.assert_allclose(found.reshape(-1, 3).astype(int), np.broadcast_to(expected, (64, 3)), atol=tolerance)
  grey = decode.decode(data, options(channels=1))
  assert grey.shape == (8, 8, 1)
  luma = np.dot(expected, (0.299, 0.587, 0.114))
  np.testing.assert_allclose(grey.astype(float), luma, atol=tolerance + 1)


def test_sixteen_bit_grey_keeps_its_levels():
  levels = np.arange(64, dtype=np.uint16).reshape(8, 8) * 4 * 257
  found = decode.decode(pictures.encode(levels), options(channels=1))
  np.testing.assert_array_equal(found[..., 0], levels // 257)


@pytest.mark.parametrize('alpha,expected', [(0, (0, 0, 255)), (255, (200, 0, 0)), (128, (100, 0, 127))])
def test_transparent_pixels_lie_on_the_background(alpha, expected):
  data = pictures.encode(Image.new('RGBA', (8, 8), (200, 0, 0, alpha)))
  found = decode.decode(data, options(background=(0, 0, 255)))
  np.testing.assert_allclose(found.reshape(-1, 3).astype(int), np.broadcast_to(expected, (64, 3)), atol=1)


@pytest.mark.parametrize('mode,colour,key', [('P', 3, 3), ('L', 40, 40), ('RGB', COLOUR, COLOUR)])
def test_a_colour_marked_transparent_is_background(mode, colour, key):
  image = Image.new(mode, (8, 8), colour)
  if mode == 'P':
    image.putpalette([10, 20, 30] * 256)
  found = decode.decode(pictures.encode(image, transparency=key), options(background=(1, 2, 3)))
  np.testing.assert_array_equal(found.reshape(-1, 3), np.broadcast_to((1, 2, 3), (64, 3)))


def test_background_does_not_bleed_from_hidden_colours():
  """The colour under full transparency must not show after the resize: composited first, resized then."""
  pixels = np.zeros((16, 16, 4), np.uint8)
  pixels[:, :8] = (0, 0, 0, 255)
  pixels[:, 8:] = (255, 0, 0, 0)
  found = decode.decode(pictures.encode(pixels), options(background=(0, 0, 0)))
  assert found.max() == 0


# What brings the stored picture upright, by EXIF orientation, written with numpy.
UPRIGHT = {
  1: lambda a: a,
  2: lambda a: a[:, ::-1],
  3: lambda a: a[::-1, ::-1],
  4: lambda a: a[::-1],
  5: lambda a: a.transpose(1, 0, 2),
  6: lambda a: np.rot90(a, -1),
  7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
  8: lambda a: np.rot90(a),
}


@pytest.mark.parametrize('orientation', UPRIGHT)
@pytest.mark.parametrize('kind', ['PNG', 'JPEG'])
def test_exif_rotation(orientation, kind):
  stored = pictures.smooth(12, 8)
  exif = Image.Exif()
  exif[0x0112] = orientation
  save = {'exif': exif, **({'quality': 100, 'subsampling': 0} if kind == 'JPEG' else {})}
  found = decode.decode(pictures.encode(stored, kind, **save), options(crop=8))
  upright = UPRIGHT[orientation](stored)
  top, left = (upright.shape[0] - 8) // 2, (upright.shape[1] - 8) // 2
  np.testing.assert_allclose(found.astype(int), upright[top : top + 8, left : left + 8], atol=0 if kind == 'PNG' else 6)


WHOLE = {
  kind: pictures.encode(np.random.RandomState(0).randint(0, 256, (40, 40, 3)).astype(np.uint8), kind)
  for kind in ('PNG', 'JPEG', 'WEBP')
}


@pytest.mark.parametrize(
  'data',
  [
    b'',
    b'this is text\n' * 50,
    b'\x89PNG\r\n\x1a\n',
    b'\xff\xd8\xff\xe0' + bytes(100),
    *(whole[: len(whole) // 2] for whole in WHOLE.values()),
  ],
  ids=['empty', 'text', 'png header', 'jpeg header', 'half a png', 'half a jpeg', 'half a webp'],
)
def test_broken_bytes(data):
  with pytest.raises(decode.BrokenImage):
    decode.decode(data, options())


@given(st.sampled_from(sorted(WHOLE)), st.integers(0, 10**6), st.integers(1, 255))
@settings(max_examples=60, deadline=None)
def test_a_damaged_byte_gives_an_image_or_broken_image(kind, place, difference):
  data = bytearray(WHOLE[kind])
  data[place % len(data)] ^= difference
  try:
    assert decode.decode(bytes(data), options()).shape == (8, 8, 3)
  except decode.BrokenImage as error:
    assert '0x' not in str(error)  # no addresses: the message is the same in every run


def test_fit_takes_grey_and_colour_arrays():
  grey = pictures.smooth(12, 8)[..., 0]
  assert decode.fit(grey, options()).shape == (8, 8, 3)
  np.testing.assert_array_equal(decode.fit(grey[..., None], options(channels=1, crop=8))[..., 0], grey[2:10])


def test_first_frame_of_an_animation():
  frames = [Image.new('RGB', (8, 8), (level, 0, 0)) for level in (50, 200)]
  file = io.BytesIO()
  frames[0].save(file, 'WEBP', save_all=True, append_images=frames[1:], lossless=True)
  assert (decode.decode(file.getvalue(), options())[..., 0] == 50).all()
