"""The images that excite a unit most, and what of them it responded to (Zeiler & Fergus 2013, figure 2)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from deconv import data
from deconv.models import named_layers
from deconv.visualization import backward


class Strongest(NamedTuple):
  """The strongest responses of the units of a layer, each of another image, strongest first.

  Attributes:
    values: float32 (count, units).
    images: int (count, units), indices into the source.
    places: int (count, units), where: row * width + column of the layer's output; 0 where it has no height.
  """

  values: np.ndarray
  images: np.ndarray
  places: np.ndarray


def strongest(looking, names, images, count=9, batch_size=64):
  """Finds the strongest responses of all units of some layers.

  Args:
    looking: deconv.tasks.capabilities.Looking.
    names: of the layers.
    images: sequence of uint8 (height, width, channels), at least one; a unit's response to an image is the largest in
      its map.
    count: responses of a unit that are kept; fewer where there are fewer images.
    batch_size: images in a forward of the network.

  Returns:
    {layer: Strongest}.
  """

  @jax.jit
  def respond(batch):
    found = named_layers.outputs(looking, data.to_signed(batch))
    flat = {name: found[name].reshape(len(batch), -1, found[name].shape[-1]) for name in names}
    return {name: (x.max(axis=1).astype(jnp.float32), x.argmax(axis=1)) for name, x in flat.items()}

  kept = {}
  for start in range(0, len(images), batch_size):
    batch = np.stack([images[i] for i in range(start, min(start + batch_size, len(images)))])
    padded = np.concatenate([batch, np.repeat(batch[-1:], batch_size - len(batch), axis=0)])
    for name, (values, places) in respond(padded).items():
      values, places = np.asarray(values)[: len(batch)], np.asarray(places)[: len(batch)]
      indices = np.broadcast_to(np.arange(start, start + len(batch))[:, None], values.shape)
      new = [values, indices, places]
      if name in kept:
        new = [np.concatenate(pair) for pair in zip(kept[name], new)]
      order = np.argsort(-new[0], axis=0, kind='stable')[:count]
      kept[name] = Strongest(*(np.take_along_axis(x, order, axis=0) for x in new))
  return kept


def projector(looking, name, rule):
  """Returns a function that sends single activations of a layer back to the pixels.

  Args:
    looking: deconv.tasks.capabilities.Looking.
    name: of the layer.
    rule: of the rectifiers, see deconv.visualization.backward.RULES.

  Returns:
    A function (images uint8 (n, height, width, channels), units int (n,), places int (n,), as those of `Strongest`) ->
    float32 (n, height, width, channels). All other activations of the layer are zero, as in section 2.1 of the paper.
  """

  @jax.jit
  def project(images, units, places):
    def run(x):
      return named_layers.outputs(looking, x)[name]

    activations, back = jax.vjp(backward.with_rule(run, rule), data.to_signed(images))
    flat = activations.reshape(len(images), -1, activations.shape[-1])
    here = jnp.arange(len(images)), places, units
    alone = jnp.zeros_like(flat).at[here].set(flat[here])
    return back(alone.reshape(activations.shape))[0].astype(jnp.float32)

  return project


def boxes(supports):
  """The parts of the images that single activations can see, all of one size.

  Args:
    supports: float (n, height, width, channels), projections by the rule 'linear': 0 where a pixel does not matter.

  Returns:
    (height, width, tops int (n,), lefts int (n,)): the largest extent, and where it lies. A window over the border is
    moved into the image.
  """
  seen = np.asarray(supports) != 0
  extents = [_extents(seen.any(axis=axes)) for axes in ((2, 3), (1, 3))]
  starts = []
  for (low, high), length in zip(extents, seen.shape[1:3]):
    size = int((high - low).max())
    start = np.where(low > 0, low, high - size)
    starts.append((size, np.clip(start, 0, length - size)))
  (height, tops), (width, lefts) = starts
  return height, width, tops, lefts


def _extents(seen):
  """bool (n, length) -> (first, one after the last); nothing seen is one pixel."""
  some = seen.any(axis=1)
  low = np.where(some, seen.argmax(axis=1), 0)
  high = np.where(some, seen.shape[1] - seen[:, ::-1].argmax(axis=1), 1)
  return low, high


def crop(images, height, width, tops, lefts):
  """Cuts windows of one size, as `boxes` returns them, out of images (n, h, w, c)."""
  return np.stack(
    [image[top : top + height, left : left + width] for image, top, left in zip(images, tops, lefts, strict=True)]
  )


def stretch(projections):
  """Floats (n, ...) -> uint8: 0 becomes grey, and the largest magnitude of each is black or white."""
  projections = np.asarray(projections, np.float64)
  largest = np.abs(projections).reshape(len(projections), -1).max(axis=1)
  scale = np.where(largest > 0, largest, 1).reshape(-1, *[1] * (projections.ndim - 1))
  return np.round(127.5 + 127.5 * projections / scale).astype(np.uint8)


def look(looking, name, found, units, images, rule):
  """Returns (crops, projections, windows) of the strongest images of some units of a layer.

  Args:
    looking: deconv.tasks.capabilities.Looking.
    name: of the layer.
    found: Strongest of it.
    units: their numbers.
    images: those that `strongest` was given.
    rule: see `projector`.

  Returns:
    crops: uint8 (units, count, height, width, channels), what the units could see of the images.
    projections: float32 of that shape.
    windows: int (units, count, 4): top, left, height, width in the image.
  """
  project, reach = (projector(looking, name, each) for each in (rule, 'linear'))
  whole, signals, supports = [], [], []
  for unit in units:  # one program for all of them
    batch = np.stack([images[int(i)] for i in found.images[:, unit]])
    arguments = batch, np.full(len(batch), unit), found.places[:, unit]
    whole.append(batch)
    signals.append(np.asarray(project(*arguments)))
    supports.append(np.asarray(reach(*arguments)))
  whole, signals = np.concatenate(whole), np.concatenate(signals)
  height, width, tops, lefts = boxes(np.concatenate(supports))
  shape = len(units), len(found.images)
  crops, projections = (crop(x, height, width, tops, lefts) for x in (whole, signals))
  windows = np.stack([tops, lefts, np.full_like(tops, height), np.full_like(lefts, width)], axis=-1)
  return tuple(x.reshape(*shape, *x.shape[1:]) for x in (crops, projections, windows))
