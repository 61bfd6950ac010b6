"""Strongest responses against a search by hand, what a unit can see against the geometry of the layers."""

from flax import linen as nn
import jax
import numpy as np

from deconv import data
from deconv import layers as deconv_layers
from deconv.tasks.capabilities import Looking
from deconv.visualization import layers, units

KEY = jax.random.key(0)
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (11, 13, 13, 1), dtype=np.uint8)


class Stack(nn.Module):
  """Convolutions 3x3, 4x4 with stride 2 and 3x3, each with a rectifier."""

  @nn.compact
  def __call__(self, x):
    for i, (kernel, stride) in enumerate(((3, 1), (4, 2), (3, 1))):
      x = nn.relu(deconv_layers.Conv(4, kernel, strides=stride, padding=1, kernel_init=None, name=f'conv{i}')(x))
    return x


def make_looking():
  variables = Stack().init(KEY, np.zeros((1, 13, 13, 1), np.float32))
  return Looking(lambda x: Stack().apply(variables, x), variables)


def test_strongest_responses_are_those_of_a_search_by_hand():
  looking = make_looking()
  found = units.strongest(looking, ['conv1', 'conv2'], IMAGES, count=3, batch_size=4)
  for name, strongest in found.items():
    output = np.asarray(layers.outputs(looking, data.to_signed(IMAGES))[name], np.float64)
    for unit in range(4):
      best = output[..., unit].reshape(len(IMAGES), -1)
      order = np.argsort(-best.max(axis=1))[:3]
      np.testing.assert_array_equal(strongest.images[:, unit], order)
      np.testing.assert_allclose(strongest.values[:, unit], best.max(axis=1)[order], rtol=1e-5)
      np.testing.assert_array_equal(strongest.places[:, unit], best.argmax(axis=1)[order])


def test_fewer_images_than_responses():
  assert units.strongest(make_looking(), ['conv0'], IMAGES[:2])['conv0'].values.shape == (2, 4)


def test_what_a_unit_can_see_is_its_receptive_field():
  looking, middle = make_looking(), 2 * 6 + 2
  support = units.projector(looking, 'conv2', 'linear')(IMAGES[:1], np.array([0]), np.array([middle]))
  height, width, tops, lefts = units.boxes(support)
  # conv0 and conv1 see 3 + (4 - 1) = 6, and conv2 2 * (3 - 1) more; its place 2 begins at 2 * (2 - 1) - 1 - 1 = 0.
  assert (height, width, tops[0], lefts[0]) == (10, 10, 0, 0)


def test_a_window_over_the_border_is_moved_into_the_image():
  supports = np.zeros((2, 9, 9, 1))
  supports[0, 2:6, 3:7], supports[1, 7:, :2] = 1, 1
  height, width, tops, lefts = units.boxes(supports)
  assert (height, width, tops.tolist(), lefts.tolist()) == (4, 4, [2, 5], [3, 0])
  assert units.crop(supports, height, width, tops, lefts).shape == (2, 4, 4, 1)


def test_a_projection_explains_a_single_activation():
  looking = make_looking()
  images, unit, places = IMAGES[:2], np.array([1, 3]), np.array([7, 20])
  projections = units.projector(looking, 'conv0', 'gradient')(images, unit, places)
  output = np.asarray(layers.outputs(looking, data.to_signed(images))['conv0'], np.float64)
  kernel = np.asarray(looking.variables['params']['conv0']['kernel'], np.float64)
  for i in range(2):
    row, column = divmod(places[i], 13)
    expected = np.zeros((15, 15))  # with the padding
    expected[row : row + 3, column : column + 3] = kernel[:, :, 0, unit[i]] * output[i, row, column, unit[i]]
    np.testing.assert_allclose(projections[i, ..., 0], expected[1:-1, 1:-1], rtol=1e-4, atol=1e-5)


def test_projections_are_stretched_around_grey():
  stretched = units.stretch(np.array([[[[0.0], [2.0], [-1.0]]], [[[0.0], [0.0], [0.0]]]]))
  assert stretched[0].ravel().tolist() == [128, 255, 64] and set(stretched[1].ravel()) == {128}


def test_all_together():
  looking = make_looking()
  found = units.strongest(looking, ['conv2'], IMAGES, count=3)['conv2']
  crops, projections, windows = units.look(looking, 'conv2', found, [0, 2], IMAGES, 'deconvnet')
  assert crops.shape == projections.shape and crops.shape[:2] == (2, 3) and windows.shape == (2, 3, 4)
  top, left, height, width = windows[1, 0]
  image = IMAGES[found.images[0, 2]]
  np.testing.assert_array_equal(crops[1, 0], image[top : top + height, left : left + width])
