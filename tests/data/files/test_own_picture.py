"""Pictures of the user's own, against Pillow's compositing and grey levels."""

import numpy as np
from PIL import Image
import pytest

from deconv.data.files import own_picture
from deconv.errors import UserError

RNG = np.random.default_rng(0)
RGBA = RNG.integers(0, 256, (5, 7, 4)).astype(np.uint8)


@pytest.mark.parametrize('mode, channels', [('L', 1), ('LA', 2), ('RGB', 3), ('RGBA', 4)])
def test_modes_are_kept(tmp_path, mode, channels):
  image = Image.fromarray(RGBA).convert(mode)
  image.save(tmp_path / 'a.png')
  pixels = own_picture.read_picture(tmp_path / 'a.png')
  assert pixels.dtype == np.uint8 and pixels.shape == (5, 7, channels)
  np.testing.assert_array_equal(np.squeeze(pixels), np.asarray(image))


def test_sixteen_bits_of_grey_are_kept(tmp_path):
  levels = RNG.integers(0, 65536, (5, 7)).astype(np.uint16)
  Image.fromarray(levels).save(tmp_path / 'a.png')
  pixels = own_picture.read_picture(tmp_path / 'a.png')
  assert pixels.dtype == np.uint16
  np.testing.assert_array_equal(pixels[..., 0], levels)
  np.testing.assert_array_equal(own_picture.opaque(pixels, 1, (0, 0, 0))[..., 0], np.round(levels / 257))


def test_palettes_with_transparency_become_rgba(tmp_path):
  image = Image.fromarray(RGBA[..., :3]).quantize(4)
  image.save(tmp_path / 'a.png', transparency=1)
  pixels = own_picture.read_picture(tmp_path / 'a.png')
  np.testing.assert_array_equal(pixels[..., 3] == 0, np.asarray(image) == 1)


def test_what_is_turned_by_exif_stands_upright(tmp_path):
  exif = Image.Exif()
  exif[274] = 6  # to be turned by 90 degrees, clockwise
  Image.fromarray(RGBA[..., :3]).save(tmp_path / 'a.png', exif=exif)
  np.testing.assert_array_equal(own_picture.read_picture(tmp_path / 'a.png'), np.rot90(RGBA[..., :3], -1))


@pytest.mark.parametrize('channels', [1, 3])
def test_transparent_pixels_lie_on_the_background(channels):
  canvas = Image.new('RGBA', (7, 5), (10, 200, 60, 255))
  expected = Image.alpha_composite(canvas, Image.fromarray(RGBA)).convert('L' if channels == 1 else 'RGB')
  found = own_picture.opaque(RGBA, channels, (10, 200, 60))
  assert found.shape == (5, 7, channels)
  assert np.abs(found.squeeze().astype(int) - np.asarray(expected)).max() <= 1  # Pillow rounds twice


def test_no_picture_is_one_sentence(tmp_path):
  (tmp_path / 'a.png').write_text('no picture')
  for name in ('a.png', 'b.png'):
    with pytest.raises(UserError, match=f"cannot read '.*{name}'.*; give a PNG or JPEG file"):
      own_picture.read_picture(tmp_path / name)
