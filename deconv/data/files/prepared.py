"""Data sets of tensorflow-datasets that were prepared as array_record, read without TensorFlow."""

import hashlib
import os
import re

from absl import logging
import numpy as np

from deconv.data.files import decode, encoded
from deconv.data.files.mask_coding import MaskCoding
from deconv.data.files.mask_files import decode_pair, fit_pair
from deconv.data.source import NoSuchSplit
from deconv.errors import UserError, did_you_mean

# The trimap of oxford_iiit_pet: 1 is the animal, 2 what is around it, 3 the line between them (and hard places).
PET_CLASSES = 'foreground', 'background', 'border'
_MASK = 'segmentation_mask'  # of the features of tensorflow-datasets


class PreparedSource(encoded.EncodedSource):
  """The images of one split of a prepared data set.

  Args:
    builder: a tfds builder whose data are prepared as array_record.
    split: a split of tfds, such as 'train', 'train[:90%]', 'train+test', 'all'.
    options: DataOptions. Where `class_names` is not empty, the masks are read too.

  Raises:
    UserError: no such split, no images in the data set or no masks that are asked for, or none that can be decoded.
  """

  def __init__(self, builder, split, options):
    import tensorflow_datasets as tfds

    features = dict(builder.info.features.items())
    images = [key for key, feature in features.items() if isinstance(feature, tfds.features.Image)]
    if not images:
      raise UserError(f"the records of data set '{builder.name}' hold no image: choose another data.name.")
    self._image = 'image' if 'image' in images else images[0]
    label = features.get('label')
    classes = label.names if isinstance(label, tfds.features.ClassLabel) else None
    self._coding = _mask_coding(builder.name, features, options) if options.class_names else None
    super().__init__(builder.name, str(builder.data_dir), options, classes, self._coding and self._coding.names)
    self._split = split
    self._identity = builder.info.full_name, builder.info.splits
    # Only the encoded bytes: they are decoded by the same rule as every other source's.
    decoders = {key: tfds.decode.SkipDecoding() for key in images}
    try:
      self._records = builder.as_data_source(split=split, decoders=decoders)
    except (ValueError, AssertionError) as error:
      raise UserError(
        f"split '{split}' of data set '{builder.name}' cannot be read ({error}): write for example 'train[:90%]'."
      ) from error
    self.check()

  def __len__(self):
    return len(self._records)

  def load(self, indices):
    # One call for all records is several times faster than a call for each.
    records = self._records.__getitems__(list(indices))
    items = []
    for index, record in zip(indices, records):
      try:
        items.append(self._item_of(record, index))
      except decode.BrokenImage:
        items.append(self[index])
    return items

  def _read(self, index):
    record = self._records[index]
    return record[self._image], record.get('label')

  def _decode(self, index):
    if self._coding is None:
      return super()._decode(index)
    return self._item_of(self._records[index], index)

  def _item_of(self, record, index):
    if self._coding is None:
      return self._item(record[self._image], record.get('label'))
    item = fit_pair(*self._pair(record, index), self.options)
    return item if self.num_classes is None else {**item, 'label': np.int32(record['label'])}

  def _pair(self, record, index):
    return decode_pair(record[self._image], record[_MASK], self._coding, f'of {self._title(index)}', self.options)

  def load_full(self, index):
    """{'image', 'mask' where masks are read} in their own size; BrokenImage if they cannot be decoded."""
    if self._coding is None:
      return super().load_full(index)
    return dict(zip(('image', 'mask'), self._pair(self._records[index], index)))

  def _title(self, index):
    return f"image {index} of split '{self._split}'"

  def fingerprint(self):
    full_name, splits = self._identity
    sizes = sorted((name, info.num_examples, info.num_bytes) for name, info in splits.items())
    return hashlib.sha256(repr((full_name, self._split, len(self), sizes)).encode()).hexdigest()[:16]


def _mask_coding(name, features, options):
  if _MASK not in features:
    raise UserError(
      f"the records of data set '{name}' have no {_MASK}, and data.class_names names classes of masks: "
      'choose another data.name, or set data.class_names to ().'
    )
  if name == 'oxford_iiit_pet':
    return MaskCoding(PET_CLASSES, first=1, source=name)
  return MaskCoding(options.class_names)


def open_tfds(options, split):
  """The source `tfds`: the data set `options.name` in the data_dir `options.path` ('' is tfds' own default).

  Where `options.class_names` is not empty, the items have the masks that the data set calls segmentation_mask: those of
  oxford_iiit_pet have the classes PET_CLASSES; those of others hold class numbers.

  Splits: those of the data set, and parts and sums of them in tfds' notation.

  Raises:
    UserError: no such data set or split, or it is not prepared as array_record.
  """
  if not options.name:
    raise UserError(
      "data source 'tfds' needs --config.data.name=NAME, a data set of tensorflow-datasets such as cifar10."
    )
  builder = find_builder(options.name, options.path)
  command = f'python -m scripts.prepare_tfds {options.name}' + (f' --data_dir={options.path}' if options.path else '')
  if not builder.is_prepared():
    raise UserError(
      f"the data set '{options.name}' is not prepared in {builder.data_dir}: run '{command}', or set "
      '--config.data.path to the data_dir where it is.'
    )
  if not is_readable(builder):
    raise UserError(
      f"the data set '{options.name}' in {builder.data_dir} is prepared in a format that only TensorFlow "
      f"reads ({builder.info.file_format}): remove it and run '{command}'."
    )
  check_split(options.name, split, builder.info.splits)
  return PreparedSource(builder, split, options)


def check_split(name, split, splits):
  """NoSuchSplit naming the splits that there are when `split`, in tfds' notation, names another."""
  for part in re.sub(r'\[[^\]]*\]', '', split).split('+'):
    if part.strip() not in {*splits, 'all'}:
      raise NoSuchSplit(f"data set '{name}' has no split '{part.strip()}': it has {', '.join(sorted(splits))} and all.")


def default_data_dir():
  """Where tfds keeps its data when it is not told otherwise; known without importing it."""
  return os.path.expanduser(os.environ.get('TFDS_DATA_DIR') or os.path.join('~', 'tensorflow_datasets'))


def is_readable(builder):
  """Whether the data are prepared in the one format that is read without TensorFlow."""
  return builder.is_prepared() and builder.info.file_format and builder.info.file_format.value == 'array_record'


def find_builder(name, data_dir):
  """The tfds builder of a data set, prepared or not; UserError when there is none of that name."""
  try:
    import tensorflow_datasets as tfds
  except ImportError as error:
    raise UserError(
      'prepared data sets are read by tensorflow-datasets, which cannot be imported '
      f'({error}): pip install tensorflow-datasets array-record importlib-resources.'
    ) from error
  data_dir = os.path.expanduser(data_dir or default_data_dir())
  verbosity = logging.get_verbosity()
  logging.set_verbosity(logging.ERROR)  # it warns of each folder that is not prepared, which the caller says better
  try:
    return tfds.builder(name, data_dir=data_dir)
  except tfds.core.DatasetNotFoundError as error:
    hint = did_you_mean(name, tfds.list_builders(with_community_datasets=False))
    raise UserError(
      f"tensorflow-datasets knows no data set '{name}'{hint}, and none of that name is prepared in "
      f'{data_dir}: set --config.data.name to one of its names.'
    ) from error
  finally:
    logging.set_verbosity(verbosity)
