"""Convolutional sparse coding: a deconvolutional network whose filters are learned one layer after the other.

A batch has 'image' uint8 (batch, height, width, channels), and in training 'index' int32 (batch,), the numbers of the
images in the source. A step infers the maps of its images in the layer that is being trained, from where the last epoch
left them, and then improves that layer's filters. The maps of all training images, the smooth ones of
`objective.smooth` too, are kept in the state
(`NetworkState.memory`): they are the start of the next epoch and the images of the next layer, and a resumed run goes
on from them.

Pixels go from -1 to 1, and what the network sees has its contrast normalised (`objective.contrast`). Decibels compare
in pixels: what the normalisation took out is put back to a reconstruction.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from deconv import data, plots
from deconv.data.transforms.contrast import normalize_contrast
from deconv.errors import UserError
from deconv.metrics import image_quality
from deconv.models import SPARSE_CODERS, smooth_map
from deconv.models.deconvolutional_network import filter_step
from deconv.models.sparse_inference import reconstruct
from deconv.objectives.sparse_coding import objective as objective_of
from deconv.rng import stream
from deconv.tasks.capabilities import InfersMaps, TransformsPictures
from deconv.tasks.state import NetworkState, State, compiled_fast
from deconv.tasks.task import Task, batch_by_batch, means_of, weights_of

_SHOWN = 6  # rows of the reconstructions
_LEAST_SIDE = 48  # pixels of a filter or an image in the pictures


class SparseCoding(InfersMaps, TransformsPictures, Task):
  """Trains one network 'net'; a Task (deconv/tasks/task.py).

  Attributes:
    network: deconv.models.deconvolutional_network.DeconvolutionalNetwork.
    objective: SparseCodingObjective.
    starts: the step with which the training of each layer begins.
  """

  def __init__(self, options, make_optimizer, batch_norm_axis):
    """Makes the network; see Task."""
    super().__init__(options, make_optimizer, batch_norm_axis)
    self.objective = options.objective
    self.network = SPARSE_CODERS[options.model.name](options.model, image_shape=options.data.image_shape)
    self.starts = (0, *np.cumsum(self.objective.layer_steps).tolist())
    self._explain = jax.jit(self._explained)

  def batch_shapes(self, batch_size):
    """As of every Task, with 'index' int32 (batch,)."""
    return {**super().batch_shapes(batch_size), 'index': jax.ShapeDtypeStruct((batch_size,), jnp.int32)}

  def inspect_source(self, source):
    """Counts the images (host).

    Raises:
      UserError: the source has another number of images than the objective says.
    """
    if len(source) != self.objective.num_images:
      raise UserError(
        f'objective.num_images={self.objective.num_images}, and {source.name} has {len(source)}; set it to '
        f'{len(source)}: the maps of every training image are kept'
      )

  # State.

  def init(self, key, batch):
    """Returns the State at step 0, whose maps are 0; the batch is not looked at."""
    del batch

    @compiled_fast
    def create(key):
      shapes = self.network.map_shapes()
      shapes.update({smooth_map.NAME: self.network.smooth_shape()} if self.objective.smooth else {})
      maps = {name: jnp.zeros((self.objective.num_images, *shape), jnp.float32) for name, shape in shapes.items()}
      net = NetworkState(self.network.init(stream(key, 'net')), batch_stats={}, opt_state=(), memory={'maps': maps})
      return State(step=jnp.zeros((), jnp.int32), networks={'net': net})

    return create(key)

  # Training.

  def _gathered(self, x):
    """The parts of all devices, where the batch is divided by hand."""
    return x if self.data_axis is None else jax.lax.all_gather(x, self.data_axis, tiled=True)

  def _total(self, x):
    return x if self.data_axis is None else jax.lax.psum(x, self.data_axis)

  def train_step(self, state, batch, key):
    """Maps of a minibatch, then filters.

    Args:
      state: State.
      batch: 'image', 'index'.
      key: not used, nothing is drawn.

    Returns:
      (State, scalars): 'loss', the mean over images of the objective of the layer that is trained, with the filters
        that the maps are for; 'psnr', 'snr' and 'psnr_stretched' (dB) of what these maps stand for, see `decibels`;
        'nonzero', the share of the maps that is used, see `share_used`; 'layer', from 1.
    """
    del key
    normalized = normalize_contrast(data.to_signed(batch['image']), self.objective.contrast)
    branches = [
      lambda net, layer=layer: self._train_layer(net, layer, batch, normalized) for layer in range(self.network.layers)
    ]
    layer = jnp.sum(state.step >= jnp.asarray(self.starts, jnp.int32), dtype=jnp.int32) - 1
    net, scalars = jax.lax.switch(layer, branches, state.networks['net'])
    scalars['layer'] = layer.astype(jnp.float32) + 1
    return state.replace(step=state.step + 1, networks={'net': net}), scalars

  def _train_layer(self, net, layer, batch, normalized):
    """(NetworkState, scalars) of a step of one layer."""
    name, maps = self.network.names[layer], net.memory['maps']
    found = {name: kept[batch['index']] for name, kept in maps.items()}
    below = found[self.network.names[layer - 1]] if layer else normalized.values
    weights = _everywhere() if layer else self._known(batch['image'])
    found.update(self.network.improve(net.params, layer, below, weights, self.objective, found))
    seen = self.network.reconstruction(net.params, layer, found)
    scalars = {
      'loss': jnp.mean(self._objective_of(net.params, layer, found, below, weights)),
      **{measure: jnp.mean(value) for measure, value in decibels(seen, normalized, batch['image']).items()},
      'nonzero': jnp.mean(share_used(found[name])),
    }
    target = below if layer else below - self.network.smooth_part(found)
    steps = self.objective.filter_steps
    filters, _ = filter_step(net.params[name], found[name], target, steps, self._total, weights)
    index = self._gathered(batch['index'])
    kept = {one: maps[one].at[index].set(self._gathered(found[one])) for one in self.network.inferred(layer, found)}
    net = net.replace(params={**net.params, name: filters}, memory={**net.memory, 'maps': {**maps, **kept}})
    return net, scalars

  def _known(self, images):
    """The weights of the pixels: 0 where `objective.hidden` hides them, by random numbers of the image itself."""
    if not self.objective.hidden:
      return _everywhere()
    pixels = images.reshape(len(images), -1).astype(jnp.uint32)
    sums = jnp.sum(pixels * (2 * jnp.arange(pixels.shape[1], dtype=jnp.uint32) + 1), axis=1, dtype=jnp.uint32)
    key, shape = stream(jax.random.key(self.options.seed), 'hidden'), (*images.shape[1:3], 1)
    known = jax.vmap(lambda number: jax.random.uniform(jax.random.fold_in(key, number), shape))(sums)
    return (known >= self.objective.hidden).astype(jnp.float32)

  def _objective_of(self, filters, layer, found, below, weights):
    """What the maps of a layer minimise, the part of the smooth map included; of each image."""
    name, smooth = self.network.names[layer], smooth_map.NAME in found and layer == 0
    again = reconstruct(found[name], filters[name]) + (self.network.smooth_part(found) if smooth else 0.0)
    value = objective_of(found[name], again, below, weights, *self.objective.of_layer(layer))
    return value + self.objective.smooth_weight / 2 * smooth_map.roughness(found[smooth_map.NAME]) if smooth else value

  # Inference.

  def _explained(self, state, images, weights):
    """As `explain`, of and to arrays of the device; 'maps' beside it."""
    filters = state.networks['net'].params
    normalized = normalize_contrast(images, self.objective.contrast, weights)
    maps = self.network.explain(filters, normalized.values, weights, self.objective)
    return {
      name: normalized.restore(self.network.reconstruction(filters, layer, maps))
      for layer, name in enumerate(self.network.names)
    }, maps

  # Evaluation.

  def eval_step(self, state, batch, key):
    """Sums over the images: 'psnr', 'snr' and 'psnr_stretched' (dB) of what the top layer stands for, see `decibels`,
    with several layers also those of each, 'psnr_layer1', ...; 'objective' of the first layer and 'nonzero', the share
    of its maps that is used; 'count'."""
    del key
    normalized = normalize_contrast(data.to_signed(batch['image']), self.objective.contrast)
    filters, weight = state.networks['net'].params, weights_of(batch)
    known = self._known(batch['image'])
    maps = self.network.explain(filters, normalized.values, known, self.objective)
    values = {}
    for layer, name in enumerate(self.network.names):
      again = self.network.reconstruction(filters, layer, maps)
      found = decibels(again, normalized, batch['image'])
      values.update(found)
      if self.network.layers > 1:
        values.update({f'{measure}_{name}': value for measure, value in found.items()})
    values['objective'] = self._objective_of(filters, 0, maps, normalized.values, known)
    values['nonzero'] = share_used(maps[self.network.names[0]])
    sums = {name: jnp.sum(jnp.where(weight > 0, value, 0.0)) for name, value in values.items()}
    return {'count': jnp.sum(weight), **sums}

  def summarize(self, sums):
    """Returns the means over the images of the sums of `eval_step`."""
    return means_of(sums)

  def protocol(self, state):
    """Returns what stands beside the numbers."""
    del state
    return {
      'psnr_is': image_quality.protocol('rgb', 0)['psnr_is'],
      'contrast': self.objective.contrast,
      **({'hidden': self.objective.hidden} if self.objective.hidden else {}),
      'inference': self.objective.inference,
      **({'smooth_weight': self.objective.smooth_weight} if self.objective.smooth else {}),
      'repeats': self.objective.repeats,
      'refinements': self.objective.refinements,
      'data_weight': list(self.objective.data_weight),
      'power': list(self.objective.power),
    }

  def explain(self, state, images, weights=None):
    """Explains images by the sparse maps of each layer (host); see InfersMaps."""
    images = np.asarray(images, np.float32)
    weights = np.ones_like(images[..., :1]) if weights is None else np.broadcast_to(weights, (*images.shape[:3], 1))
    return batch_by_batch(functools.partial(self._explain, state), self.options.eval.batch_size, images, weights)

  def transform_image(self, state, image):
    """Explains a user's own picture, in its own size.

    Args:
      state: State.
      image: uint8 or uint16 (height, width, 1 to 4), see deconv.data.read_picture.

    Returns:
      {'': what the top layer makes of it, with several layers also what each does, under its name}; uint8.
    """
    options = self.options.data
    images = data.to_signed(data.opaque(image, options.channels, options.background))[None]
    try:
      again, _ = self.explain(state, images)
    except ValueError as error:
      raise UserError(f'the picture cannot be explained: {error}; give a larger one') from error
    found = {name: data.to_uint8(again[name][0]) for name in self.network.names}
    return {'': found[self.network.names[-1]], **(found if len(found) > 1 else {})}

  # Pictures.

  def pictures(self, state, batch, key):
    """Returns {'filters_layer1', ...: the filters of each layer in pixels, grey where they are 0; 'reconstructions':
    rows of an image and what each layer makes of it}."""
    del key
    filters, drawn = state.networks['net'].params, {}
    for layer, name in enumerate(self.network.names):
      drawn[f'filters_{name}'] = _filter_grid(np.asarray(self.network.filters_in_pixels(filters, layer)))
    shown = np.asarray(batch['image'][:_SHOWN])
    again, _ = self.explain(state, data.to_signed(shown))
    columns = np.stack([shown, *(data.to_uint8(again[name]) for name in self.network.names)], axis=1)
    drawn['reconstructions'] = _grid(columns.reshape(-1, *shown.shape[1:]), columns.shape[1])
    return drawn


def _grid(images, columns=None):
  """Lays out uint8 images, enlarged where they are small."""
  return plots.image_grid(plots.at_least(images, _LEAST_SIDE), columns)


def _everywhere():
  """The weights of images whose pixels are all known."""
  return jnp.ones((1, 1, 1, 1), jnp.float32)


def decibels(again, normalized, images):
  """Returns how close a reconstruction is, {measure: (batch,)} in dB.

  Args:
    again: (batch, height, width, channels), the reconstruction of normalised images.
    normalized: deconv.data.transforms.contrast.Normalized.
    images: uint8, those that were normalised.

  Returns:
    'psnr': the peak signal-to-noise ratio in pixels, mean and deviation of the image put back. 'snr': the power of the
    normalised image over that of the error in it, the measure of Zeiler et al. (2010). 'psnr_stretched': the peak
    signal-to-noise ratio of the normalised image and its reconstruction, each stretched from its own least and largest
    value to 0 and 1; the measure of the tables of convolutional sparse coding, see docs/sparse_coding.md.
  """
  error = jnp.sum(jnp.square(again - normalized.values), axis=(1, 2, 3))
  power = jnp.sum(jnp.square(normalized.values), axis=(1, 2, 3))
  stretched = jnp.mean(jnp.square(_stretched(again) - _stretched(normalized.values)), axis=(1, 2, 3))
  return {
    'psnr': image_quality.psnr(normalized.restore(again), data.to_signed(images)),
    'snr': 10 * jnp.log10(jnp.maximum(power, 1e-10) / jnp.maximum(error, 1e-10)),
    'psnr_stretched': -10 * jnp.log10(jnp.maximum(stretched, 1e-10)),
  }


def _stretched(images):
  """Each image from 0 to 1; 0 where it is flat."""
  least, largest = (bound(images, axis=(1, 2, 3), keepdims=True) for bound in (jnp.min, jnp.max))
  return (images - least) / jnp.where(largest > least, largest - least, 1.0)


def share_used(maps):
  """Returns the share of the maps (batch, ...) that is above a thousandth of the largest of their image, (batch,).

  Not of those that are other than 0: the continuation ends with many values of the size of 1 / beta.
  """
  size = jnp.abs(maps)
  used = size > 1e-3 * jnp.max(size, axis=(1, 2, 3), keepdims=True)
  return jnp.mean(used.astype(jnp.float32), axis=(1, 2, 3))


def _filter_grid(filters):
  """Filters (n, side, side, c) -> uint8 picture: 0 is grey, and the largest value of each filter black or white."""
  largest = np.abs(filters).max(axis=(1, 2, 3), keepdims=True)
  return _grid(data.to_uint8(filters / np.where(largest > 0, largest, 1)))
