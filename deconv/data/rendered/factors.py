"""Sources that are rendered from known factors of variation, each image when it is asked for."""

import hashlib
import math

import numpy as np

from deconv.data.source import Source
from deconv.errors import UserError


class FactorSource(Source):
  """Images rendered from a grid of factors; a source that holds no images, for they are cheaper to render again.

  A factor row is k integers, one index into the values of each factor. Item i of a whole grid has the factors that are
  the digits of i, the last factor turning fastest; a source with `rows` has those rows and no others.

  Attributes:
    factor_names, factor_sizes, factor_offsets: as of every Source, k of each; by the offsets splits have values of
      their own.
    categorical: for each factor, whether its values have no order.
  """

  procedural = True

  def __init__(
    self,
    name,
    options,
    factors,
    render,
    version,
    *,
    offsets=None,
    rows=None,
    skip=(),
    categorical=(),
    label=None,
    class_names=None,
  ):
    """Makes the source.

    Args:
      name: what to call it.
      options: DataOptions.
      factors: {name: number of values}.
      render: rows int (n, k) -> uint8 (n, height, width, channels) of options.image_shape; a pure function that can be
        pickled.
      version: int, to be raised when the renderer makes other images: part of the fingerprint.
      offsets: {name: first value}, by default 0.
      rows: int (number, k), the factors of each item; None is the whole grid.
      skip: items of the whole grid that are left out, (number,), each once; those after them move up.
      categorical: names of the factors without order.
      label: name of the factor that is the class, None for no labels.
      class_names: names of its values.
    """
    super().__init__(name, options, class_names)
    self.factor_names = tuple(factors)
    self.factor_sizes = tuple(factors.values())
    self.factor_offsets = tuple((offsets or {}).get(factor, 0) for factor in factors)
    self.categorical = tuple(factor in categorical for factor in factors)
    self._label = None if label is None else self.factor_names.index(label)
    self._rows = None if rows is None else np.asarray(rows, np.int32)
    skip = np.sort(np.asarray(skip, int))
    self._gaps = skip - np.arange(len(skip))  # how many items come before each gap
    self._version = version
    self._render = render

  def __len__(self):
    return math.prod(self.factor_sizes) - len(self._gaps) if self._rows is None else len(self._rows)

  def factors_of(self, indices):
    """Returns the factors int32 (n, k) of items (n,)."""
    if self._rows is not None:
      return self._rows[indices]
    places = indices + np.searchsorted(self._gaps, indices, side='right')
    digits = np.stack(np.unravel_index(places, self.factor_sizes), axis=-1)
    return (digits + self.factor_offsets).astype(np.int32)

  def index_of(self, factors):
    """Returns the items (n,) of factors int (n, k).

    Raises:
      UserError: this split is not a whole grid.
    """
    if self._rows is not None or len(self._gaps):
      raise UserError(
        f'data.vary needs a split with all combinations of the factors, and this split of {self.name} lacks '
        'some; set data.split=all'
      )
    return np.ravel_multi_index(tuple((np.asarray(factors) - self.factor_offsets).T), self.factor_sizes)

  def render(self, factors):
    """Returns uint8 (n, height, width, channels) of factors int (n, k), which any split's may be."""
    return self._render(np.asarray(factors))

  def sample_factors(self, random, num):
    """Returns factors int32 (num, k), each uniform over its values in this split; `random` is a numpy RandomState."""
    columns = [offset + random.randint(0, size, num) for offset, size in zip(self.factor_offsets, self.factor_sizes)]
    return np.stack(columns, axis=-1).astype(np.int32)

  def __getitem__(self, index):
    if not 0 <= index < len(self):
      raise IndexError(index)
    return self.load([index])[0]

  def load(self, indices):
    """Returns the items: dicts of 'image', 'factors' int32 (k,) and 'label' int32 scalar where there are classes."""
    factors = self.factors_of(np.asarray(indices))
    images = self.render(factors)
    items = [{'image': image, 'factors': row} for image, row in zip(images, factors)]
    if self._label is not None:
      for item in items:
        item['label'] = item['factors'][self._label]
    return items

  def full_size(self, index):
    return self.image_shape[:2]

  def fingerprint(self):
    # Not of rendered pixels: the last bit of a sine differs between processors, and a run may move.
    about = (self.name, self._version, self.image_shape, self.factor_names, self.factor_sizes, self.factor_offsets)
    digest = hashlib.sha256(repr(about).encode())
    if self._rows is not None:
      digest.update(self._rows.tobytes())
    digest.update(self._gaps.tobytes())
    return digest.hexdigest()[:16]
