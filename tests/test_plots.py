"""Grids pixel by pixel, files read back."""
import os

import numpy as np
from PIL import Image
import pytest

from deconv import plots
from deconv.errors import UserError


def test_grid_pixel_by_pixel():
  images = np.arange(1, 4, dtype=np.uint8)[:, None, None, None] * np.ones((1, 1, 2, 1), np.uint8)
  grid = plots.image_grid(images, columns=2, padding=1, background=9)
  expected = [[9, 9, 9, 9, 9, 9, 9],
              [9, 1, 1, 9, 2, 2, 9],
              [9, 9, 9, 9, 9, 9, 9],
              [9, 3, 3, 9, 9, 9, 9],
              [9, 9, 9, 9, 9, 9, 9]]
  np.testing.assert_array_equal(grid[..., 0], expected)


@pytest.mark.parametrize('n, cells', [(1, (1, 1)), (5, (2, 3)), (9, (3, 3)), (64, (8, 8))])
def test_grid_is_about_square(n, cells):
  assert plots.image_grid(np.zeros((n, 2, 2, 3), np.uint8), padding=0).shape == (2 * cells[0], 2 * cells[1], 3)


@pytest.mark.parametrize('images', [np.zeros((2, 3, 3, 1)), np.zeros((3, 3, 1), np.uint8),
                                    np.zeros((0, 3, 3, 1), np.uint8)])
def test_grid_refuses_what_is_no_batch_of_images(images):
  with pytest.raises(ValueError, match='uint8'):
    plots.image_grid(images)


@pytest.mark.parametrize('channels', [1, 3])
def test_png_comes_back(tmp_path, channels):
  image = np.random.default_rng(0).integers(0, 256, (5, 4, channels), dtype=np.uint8)
  path = tmp_path / 'new' / 'folder' / 'image.png'
  plots.save_png(path, image)
  np.testing.assert_array_equal(np.asarray(Image.open(path)).reshape(image.shape), image)
  assert os.listdir(path.parent) == ['image.png']  # no temporary file is left


@pytest.mark.parametrize('channels', [1, 3])
def test_gif_comes_back(tmp_path, channels):
  frames = [np.full((6, 8, channels), value, np.uint8) for value in (0, 120, 255)]
  path = tmp_path / 'film.gif'
  plots.save_gif(path, frames, fps=5)
  film = Image.open(path)
  assert film.n_frames == 3 and film.info['duration'] == 200 and film.info['loop'] == 0
  for i, frame in enumerate(frames):
    film.seek(i)
    np.testing.assert_array_equal(np.asarray(film.convert('RGB'))[..., :channels], frame)


def test_a_place_that_cannot_be_written_is_a_users_mistake(tmp_path):
  (tmp_path / 'file').write_text('')
  with pytest.raises(UserError, match='cannot write'):
    plots.save_png(tmp_path / 'file' / 'image.png', np.zeros((2, 2, 1), np.uint8))


def test_old_file_survives_a_failed_write(tmp_path, monkeypatch):
  path = tmp_path / 'image.png'
  plots.save_png(path, np.zeros((2, 2, 1), np.uint8))
  before = path.read_bytes()

  def refuse(*args):
    raise OSError(28, 'No space left on device')
  monkeypatch.setattr(os, 'replace', refuse)
  with pytest.raises(UserError, match='No space left'):
    plots.save_png(path, np.ones((2, 2, 1), np.uint8))
  assert path.read_bytes() == before and os.listdir(tmp_path) == ['image.png']


@pytest.mark.parametrize('channels', [1, 3])
def test_caption_goes_below_and_widens(channels):
  image = np.full((10, 12, channels), 7, np.uint8)
  captioned = plots.caption(image, 'a longer line\nand another')
  assert captioned.shape[0] > 30 and captioned.shape[1] > 40 and captioned.shape[2] == channels
  np.testing.assert_array_equal(captioned[:10, :12], image)
  assert captioned[10:].min() < 128 and np.all(captioned[:10, 12:] == 255)


def test_enlarge_repeats_pixels():
  image = np.array([[[1], [2]]], np.uint8)
  np.testing.assert_array_equal(plots.enlarge(image, 2)[..., 0], [[1, 1, 2, 2], [1, 1, 2, 2]])
