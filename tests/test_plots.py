"""Grids pixel by pixel, files read back."""

import os

import numpy as np
from PIL import Image
import pytest

from deconv import plots
from deconv.errors import UserError


def test_grid_pixel_by_pixel():
  images = np.arange(1, 4, dtype=np.uint8)[:, None, None, None] * np.ones((1, 1, 2, 1), np.uint8)
  grid = plots.image_grid(images, columns=2)
  _ = 255
  expected = [
    [_, _, _, _, _, _, _, _, _, _],
    [_, _, _, _, _, _, _, _, _, _],
    [_, _, 1, 1, _, _, 2, 2, _, _],
    [_, _, _, _, _, _, _, _, _, _],
    [_, _, _, _, _, _, _, _, _, _],
    [_, _, 3, 3, _, _, _, _, _, _],
    [_, _, _, _, _, _, _, _, _, _],
    [_, _, _, _, _, _, _, _, _, _],
  ]
  np.testing.assert_array_equal(grid[..., 0], expected)


@pytest.mark.parametrize('n, cells', [(1, (1, 1)), (5, (2, 3)), (9, (3, 3)), (64, (8, 8))])
def test_grid_is_about_square(n, cells):
  assert plots.image_grid(np.zeros((n, 2, 2, 3), np.uint8)).shape == (4 * cells[0] + 2, 4 * cells[1] + 2, 3)


@pytest.mark.parametrize(
  'images', [np.zeros((2, 3, 3, 1)), np.zeros((3, 3, 1), np.uint8), np.zeros((0, 3, 3, 1), np.uint8)]
)
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


def test_palette_is_the_published_one():
  """The table of the PASCAL VOC devkit: background, aeroplane, ..., tv/monitor, and the border's 255."""
  published = [
    '000000',
    '800000',
    '008000',
    '808000',
    '000080',
    '800080',
    '008080',
    '808080',
    '400000',
    'c00000',
    '408000',
    'c08000',
    '400080',
    'c00080',
    '408080',
    'c08080',
    '004000',
    '804000',
    '00c000',
    '80c000',
    '004080',
  ]
  palette = plots.voc_palette()
  assert [bytes(colour).hex() for colour in palette[:21]] == published and palette.dtype == np.uint8
  assert tuple(palette[255]) == (224, 224, 192) and len({bytes(colour) for colour in palette}) == 256
  np.testing.assert_array_equal(
    plots.colour_mask([[0, 255], [1, 2]]), [[[0, 0, 0], [224, 224, 192]], [[128, 0, 0], [0, 128, 0]]]
  )


def _panel_case():
  images = np.full((2, 3, 4, 1), 50, np.uint8)
  masks, predictions = np.zeros((2, 3, 4), np.uint8), np.zeros((2, 3, 4), np.int32)
  masks[0, 0, 0], masks[0, 2, 3], masks[1, 1, 1] = 1, 255, 1
  predictions[1, 1, 1] = 2
  return images, masks, predictions


def test_panel_pixel_by_pixel():
  panel = plots.segmentation_panel(*_panel_case(), ('ground', 'disc', 'square', 'ring'))
  assert panel.dtype == np.uint8 and panel.shape[2] == 3 and panel.shape[0] > 9

  def cell(row, column):
    return panel[2 + 5 * row : 5 + 5 * row, 2 + 6 * column : 6 + 6 * column]

  assert np.all(cell(0, 0) == 50) and np.all(cell(1, 0) == 50)
  truth = np.zeros((3, 4, 3))
  truth[0, 0], truth[2, 3] = (128, 0, 0), (224, 224, 192)
  np.testing.assert_array_equal(cell(0, 1), truth)
  predicted = np.zeros((3, 4, 3))
  predicted[1, 1] = (0, 128, 0)
  np.testing.assert_array_equal(cell(1, 2), predicted)
  errors = np.zeros((3, 4, 3))
  errors[0, 0], errors[2, 3] = 255, 128
  np.testing.assert_array_equal(cell(0, 3), errors)


def _colours(picture):
  return {tuple(colour) for colour in picture.reshape(-1, 3)}


def test_legend_shows_the_classes_that_occur_and_no_other():
  images, masks, predictions = _panel_case()
  names = ('ground', 'disc', 'square', 'ring')
  panel = plots.segmentation_panel(images, masks, predictions, names)
  below = _colours(panel[12:])
  palette = [tuple(colour) for colour in plots.voc_palette()[:4]]
  assert set(palette[:3]) | {(224, 224, 192)} <= below and palette[3] not in below
  alone = plots.segmentation_panel(images, None, predictions, names)
  assert np.all(alone[2:5, 2:6] == 50) and tuple(alone[8, 9]) == palette[2]
  assert palette[1] not in _colours(alone)


