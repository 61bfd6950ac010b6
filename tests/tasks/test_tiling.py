"""Tiled prediction against prediction of the whole image, for networks whose receptive field is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deconv.errors import UserError
from deconv.tasks import tiling


def _image(height, width, channels=2, seed=0):
  return np.random.default_rng(seed).normal(size=(height, width, channels)).astype(np.float32)


def _conv(x, kernel, padding, stride=1):
  return jax.lax.conv_general_dilated(x, kernel, (stride, stride), padding, dimension_numbers=('NHWC', 'HWIO', 'NHWC'))


def _kernels(*shapes):
  rng = np.random.default_rng(1)
  return [jnp.asarray(rng.normal(size=shape) / 3, jnp.float32) for shape in shapes]


_SMALL = _kernels((3, 3, 2, 4), (3, 3, 4, 3))


def _stack(padding):
  """Two 3x3 convolutions with a relu: each pixel sees 2 pixels around it."""
  return jax.jit(lambda x: _conv(jax.nn.relu(_conv(x, _SMALL[0], padding)), _SMALL[1], padding))


def _pointwise(x):
  return np.concatenate([np.sin(x), x[..., :1] ** 2], axis=-1)


@pytest.mark.parametrize('blend', [False, True])
@pytest.mark.parametrize(
  'size, tile, overlap, multiple',
  [
    ((20, 33), 8, 2, 1),
    ((16, 16), 16, 4, 1),
    ((5, 7), 16, 4, 4),
    ((1, 9), 4, 1, 1),
    ((37, 18), 16, 5, 4),
    ((9, 50), 0, 0, 4),
  ],
)
def test_a_pointwise_function_is_exact(size, tile, overlap, multiple, blend):
  image = _image(*size)
  result = tiling.predict_tiled(_pointwise, image, tile=tile, overlap=overlap, multiple=multiple, blend=blend)
  assert result.dtype == np.float32 and result.shape == (*size, 3)
  np.testing.assert_allclose(result, _pointwise(image), rtol=3e-7 if blend else 0, atol=1e-6 if blend else 0)


@pytest.mark.parametrize('size', [(44, 23), (16, 16), (31, 64)])
def test_padded_convolutions_agree_with_the_whole_image_up_to_its_borders(size):
  image, predict = _image(*size), _stack('SAME')
  whole = np.asarray(predict(image[None]))[0]
  tiled = tiling.predict_tiled(predict, image, tile=16, overlap=4)
  np.testing.assert_allclose(tiled, whole, atol=2e-6)
  if size == (44, 23):  # a seam where the overlap is too small shows that the comparison sees seams
    assert np.abs(tiling.predict_tiled(predict, image, tile=16, overlap=2) - whole).max() > 1e-2


@pytest.mark.parametrize('size, tile', [((40, 23), 16), ((5, 30), 16), ((12, 12), 0)])
def test_valid_convolutions_see_the_mirrored_image(size, tile):
  image, predict = _image(*size), _stack('VALID')
  mirrored = np.pad(image, ((2, 2), (2, 2), (0, 0)), mode='reflect')
  whole = np.asarray(predict(mirrored[None]))[0]
  np.testing.assert_allclose(tiling.predict_tiled(predict, image, tile=tile, margin=2), whole, atol=2e-6)


@pytest.mark.parametrize('tile', [(16, 24), (24, 0), (40, 23)])
def test_tiles_that_are_not_square(tile):
  image, predict, seen = _image(40, 23), _stack('SAME'), []
  result = tiling.predict_tiled(lambda x: seen.append(x.shape) or predict(x), image, tile=tile, overlap=4)
  whole = np.asarray(predict(image[None]))[0]
  right = 21 if tile[1] == 24 else 23  # a column more than the image has is its mirror, where the whole sees zeros
  np.testing.assert_allclose(result[:, :right], whole[:, :right], atol=2e-6)
  assert {shape[1:3] for shape in seen} == {(tile[0], tile[1] or 23)}


def test_tiles_start_on_the_grid_of_the_strides():
  kernels = _kernels((4, 4, 2, 3), (3, 3, 3, 2))

  @jax.jit
  def predict(x):  # a strided convolution and back by repetition: not the same for a tile that is shifted by one
    low = _conv(_conv(x, kernels[0], ((0, 0), (0, 0)), stride=4), kernels[1], 'SAME')
    return jnp.repeat(jnp.repeat(low, 4, axis=1), 4, axis=2)

  image = _image(52, 36)
  whole = np.asarray(predict(image[None]))[0]
  np.testing.assert_allclose(tiling.predict_tiled(predict, image, tile=24, overlap=8, multiple=4), whole, atol=2e-6)
  assert np.abs(tiling.predict_tiled(predict, image, tile=24, overlap=9, multiple=1) - whole).max() > 1e-2


def test_scale_of_a_network_that_enlarges():
  predict = jax.jit(lambda x: jnp.repeat(jnp.repeat(_stack('SAME')(x), 3, axis=1), 3, axis=2))
  image = _image(20, 30)
  result = tiling.predict_tiled(predict, image, tile=12, overlap=4, scale=3)
  assert result.shape == (60, 90, 3)
  np.testing.assert_allclose(result, np.asarray(predict(image[None]))[0], atol=2e-6)


def test_scale_with_margin():
  predict = jax.jit(lambda x: jnp.repeat(jnp.repeat(_stack('VALID')(x), 2, axis=1), 2, axis=2))
  image = _image(11, 30)
  mirrored = np.pad(image, ((2, 2), (2, 2), (0, 0)), mode='reflect')
  np.testing.assert_allclose(
    tiling.predict_tiled(predict, image, tile=12, overlap=3, margin=2, scale=2),
    np.asarray(predict(mirrored[None]))[0],
    atol=2e-6,
  )


def test_blending_is_linear_over_the_overlap():
  tiles = []

  def predict(x):  # each tile says its own number
    tiles.extend(range(len(tiles), len(tiles) + len(x)))
    return np.stack([np.full((8, 8, 1), i, np.float32) for i in tiles[-len(x) :]])

  mixed = tiling.predict_tiled(predict, np.zeros((8, 12, 1)), tile=8, overlap=4, batch_size=1, blend=True)
  np.testing.assert_allclose(mixed[3, :, 0], [0, 0, 0, 0, 0.125, 0.375, 0.625, 0.875, 1, 1, 1, 1], atol=1e-6)
  tiles.clear()
  cut = tiling.predict_tiled(predict, np.zeros((8, 12, 1)), tile=8, overlap=4, batch_size=1)
  np.testing.assert_array_equal(cut[3, :, 0], [0] * 6 + [1] * 6)


def test_one_shape_reaches_predict_and_bytes_stay_bytes():
  seen = set()

  def predict(x):
    seen.add((x.shape, x.dtype))
    return x.astype(np.float32)

  image = np.random.default_rng(0).integers(0, 256, (30, 21, 3), dtype=np.uint8)
  np.testing.assert_array_equal(tiling.predict_tiled(predict, image, tile=8, overlap=2, batch_size=7), image)
  assert seen == {((7, 8, 8, 3), np.dtype(np.uint8))}


@pytest.mark.parametrize(
  'options',
  [dict(tile=8, overlap=8), dict(tile=8, margin=4), dict(tile=8, overlap=-1), dict(tile=8, overlap=6, multiple=4)],
)
def test_tiles_without_room_are_a_users_mistake(options):
  with pytest.raises(UserError, match='tile'):
    tiling.predict_tiled(_pointwise, _image(20, 20), **options)


def test_another_size_than_announced_is_refused():
  with pytest.raises(ValueError, match='margin 0'):
    tiling.predict_tiled(_stack('VALID'), _image(20, 20), tile=8)
  with pytest.raises(ValueError, match='image must be'):
    tiling.predict_tiled(_pointwise, np.zeros((4, 4)), tile=8)


def _turned(x, turns, mirrored):
  """The plain loop's way: index arithmetic on a square image."""
  n = x.shape[0]
  y = np.empty_like(x)
  for r in range(n):
    for c in range(n):
      a, b = r, c
      for _ in range(turns):
        a, b = b, n - 1 - a
      y[r, c] = x[a, n - 1 - b] if mirrored else x[a, b]
  return y


