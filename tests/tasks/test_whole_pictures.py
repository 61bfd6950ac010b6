"""Whole pictures through a restoration network: tiles, turns, and users' own with their types, colours and alpha."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deconv import data
from deconv.errors import UserError
from deconv.models import RESTORERS
from deconv.models.restorer import Restorer
from deconv.ops.resample import upsample_bicubic
from deconv.options import EvalOptions
from deconv.options.models import restorers
from deconv.tasks import whole_pictures
from tests.tasks.small_restorers import INPAINT, RNG, SUPERRES, build, init, lively, smooth


@pytest.fixture(scope='module')
def superres():
  """A task, its first state, nearly bicubic, and one whose network does something."""
  task = build(**SUPERRES)
  start = init(task)
  return task, start, lively(start)


@pytest.fixture(scope='module')
def inpaint():
  task = build(**INPAINT)
  return task, init(task)


# Any size through any network.


class Recorder:
  """A network that repeats pixels, each with that one below and two to the right added; keeps the shapes it saw."""

  def __init__(self, scale=1):
    self.scale, self.shapes = scale, []

  def __call__(self, x):
    self.shapes.append(x.shape)
    y = x + np.pad(x, ((0, 0), (0, 1), (0, 2), (0, 0)))[:, 1:, 2:]
    return y.repeat(self.scale, axis=1).repeat(self.scale, axis=2)


def network(name, side=16, scale=1, **fields):
  """A Restorer that is asked for its sizes and never run."""
  return RESTORERS[name](
    restorers.MODELS[name](**fields), image_shape=(side, side, 1), scale=scale, dtype=jnp.float32, batch_norm_axis=None
  )


def picture(height, width):
  return RNG.uniform(-1, 1, (height, width, 1)).astype(np.float32)


def test_a_network_of_one_size_sees_tiles_of_it():
  apply, image = Recorder(), picture(24, 16)
  result = whole_pictures.predict(apply, image, network('context_encoder'), 1, EvalOptions())
  assert apply.shapes == [(2, 16, 16, 1)] and result.shape == (24, 16, 1) and result.dtype == np.float32
  np.testing.assert_array_equal(result[:-1, :-2], image[:-1, :-2] + image[1:, 2:])


@pytest.mark.parametrize(
  'model, tile',
  [(network('fsrcnn', scale=2), 10), (network('autoencoder', depth=2), 12), (network('rednet', stride=2), 10)],
)
def test_a_network_of_any_size_sees_a_small_picture_at_once(model, tile):
  """Filled up to what its strides divide."""
  apply = Recorder()
  result = whole_pictures.predict(apply, picture(10, 7), model, 1, EvalOptions())
  assert apply.shapes == [(1, tile, tile, 1)] and result.shape == (10, 7, 1)


def test_a_large_picture_is_seen_by_tiles_of_the_wanted_overlap():
  shapes = {}
  for overlap in (0.0, 0.25, 0.75):
    apply = Recorder(scale=2)
    result = whole_pictures.predict(
      apply, picture(200, 128), network('fsrcnn', scale=2), 2, EvalOptions(tile_overlap=overlap)
    )
    assert result.shape == (400, 256, 1)
    shapes[overlap] = apply.shapes
  # Below the first tile remain 72 pixels; a tile advances by at most 128, 96 and 32.
  assert shapes == {0.0: [(2, 128, 128, 1)], 0.25: [(2, 128, 128, 1)], 0.75: [(4, 128, 128, 1)]}


@pytest.mark.parametrize(
  'flips, quarter_turns, views', [(False, False, 1), (True, False, 2), (False, True, 4), (True, True, 8)]
)
def test_views_are_those_of_the_options(flips, quarter_turns, views):
  apply, image = Recorder(), picture(6, 6)
  options = EvalOptions(flips=flips, quarter_turns=quarter_turns)
  result = whole_pictures.predict(apply, image, network('fsrcnn', scale=2), 1, options)
  assert len(apply.shapes) == views
  turned = whole_pictures.predict(apply, np.rot90(image).copy(), network('fsrcnn', scale=2), 1, options)
  assert np.allclose(np.rot90(result), turned, atol=1e-6) == quarter_turns
  mirrored = whole_pictures.predict(apply, image[:, ::-1].copy(), network('fsrcnn', scale=2), 1, options)
  assert np.allclose(result[:, ::-1], mirrored, atol=1e-6) == flips


def test_what_a_network_says_of_its_sizes_is_what_counts():
  class Halves(Restorer):
    multiple = 8

  apply = Recorder()
  whole_pictures.predict(apply, picture(9, 3), Halves(), 1, EvalOptions())
  assert apply.shapes == [(1, 16, 16, 1)]


def test_tiled_is_untiled_in_the_interior(superres, monkeypatch):
  task, _, state = superres
  image = np.asarray(data.to_signed(smooth(1, 40, 1)[0]))
  whole = task.predict_image(state, image)
  monkeypatch.setattr(whole_pictures, '_TILE', 24)
  tiling = build(eval__tile_overlap=0.75, **SUPERRES)  # the receptive field reaches 2 + 1 + 2 pixels
  tiled = tiling.predict_image(state, image)
  np.testing.assert_allclose(tiled[8:-8, 8:-8], whole[8:-8, 8:-8], atol=1e-5)


def test_self_ensemble_turns_with_the_picture(superres):
  task, _, state = superres
  image = np.asarray(data.to_signed(smooth(1, 12, 1)[0]))
  plain = task.predict_image(state, image)
  turning = build(eval__flips=True, eval__quarter_turns=True, **SUPERRES)
  averaged, turned = turning.predict_image(state, image), turning.predict_image(state, np.rot90(image).copy())
  np.testing.assert_allclose(np.rot90(averaged), turned, atol=1e-5)
  assert np.abs(plain - averaged).max() > 1e-4


# A user's own picture.


@pytest.mark.parametrize('dtype, channels', [(np.uint8, 4), (np.uint16, 2), (np.uint16, 3)])
def test_own_picture_keeps_type_and_alpha(superres, dtype, channels):
  task, state, _ = superres
  peak = np.iinfo(dtype).max
  picture = np.repeat(np.repeat(smooth(1, 5, channels)[0], 2, 0), 3, 1).astype(dtype) * dtype(peak // 255)
  if channels in (2, 4):
    picture[..., -1] = peak
    picture[:, 8:, -1] = 0
  result = task.transform_image(state, picture)['']
  assert result.shape == (20, 30, channels) and result.dtype == dtype
  small = result.reshape(10, 2, 15, 2, channels).mean((1, 3))
  assert np.abs(small - picture)[2:-2, 2:-2].mean() < 0.05 * peak
  if channels in (2, 4):
    assert np.all(result[:, :12, -1] == peak) and np.all(result[:, 20:, -1] == 0)


def test_luminance_network_keeps_the_colours_of_a_picture():
  """An untrained residual network is bicubic, in every channel."""
  task = build(colour='y', **SUPERRES)
  picture = smooth(1, 12, 3)[0]
  result = task.transform_image(init(task), picture)['']
  bicubic = data.to_uint8(np.asarray(jax.jit(lambda x: upsample_bicubic(x, 2))(data.to_signed(picture[None]))[0]))
  assert np.abs(result - np.int32(bicubic)).max() <= 12


def test_colours_out_of_a_grey_picture():
  task = build('rednet', colour='rgb', degrade__grey=True)
  picture = RNG.integers(0, 256, (9, 11, 1), dtype=np.uint8)
  result = task.transform_image(init(task), picture)['']
  assert result.shape == (9, 11, 3)
  assert np.abs(result - np.int32(picture)).max() < 20  # untrained: nearly the grey picture


def test_transparent_pixels_are_the_hole(inpaint):
  task, state = inpaint
  picture = np.concatenate([smooth(1, 16, 1)[0], np.full((16, 16, 1), 255, np.uint8)], axis=-1)
  with pytest.raises(UserError, match='make what is missing transparent'):
    task.transform_image(state, picture)
  picture[3:7, 4:9, 1] = 0
  result = task.transform_image(state, picture)['']
  kept = picture[..., 1] > 0
  assert result.shape == (16, 16, 1) and np.array_equal(result[kept], picture[kept][:, :1])
  other = picture.copy()
  other[3:7, 4:9, 0] = 99  # what is under the hole does not matter
  np.testing.assert_array_equal(task.transform_image(state, other)[''], result)


def test_hole_elsewhere_than_in_the_middle_is_refused():
  task = build(**{**INPAINT, 'degrade__hole': 'centre', 'model__output': 'centre', 'objective__ring': 0})
  picture = np.full((16, 16, 2), 255, np.uint8)
  picture[2, 2, 1] = 0
  with pytest.raises(UserError, match='only the middle 8x8 pixels of a picture of 16x16'):
    task.transform_image(None, picture)


def test_the_border_that_the_loss_left_out_is_continued():
  """A picture of one colour stays one where the network's own zeros beyond the border would show."""
  grey = np.full((12, 14, 1), 200, np.uint8)
  shaved, whole = build(**SUPERRES, objective__shave=2), build(**SUPERRES)
  state = lively(init(shaved))
  result, framed = (task.transform_image(state, grey)[''].astype(int) for task in (shaved, whole))
  assert result.shape == framed.shape == (24, 28, 1)
  inner = result[10:12, 12:14]  # every phase of the deconvolution has its own level
  assert abs(result - np.tile(inner, (12, 14, 1))).max() <= 1
  assert abs(framed - np.tile(inner, (12, 14, 1))).max() > 1