def test_segmentation_columns_show_grey_images_as_coloured_ones():
  rng = np.random.default_rng(0)
  grey = [rng.integers(0, 256, (6, 5, 1)).astype(np.uint8) for _ in range(2)]
  masks = {'truth': [rng.integers(0, 2, (6, 5)) for _ in range(2)]}
  shown = plots.segmentation_columns(grey, masks, ('ground', 'disc'))
  coloured = plots.segmentation_columns([np.repeat(image, 3, axis=-1) for image in grey], masks, ('ground', 'disc'))
  np.testing.assert_array_equal(shown, coloured)
  assert shown.shape[-1] == 3


def test_legend_breaks_lines():
  narrow, wide = np.zeros((4, 60, 3), np.uint8), np.zeros((4, 600, 3), np.uint8)
  entries = [(f'class {i}', colour) for i, colour in enumerate(plots.voc_palette()[:6])]
  assert plots.legend(narrow, entries).shape[0] > 2 * plots.legend(wide, entries).shape[0]
  np.testing.assert_array_equal(plots.legend(wide, entries)[:4], wide)
  assert plots.legend(wide, []).shape == wide.shape


def test_panel_of_a_prediction_of_the_middle():
  images, masks, predictions = _panel_case()
  images, masks = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0))), np.pad(masks, ((0, 0), (1, 1), (1, 1)))
  panel = plots.segmentation_panel(images, masks, predictions, ('ground', 'disc', 'square'))
  for column in (2, 3):  # prediction and errors
    cell = panel[2:7, 2 + 8 * column : 8 + 8 * column]
    assert np.all(cell[0] == 128) and np.all(cell[:, [0, -1]] == 128)
  assert np.all(panel[3, 27] == 255) and np.all(panel[3, 28] == 0)
  with pytest.raises(ValueError, match='belong together'):
    plots.segmentation_panel(images[:1], masks[:1], predictions, ('ground', 'disc', 'square'))


def test_scatter_pixel_by_pixel():
  picture = plots.scatter([[-1.5, 1.5], [1.5, -0.5], [9, 9]], half=2.0, side=4)  # pixels of side 1; 2x2 each
  blue = picture[..., 0] < 200
  np.testing.assert_array_equal(blue, [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 1]])
  twice = plots.scatter([[-1.5, 1.5]] * 2, half=2.0, side=4)
  assert twice[0, 0, 0] < picture[0, 0, 0] < 255  # darker


def test_scatter_shows_what_lies_behind_and_the_circles():
  behind = [[-1.0, 0.0], [2.0, 0.0]]
  picture = plots.scatter(np.zeros((1, 1, 1, 2)), behind, ([[0, 0]], 1.0), side=100)
  scale = 100 / 2 / 2.5  # the farthest of `behind` is at 1 / 1.25 of the half width
  grey = picture[50, round(50 + 2 * scale)]
  assert grey.max() - grey.min() < 3 and grey.max() < 240
  assert picture[50, 50, 2] > picture[50, 50, 0] + 20  # blue
  orange = picture[50, round(50 + scale)].astype(int)
  assert orange[0] > orange[2] + 100


def test_named_grid_enlarges_and_writes_under_each_image():
  images = np.zeros((3, 10, 20, 1), np.uint8)
  grid = plots.named_grid(images, ['a', 'b', 'c'], columns=3, least=30)  # three times as large
  assert grid.shape[1:] == (3 * (60 + 2) + 2, 1)
  np.testing.assert_array_equal(grid[2:32, 2:62], 0)
  assert (grid[32:] < 128).any() and (grid[:, 62:64] == 255).all()


def test_confusion_matrix_shows_shares_of_the_rows():
  picture = plots.confusion_matrix([[98, 2, 0], [0, 0, 0], [1, 0, 1]], ['cat', 'dog', 'elk']).astype(int)
  assert picture.shape[-1] == 3
  blue = (picture[..., 2] - picture[..., 0] > 100).mean()
  red = (picture[..., 0] - picture[..., 2] > 20).mean()
  assert blue > 0.05 and red > 0.05  # the two percent are seen too
  many = plots.confusion_matrix(np.eye(40, dtype=int), [f'class {i}' for i in range(40)])
  assert many.dtype == np.uint8 and many.shape[0] > 8 * 40