@pytest.mark.parametrize('quarter_turns, count', [(False, 2), (True, 8)])
def test_ensemble_is_equivariant_and_sees_every_view_once(quarter_turns, count):
  kernel = _kernels((3, 3, 2, 2))[0]
  seen = []

  def predict(x):
    seen.append(np.asarray(x)[0])
    return np.asarray(_conv(x, kernel, 'SAME'))

  image = _image(6, 6)
  averaged = tiling.ensemble(predict, flips=True, quarter_turns=quarter_turns)
  result = averaged(image[None])[0]
  views = [_turned(image, turns, mirrored) for turns in range(4 if quarter_turns else 1) for mirrored in (False, True)]
  assert len(seen) == count
  assert all(any(np.array_equal(view, one) for one in seen) for view in views)
  for view, (turns, mirrored) in zip(views, [(t, m) for t in range(4) for m in (False, True)]):
    np.testing.assert_allclose(averaged(view[None])[0], _turned(result, turns, mirrored), atol=1e-6)
  assert np.abs(result - predict(image[None])[0]).max() > 1e-2


def test_ensemble_of_a_pointwise_function_changes_nothing():
  image = _image(5, 9)
  np.testing.assert_allclose(tiling.ensemble(_pointwise, quarter_turns=True)(image), _pointwise(image), atol=1e-6)


def test_ensemble_over_scales_averages_resized_results():
  image, shapes = np.full((6, 8, 1), 3, np.float32), []

  def predict(x):
    shapes.append(x.shape)
    return x * x.shape[1]

  result = tiling.ensemble(predict, flips=False, scales=(0.5, 1.0, 1.5))(image)
  assert shapes == [(3, 4, 1), (6, 8, 1), (9, 12, 1)] and result.shape == (6, 8, 1)
  np.testing.assert_allclose(result, 3 * (4 + 8 + 12) / 3, rtol=1e-6)
  with pytest.raises(ValueError, match='scales'):
    tiling.ensemble(predict, scales=())


def test_ensemble_of_an_enlarging_network_and_under_jit():
  image = _image(4, 6)

  def predict(x):
    return jnp.repeat(jnp.repeat(x, 2, axis=-3), 2, axis=-2)

  averaged = jax.jit(tiling.ensemble(predict, quarter_turns=True))
  np.testing.assert_allclose(averaged(image), predict(image), atol=1e-6)


def test_ensemble_around_tiles():
  image, predict = _image(21, 34), _stack('SAME')
  whole = tiling.ensemble(lambda x: np.asarray(predict(x[None]))[0], quarter_turns=True)(image)
  tiled = tiling.ensemble(lambda x: tiling.predict_tiled(predict, x, tile=16, overlap=4), quarter_turns=True)(image)
  np.testing.assert_allclose(tiled, whole, atol=2e-6)
