"""Data sets of tensorflow-datasets that were prepared as array_record, read without TensorFlow."""
import difflib
import hashlib
import os
import re

from absl import logging

from deconv.data import encoded
from deconv.data import images as images_lib
from deconv.errors import UserError


class PreparedSource(encoded.EncodedSource):
  """The images of one split of a prepared data set.

  Args:
    builder: a tfds builder whose data are prepared as array_record.
    split: a split of tfds, such as 'train', 'train[:90%]', 'train+test', 'all'.
    options: DataOptions.

  Raises:
    UserError: no such split, no images in the data set, or none that can be decoded.
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
    super().__init__(builder.name, str(builder.data_dir), options, classes)
    self._split = split
    self._identity = builder.info.full_name, builder.info.splits
    # Only the encoded bytes: they are decoded by the same rule as every other source's.
    decoders = {key: tfds.decode.SkipDecoding() for key in images}
    try:
      self._records = builder.as_data_source(split=split, decoders=decoders)
    except (ValueError, AssertionError) as error:
      raise UserError(f"split '{split}' of data set '{builder.name}' cannot be read ({error}): write for example "
                      "'train[:90%]'.") from error
    self.check()

  def __len__(self):
    return len(self._records)

  def load(self, indices):
    # One call for all records is several times faster than a call for each.
    records = self._records.__getitems__(list(indices))
    items = []
    for index, record in zip(indices, records):
      try:
        items.append(self._item(record[self._image], record.get('label')))
      except images_lib.BrokenImage:
        items.append(self[index])
    return items

  def _read(self, index):
    record = self._records[index]
    return record[self._image], record.get('label')

  def _title(self, index):
    return f"image {index} of split '{self._split}'"

  def fingerprint(self):
    full_name, splits = self._identity
    sizes = sorted((name, info.num_examples, info.num_bytes) for name, info in splits.items())
    return hashlib.sha256(repr((full_name, self._split, len(self), sizes)).encode()).hexdigest()[:16]


def open_tfds(options, split):
  """The source `tfds`: the data set `options.name` in the data_dir `options.path` ('' is tfds' own default).

  Splits: those of the data set, and parts and sums of them in tfds' notation.

  Raises:
    UserError: no such data set or split, or it is not prepared as array_record.
  """
  if not options.name:
    raise UserError("data source 'tfds' needs --config.data.name=NAME, a data set of tensorflow-datasets such as "
                    'cifar10.')
  builder = find_builder(options.name, options.path)
  command = f'python scripts/prepare_tfds.py {options.name}' + (f' --data_dir={options.path}' if options.path else '')
  if not builder.is_prepared():
    raise UserError(f"the data set '{options.name}' is not prepared in {builder.data_dir}: run '{command}', or set "
                    '--config.data.path to the data_dir where it is.')
  if not is_readable(builder):
    raise UserError(f"the data set '{options.name}' in {builder.data_dir} is prepared in a format that only TensorFlow "
                    f"reads ({builder.info.file_format}): remove it and run '{command}'.")
  check_split(options.name, split, builder.info.splits)
  return PreparedSource(builder, split, options)


def check_split(name, split, splits):
  """UserError naming the splits that there are when `split`, in tfds' notation, names another."""
  for part in re.sub(r'\[[^\]]*\]', '', split).split('+'):
    if part.strip() not in {*splits, 'all'}:
      raise UserError(f"data set '{name}' has no split '{part.strip()}': it has {', '.join(sorted(splits))} and all.")


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
    raise UserError('prepared data sets are read by tensorflow-datasets, which cannot be imported '
                    f'({error}): pip install tensorflow-datasets array-record importlib-resources.') from error
  data_dir = os.path.expanduser(data_dir or default_data_dir())
  verbosity = logging.get_verbosity()
  logging.set_verbosity(logging.ERROR)  # it warns of each folder that is not prepared, which the caller says better
  try:
    return tfds.builder(name, data_dir=data_dir)
  except tfds.core.DatasetNotFoundError as error:
    near = difflib.get_close_matches(name, tfds.list_builders(with_community_datasets=False), 1)
    hint = f" (did you mean '{near[0]}'?)" if near else ''
    raise UserError(f"tensorflow-datasets knows no data set '{name}'{hint}, and none of that name is prepared in "
                    f'{data_dir}: set --config.data.name to one of its names.') from error
  finally:
    logging.set_verbosity(verbosity)
