"""The deconvolutional network: connections, the filter step, projection to pixels, joint inference, a planted
dictionary that is found again."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from deconv.models import SPARSE_CODERS, deconvolutional_network
from deconv.models import sparse_inference as inference
from deconv.objectives.sparse_coding import penalty
from deconv.options.models.sparse_coders import DeconvolutionalNetworkOptions
from deconv.options.objectives.sparse_coding import SparseCodingObjective

KEY = jax.random.key(0)
RNG = np.random.default_rng(0)
TWO = DeconvolutionalNetworkOptions(maps=(3, 6), kernel_sizes=(3, 3), connectivity=('full', 'singles_and_doubles'))


def make(options=TWO, shape=(8, 8, 1)):
  network = SPARSE_CODERS[options.name](options, image_shape=shape)
  return network, network.init(KEY)


def norms_of(filters):
  return np.linalg.norm(filters, axis=(0, 1))


def test_connections():
  full = deconvolutional_network.connections('full', 3, 2, KEY)
  np.testing.assert_array_equal(full, np.ones((3, 2)))
  both = np.asarray(deconvolutional_network.connections('singles_and_doubles', 45, 9, KEY))  # the paper's second layer
  assert both.shape == (45, 9) and len({tuple(row) for row in both}) == 45
  assert sorted(both.sum(axis=1)) == [1] * 9 + [2] * 36
  doubles = np.asarray(deconvolutional_network.connections('random_doubles', 40, 9, KEY))
  np.testing.assert_array_equal(doubles.sum(axis=1), 2)
  assert len({tuple(row) for row in doubles}) > 15 and set(np.unique(doubles)) == {0, 1}


def test_planes_have_norm_one_where_there_is_a_connection():
  network, filters = make()
  assert network.names == ('layer1', 'layer2') and network.map_shapes() == {
    'layer1': (10, 10, 3),
    'layer2': (12, 12, 6),
  }
  np.testing.assert_allclose(norms_of(filters['layer1']), 1, rtol=1e-5)
  connected = np.asarray(deconvolutional_network.connections('singles_and_doubles', 6, 3, KEY))
  np.testing.assert_allclose(norms_of(filters['layer2']), connected, rtol=1e-5)


def test_the_filter_step_solves_least_squares_and_keeps_connections():
  """With enough iterations it is the dense solution over the planes that are connected."""
  filters = np.asarray(make()[1]['layer2'])
  maps = RNG.normal(size=(2, 10, 10, 6)).astype(np.float32)
  images = RNG.normal(size=(2, 8, 8, 3)).astype(np.float32)
  connected = norms_of(filters) > 0
  normalized, found = deconvolutional_network.filter_step(filters, maps, images, 60)
  np.testing.assert_allclose(norms_of(normalized), connected, rtol=1e-5)
  patches = np.lib.stride_tricks.sliding_window_view(maps, (3, 3), axis=(1, 2))[..., ::-1, ::-1]  # (2, 8, 8, 6, 3, 3)
  for c in range(3):
    design = patches[:, :, :, connected[:, c]].reshape(128, -1).astype(np.float64)
    best = np.linalg.lstsq(design, images[..., c].ravel(), rcond=None)[0].reshape(-1, 3, 3)
    np.testing.assert_allclose(np.moveaxis(found[:, :, connected[:, c], c], -1, 0), best, atol=1e-4)
  short = deconvolutional_network.filter_step(filters, maps, images, 2)[1]
  errors = [float(jnp.sum((inference.reconstruct(maps, f) - images) ** 2)) for f in (filters, short, found)]
  assert errors[2] < errors[1] < errors[0]


def test_a_map_that_is_never_used_keeps_its_filter():
  filters = np.asarray(make()[1]['layer1'])
  maps = RNG.normal(size=(1, 10, 10, 3)).astype(np.float32)
  maps[..., 1] = 0
  new, _ = deconvolutional_network.filter_step(filters, maps, RNG.normal(size=(1, 8, 8, 1)).astype(np.float32), 3)
  np.testing.assert_allclose(new[:, :, 1], filters[:, :, 1], rtol=1e-6)
  assert not np.allclose(new[:, :, 0], filters[:, :, 0])


def test_projection_is_linear_in_single_maps():
  """What a map with a single 1 stands for is its filter in pixels, wherever the 1 is."""
  network, filters = make(shape=(12, 12, 2))
  for layer, side in enumerate((3, 5)):
    shown = network.filters_in_pixels(filters, layer)
    assert shown.shape == (TWO.maps[layer], side, side, 2)
    maps = np.zeros((1, *network.map_shapes()[network.names[layer]]), np.float32)
    maps[0, 7, 8, 1] = 2.0
    pixels = np.asarray(network.project(filters, layer, maps))
    grown = side - 1
    part = pixels[0, 7 - grown : 8, 8 - grown : 9]
    np.testing.assert_allclose(part, 2 * np.asarray(shown[1])[: part.shape[0], : part.shape[1]], atol=1e-5)
    assert abs(np.sum(pixels**2) - np.sum(part**2)) < 1e-4
  np.testing.assert_allclose(network.filters_in_pixels(filters, 0), np.moveaxis(filters['layer1'], 2, 0), atol=1e-6)


def joint(network, filters, images, weights, maps, objective):
  """The sum of the objectives of all layers, per image."""
  total, below = 0, images
  for layer, name in enumerate(network.names):
    quadratic = network.quadratic(filters, layer, below, weights, objective)
    total += quadratic.value(maps[name]) + penalty(maps[name], objective.of_layer(layer)[1])
    below = maps[name]
  return np.asarray(total)


def test_refinement_lowers_the_joint_objective():
  network, filters = make()
  images = RNG.normal(size=(2, 8, 8, 1)).astype(np.float32)
  weights = (RNG.uniform(size=(2, 8, 8, 1)) < 0.8).astype(np.float32)
  explain, found = jax.jit(network.explain, static_argnums=3), []
  for refinements in (0, 1):
    objective = SparseCodingObjective(
      data_weight=(8.0, 5.0), layer_steps=(1,), inference='fista', iterations=50, repeats=2, refinements=refinements
    )
    maps = explain(filters, images, weights, objective)
    found.append(joint(network, filters, images, weights, maps, objective))
  assert np.all(found[1] < 0.999 * found[0])
  again = explain(filters, np.where(weights > 0, images, 9.0), weights, objective)
  np.testing.assert_allclose(again['layer2'], maps['layer2'], atol=1e-4)  # missing pixels tell nothing


def closest(found, planted):
  """For each planted filter the largest correlation with a found one, over shifts and signs."""
  wide = np.pad(found, ((0, 0), (4, 4), (4, 4)))
  best = []
  for one in planted:
    values = [
      abs(np.sum(wide[:, i : i + one.shape[0], j : j + one.shape[1]] * one, axis=(1, 2)))
      for i, j in itertools.product(range(wide.shape[1] - one.shape[0] + 1), range(wide.shape[2] - one.shape[1] + 1))
    ]
    best.append(np.max(values))
  return np.array(best)


def test_a_planted_dictionary_is_found_again():
  """Images are made of three filters of 3x3 at few places; the network learns filters of 5x5 from noise."""
  planted = np.array([[[1, 1, 1], [0, 0, 0], [-1, -1, -1]], [[0, 1, 0], [1, -4, 1], [0, 1, 0]], np.eye(3)], np.float32)
  planted /= np.linalg.norm(planted, axis=(1, 2), keepdims=True)
  rng = np.random.default_rng(0)
  maps = rng.normal(size=(6, 26, 26, 3))
  maps = 3 * (np.sign(maps) + maps) * (rng.uniform(size=maps.shape) < 0.015)
  images = inference.reconstruct(maps.astype(np.float32), jnp.asarray(np.moveaxis(planted, 0, 2)[..., None]))
  options = DeconvolutionalNetworkOptions(maps=(5,), kernel_sizes=(5,))
  network, filters = make(options, images.shape[1:])
  objective = SparseCodingObjective(inference='fista', iterations=10)

  @jax.jit
  def epoch(_, carry):
    filters, maps = carry
    quadratic = network.quadratic(filters, 0, images, jnp.ones((1, 1, 1, 1)), objective)
    maps = inference.infer(quadratic, maps, 1.0, objective)
    return {'layer1': deconvolutional_network.filter_step(filters['layer1'], maps, images, 2)[0]}, maps

  def agreement(filters):
    return closest(np.asarray(network.filters_in_pixels(filters, 0))[..., 0], planted)

  maps = jnp.zeros((6, *network.map_shapes()['layer1']), jnp.float32)
  learned, _ = jax.lax.fori_loop(0, 45, epoch, (filters, maps))
  assert np.all(agreement(filters) < 0.8) and np.all(agreement(learned) > 0.98)
