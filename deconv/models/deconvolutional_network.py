"""The deconvolutional network of Zeiler, Krishnan, Taylor & Fergus (CVPR 2010): sparse maps, layer on layer.

An image is a sum of filters convolved with sparse maps, and the maps of a layer are the image of the next. Filters are
learned without labels, one layer after the other. The network is no feed-forward one: the maps of an image are found by
minimising an objective (deconv/models/sparse_inference.py).

Filters are {'layer1': (f, f, maps, channels), 'layer2': (f, f, maps, maps below), ...}. A plane of a filter, (f, f) of
one map and one map below, has norm 1 where the two are connected, and is 0 where they are not.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from deconv import ops
from deconv.models import smooth_map
from deconv.models import sparse_inference as inference
from deconv.rng import stream


def layer_name(layer):
  """'layer1' for layer 0, and so on."""
  return f'layer{layer + 1}'


def connections(kind, maps, below, key):
  """Returns float32 (maps, below): 1 where a map is connected to one below.

  Args:
    kind: full | singles_and_doubles | random_doubles, see DeconvolutionalNetworkOptions.
    maps, below: their numbers.
    key: PRNG key of random_doubles.
  """
  if kind == 'full':
    return jnp.ones((maps, below), jnp.float32)
  if kind == 'random_doubles':
    first_two = jax.vmap(lambda key: jax.random.permutation(key, below)[:2])(jax.random.split(key, maps))
    return jnp.max(jax.nn.one_hot(first_two, below, dtype=jnp.float32), axis=1)
  sets = [(i,) for i in range(below)] + list(itertools.combinations(range(below), 2))
  return jnp.asarray(np.array([[i in one for i in range(below)] for one in sets], np.float32))


def normalize_planes(filters):
  """Scales every plane of filters (f, f, maps, below) to norm 1; a plane that is 0 stays."""
  norms = jnp.sqrt(jnp.sum(jnp.square(filters), axis=(0, 1), keepdims=True))
  return filters / jnp.where(norms > 0, norms, 1.0)


def filter_step(filters, maps, images, steps, total=lambda x: x, weights=1.0):
  """Improves filters for given maps by conjugate gradients, and normalises their planes.

  The error of the reconstruction, summed over the images, is quadratic in the filters (Zeiler et al. 2010, section
  3.2). Planes that are 0 are no connections and stay 0.

  Args:
    filters: (f, f, k, c).
    maps: (batch, h + f - 1, w + f - 1, k).
    images: (batch, h, w, c).
    steps: iterations.
    total: function that sums an array over the devices that share the batch.
    weights: of the pixels, from 0 to 1, in a shape that goes with images.

  Returns:
    (filters, their planes of norm 1; the filters before they were scaled, whose error is no larger than at the start).
  """
  connected = jnp.any(filters != 0, axis=(0, 1), keepdims=True).astype(filters.dtype)
  _, pull = jax.vjp(lambda f: inference.reconstruct(maps, f), filters)

  def gather(images):
    with inference.full_precision():
      return connected * total(pull(weights * images)[0])

  found, *_ = inference.conjugate_gradients(
    lambda f: gather(inference.reconstruct(maps, f)), gather(images), filters, steps, lambda a, b: jnp.sum(a * b)
  )
  return normalize_planes(found), found


class DeconvolutionalNetwork:
  """The layers of a network, without their filters.

  Attributes:
    options: DeconvolutionalNetworkOptions.
    image_shape: (height, width, channels) of the images.
    layers: number of layers.
    names: of the layers, from the pixels up.
  """

  def __init__(self, options, image_shape):
    """Keeps the arguments."""
    self.options, self.image_shape = options, image_shape
    self.layers = len(options.maps)
    self.names = tuple(map(layer_name, range(self.layers)))

  def init(self, key):
    """Returns random filters, {name: (f, f, maps, below)}: white noise whose planes have norm 1."""
    found, below = {}, self.image_shape[2]
    for name, maps, side, kind in zip(
      self.names, self.options.maps, self.options.kernel_sizes, self.options.connectivity
    ):
      own = stream(key, name)
      planes = jax.random.normal(stream(own, 'filters'), (side, side, maps, below), jnp.float32)
      connected = connections(kind, maps, below, stream(own, 'connections'))
      found[name] = normalize_planes(planes * connected[None, None])
      below = maps
    return found

  def map_shapes(self, image_shape=None):
    """Returns {name: (height, width, maps)} for images of a shape; by default the network's own."""
    found, shape = {}, image_shape or self.image_shape
    for name, maps, side in zip(self.names, self.options.maps, self.options.kernel_sizes):
      shape = found[name] = inference.map_shape(shape, (side, side, maps))
    return found

  def smooth_shape(self, image_shape=None):
    """Returns the shape of the smooth map (deconv/models/smooth_map.py) of an image: (height, width, channels)."""
    shape = image_shape or self.image_shape
    return inference.map_shape(shape, (self.options.kernel_sizes[0],) * 2 + shape[2:])

  def smooth_part(self, found):
    """Returns what the smooth map among maps stands for in pixels, 0.0 where there is none."""
    return smooth_map.spread(found[smooth_map.NAME], self.options.kernel_sizes[0]) if smooth_map.NAME in found else 0.0

  def reconstruction(self, filters, layer, found):
    """Returns what a layer and the smooth map make of images, (batch, height, width, channels).

    Args:
      filters: {name: filters}.
      layer: its number.
      found: {name: maps}, see `explain`.
    """
    return self.project(filters, layer, found[self.names[layer]]) + self.smooth_part(found)

  def project(self, filters, layer, maps):
    """Returns what the maps of a layer stand for in pixels, (batch, height, width, channels)."""
    for name in reversed(self.names[: layer + 1]):
      maps = inference.reconstruct(maps, filters[name])
    return maps

  def filters_in_pixels(self, filters, layer):
    """Returns what single maps of a layer stand for in pixels: (maps, side, side, channels), float32.

    A map has a single 1 and all others are 0; the filters of each layer below grow it by their side less 1.
    """
    found = jnp.eye(self.options.maps[layer], dtype=jnp.float32)[:, None, None]
    for name in reversed(self.names[: layer + 1]):
      found = ops.conv_transpose(found, filters[name])
    return found

  def explain(self, filters, images, weights, objective, start=None):
    """Infers the maps of all layers: from the pixels up, then `objective.refinements` times from the top down.

    From the top down a layer minimises its own objective beside the next one's error, in which its maps are the image:
    data_weight / 2 |reconstruction from the layer above - maps|^2. The sum of all objectives does not rise, as far as
    a minimisation does not (Zeiler et al. 2010, section 3.3).

    Args:
      filters: {name: filters}.
      images: (batch, height, width, channels).
      weights: of the pixels, from 0 to 1, in a shape that goes with images; 0 is a missing pixel.
      objective: SparseCodingObjective.
      start: {name: maps} to begin with; None = zeros.

    Returns:
      {name: maps}, with `objective.smooth` also the smooth map, 'smooth'.
    """
    shapes, found, below = self.map_shapes(images.shape[1:]), dict(start or {}), images
    shapes.update({smooth_map.NAME: self.smooth_shape(images.shape[1:])} if objective.smooth else {})
    for name, shape in shapes.items():
      found.setdefault(name, jnp.zeros((len(images), *shape), jnp.float32))
    for layer, name in enumerate(self.names):
      found.update(self._infer(filters, layer, below, weights, objective, found, anchor=None))
      below = found[name]
    for _ in range(objective.refinements if self.layers > 1 else 0):
      for layer in reversed(range(self.layers)):
        below, anchor = found[self.names[layer - 1]] if layer else images, None
        if layer + 1 < self.layers:
          anchor = inference.reconstruct(found[self.names[layer + 1]], filters[self.names[layer + 1]])
        found.update(self._infer(filters, layer, below, weights, objective, found, anchor))
    return found

  def _infer(self, filters, layer, below, weights, objective, found, anchor):
    """{name: maps} of what `improve` changes, `objective.repeats` times."""
    return jax.lax.fori_loop(
      0,
      objective.repeats,
      lambda _, found: self.improve(filters, layer, below, weights, objective, found, anchor),
      {name: found[name] for name in self.inferred(layer, found)},
    )

  def inferred(self, layer, found):
    """Returns the names among maps that the inference of a layer changes: its own, and the smooth map of the first."""
    return (self.names[layer], *([smooth_map.NAME] if layer == 0 and smooth_map.NAME in found else []))

  def improve(self, filters, layer, below, weights, objective, found, anchor=None):
    """Infers the maps of a layer once; in the first layer the smooth map before them, if there is one.

    From zero the smooth map is that of the image. The other way round the sparse maps would explain it first.

    Args:
      filters: {name: filters}.
      layer: its number.
      below: the images, or the maps of the layer below.
      weights, objective: see `explain`.
      found: {name: maps} to begin with, of the names `inferred` at least.
      anchor: None, or maps that the layer above expects.

    Returns:
      {name: maps} of the names `inferred`.
    """
    name, new, seen = self.names[layer], {}, below
    data_weight, power = objective.of_layer(layer)
    if smooth_map.NAME in self.inferred(layer, found):
      new[smooth_map.NAME] = smooth_map.solve(
        below - inference.reconstruct(found[name], filters[name]),
        weights,
        found[smooth_map.NAME],
        self.options.kernel_sizes[0],
        data_weight,
        objective.smooth_weight,
        objective.smooth_steps,
      )
      seen = below - self.smooth_part(new)
    quadratic = self.quadratic(filters, layer, seen, weights, objective)
    if anchor is not None:
      quadratic = quadratic._replace(anchor=anchor, anchor_weight=objective.of_layer(layer + 1)[0])
    return {**new, name: inference.infer(quadratic, found[name], power, objective)}

  def quadratic(self, filters, layer, below, weights, objective):
    """Returns the inference.Quadratic of a layer: `below` are the images, or the maps of the layer below."""
    every = jnp.ones((1, 1, 1, 1), jnp.float32)  # the maps below are all known
    return inference.Quadratic(
      filters[self.names[layer]], below, every if layer else weights, objective.of_layer(layer)[0]
    )


def build(options, *, image_shape):
  """Returns the DeconvolutionalNetwork for images of a shape (height, width, channels)."""
  return DeconvolutionalNetwork(options, image_shape)
